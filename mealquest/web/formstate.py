"""What a form template needs: the values to show again and what is wrong with them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext

from mealquest.core.errors import AppError, FieldError, Invalid


@dataclass(frozen=True, slots=True)
class FormState:
    values: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[FieldError, ...] = ()
    summary: str | None = None

    @classmethod
    def refused(cls, values: Mapping[str, Any], error: AppError) -> "FormState":
        fields = error.fields if isinstance(error, Invalid) else ()
        shown = tuple(FieldError(f.field, gettext(f.message)) for f in fields)
        return cls(values, shown, gettext(error.message))

    def value(self, name: str) -> str:
        return str(self.values.get(name, ""))

    def error(self, name: str) -> str | None:
        return next((e.message for e in self.errors if e.field == name), None)
