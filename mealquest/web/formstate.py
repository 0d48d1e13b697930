"""What a form template needs: the values to show again and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from flask_babel import gettext

from mealquest.core.errors import AppError, FieldError, Invalid
from mealquest.web.wording import error_words, page_words

# Where a page's form calls a field otherwise than the wire does.
FORM_NAMES = {"orderAmount": "amount"}


@dataclass(frozen=True, slots=True)
class FormState:
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()
    summary: str | None = None

    @classmethod
    def refused(cls, values: Mapping[str, Any], error: AppError) -> "FormState":
        """The summary is left to the page when each error stands beside its field."""
        fields = error.fields if isinstance(error, Invalid) else ()
        shown = tuple(
            FieldError(_form_name(f.field, values), page_words(f.message)) for f in fields
        )
        summary = error_words(error) or gettext("This did not work. Please send it once more.")
        return cls(values, shown, None if shown else summary)

    def value(self, name: str) -> str:
        """What was typed; nothing where JSON had something that no field could show."""
        value = self.values.get(name, "")
        return str(value) if isinstance(value, str | int | Decimal) else ""

    def error(self, name: str) -> str | None:
        return next((e.message for e in self.errors if e.field == name), None)


def _form_name(field: str, values: Mapping[str, Any]) -> str:
    name = FORM_NAMES.get(field, field)
    return name if name in values else field
