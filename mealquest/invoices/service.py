"""Invoices: issued, credited, looked at, printed, sent. The door to this package.

`issuing` writes them, `reading` shows and lists them, `drawing` puts one on paper, `mailing` sends
it, `checks` proves them.
"""

from mealquest.core.outbox import Subscribers
from mealquest.invoices import restoring
from mealquest.invoices.checks import CHECKS
from mealquest.invoices.domain import InvoiceKind, Language, MailState
from mealquest.invoices.forms import (
    TITLE,
    InvoiceNumberForm,
    InvoicesForm,
    IssueForm,
    MailForm,
    NewInvoiceForm,
    PaperForm,
)
from mealquest.invoices.issuing import credit, issue
from mealquest.invoices.mailing import attached, forget, mail_again
from mealquest.invoices.mailing import settled as mail_settled
from mealquest.invoices.reading import (
    Paper,
    every,
    invoice,
    listed,
    number_of_payment,
    paper,
)
from mealquest.invoices.replies import (
    InvoiceDetail,
    InvoicesPage,
    InvoiceView,
    MailedView,
    MailView,
)

__all__ = [
    "CHECKS",
    "SUBSCRIPTIONS",
    "TITLE",
    "InvoiceDetail",
    "InvoiceKind",
    "InvoiceNumberForm",
    "InvoiceView",
    "InvoicesForm",
    "InvoicesPage",
    "IssueForm",
    "Language",
    "MailForm",
    "MailState",
    "MailView",
    "MailedView",
    "NewInvoiceForm",
    "Paper",
    "PaperForm",
    "attached",
    "credit",
    "every",
    "forget",
    "invoice",
    "issue",
    "listed",
    "mail_again",
    "mail_settled",
    "number_of_payment",
    "paper",
    "restoring",
]

# Events that invoices hear of.
SUBSCRIPTIONS: Subscribers = {"PAYMENT_REFUNDED": (credit,)}
