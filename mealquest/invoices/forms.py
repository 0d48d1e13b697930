"""What invoices take in."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from mealquest.core.paging import ListForm, OptionalDay, OptionalText
from mealquest.core.wire import Input, Key, Line, Str, refuse
from mealquest.invoices.domain import InvoiceKind, Language

TITLE = "MealQuest Order"  # what the wire contract calls an invoice that nobody named
EMAIL_LENGTH = 254
TAX_NO_LENGTH = 64
# One address and nothing else: no name, no list, no quoting, no line end.
_EMAIL = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]"
)


def _email(value: str) -> str:
    if value and (len(value) > EMAIL_LENGTH or not _EMAIL.fullmatch(value)):
        raise refuse("email format invalid")
    return value


def _one_line(value: str) -> str:
    return " ".join(value.split())


def _nothing_is_absent(value: Any, absent: str) -> Any:
    return absent if value is None else value


def _or_empty(value: Any) -> Any:
    return _nothing_is_absent(value, "")


Email = Annotated[Str, BeforeValidator(_or_empty), AfterValidator(_email)]
Title = Annotated[Line, BeforeValidator(_or_empty), AfterValidator(_one_line)]
TaxNo = Annotated[
    Str, BeforeValidator(_or_empty), Field(max_length=TAX_NO_LENGTH), AfterValidator(_one_line)
]


class IssueForm(Input):
    """`title`: whom the invoice is made out to; `email`: where it is sent at once, if anywhere."""

    payment_txn_id: Key
    title: Title = TITLE
    tax_no: TaxNo = ""
    email: Email = ""

    @property
    def made_out_to(self) -> str:
        return self.title or TITLE


class NewInvoiceForm(Input):
    """The page to issue one on; what else was typed is shown again from the form itself."""

    payment_txn_id: Key


class InvoiceNumberForm(Input):
    invoice_no: Key


class PaperForm(InvoiceNumberForm):
    """`lang`: the language of the paper; the shop's when nothing is said."""

    lang: Annotated[Language | None, BeforeValidator(lambda value: value or None)] = None


class MailForm(InvoiceNumberForm):
    """`email`: where to, in place of the address that the invoice has."""

    email: Email = ""


class InvoicesForm(ListForm):
    """Filters of the list; the days are the merchant's, both inclusive."""

    user_id: OptionalText = None
    kind: Annotated[InvoiceKind | None, BeforeValidator(lambda value: value or None)] = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
