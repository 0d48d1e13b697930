"""The contract: the owner applies, managers see how it stands."""

from flask import url_for
from pydantic import Field

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.tenancy import service
from mealquest.tenancy.contract_forms import ContractForm
from mealquest.tenancy.domain import ContractStatus, Operation
from mealquest.tenancy.replies import ContractStatusView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("contract")
OWNER = frozenset({Role.OWNER})


class ContractPage(ContractStatusView):
    may_apply: bool = Field(False, exclude=True)


@feature.get(
    api="/api/merchant/contract/status",
    page="/console/contract",
    roles=MANAGEMENT,
    scope=Scope.QUERY,
    template="tenancy/contract",
)
def status(call: Call, form: NoInput) -> ContractPage:
    """How the application for a contract stands."""
    found = service.contract_status(call.merchant_id, call.principal)
    return ContractPage(**dict(found), may_apply=call.principal.role in OWNER)


@feature.post(
    api="/api/merchant/contract/apply",
    page="/console/contract",
    roles=OWNER,
    scope=Scope.BODY,
    gate=Operation.CONTRACT_APPLY,
    again="contract.status",
    see_other=lambda view: url_for("contract.status.page"),
    flash=lambda view: _("The application is sent."),
)
def apply(call: Call, form: ContractForm) -> ContractStatusView:
    """Apply for a contract; what was sent before is replaced."""
    return service.apply_for_contract(call.merchant_id, form, call.principal)


@feature.word
def contract_state(status: ContractStatus) -> dict[str, str]:
    """What the state of an application is called, and its tone."""
    return {
        ContractStatus.NOT_SUBMITTED: {"label": _("Not sent yet"), "tone": "neutral"},
        ContractStatus.PENDING_REVIEW: {"label": _("Being reviewed"), "tone": "pending"},
    }[status]
