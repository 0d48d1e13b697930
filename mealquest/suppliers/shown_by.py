"""The customer who shows a partner's order: found by phone, name or code, as at the counter."""

from mealquest.identity import service as identity
from mealquest.identity.service import CustomerCodeRefused, CustomersForm, CustomerView
from mealquest.suppliers.forms import DeskForm
from mealquest.suppliers.replies import ShownBy

SHOWN = 8  # customers to choose from


def shown_by(merchant_id: str, form: DeskForm) -> ShownBy:
    """The customer who is named, or those that a query finds; nobody while none is asked for."""
    if form.user_id:
        return ShownBy(customer=_named(merchant_id, form.user_id))
    if not form.query:
        return ShownBy()
    if identity.begins_as_code(form.query):
        return _by_code(merchant_id, form.query)
    found = identity.customers(merchant_id, CustomersForm(query=form.query, limit=SHOWN)).items
    return ShownBy(query=form.query, found=found)


def _named(merchant_id: str, user_id: str) -> CustomerView | None:
    """None: not at this merchant, or gone."""
    found = identity.customers(merchant_id, CustomersForm(query=user_id, limit=SHOWN)).items
    return next((one for one in found if one.uid == user_id), None)


def _by_code(merchant_id: str, code: str) -> ShownBy:
    try:
        return ShownBy(query=code, found=[identity.resolve_code(merchant_id, code)])
    except CustomerCodeRefused as refused:
        return ShownBy(query=code, code_problem=refused.message)
