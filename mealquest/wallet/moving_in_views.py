"""Moving what lies in a store's own wallets into those that it shares."""

from flask import request, url_for
from flask_babel import ngettext

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.tenancy.service import Operation
from mealquest.wallet import service
from mealquest.wallet.forms import MoveAllForm, MoveForm
from mealquest.wallet.replies import MovedAllView, MovedView
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import money
from mealquest.web.look import translate as _

feature = Feature("moving_in")


@feature.post(
    api="/api/customers/<user_id>/wallet/move",
    page="/console/customers/<user_id>/wallet/move",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    gate=Operation.WALLET_MOVE,
    idempotent=True,
    again="wallet.customer",
    see_other=lambda view: url_for("wallet.customer.page", **(request.view_args or {})),
    flash=lambda view: _(
        "%(sum)s were moved into the shared wallet.",
        sum=money(view.principal + view.bonus + view.silver),
    ),
)
def move(call: Call, form: MoveForm) -> MovedView:
    """Move what a customer has in the store's own wallet into the shared one."""
    return service.move_into_shared(call.merchant_id, form, call.principal, call.keyed)


def _all_moved(view: MovedAllView) -> str:
    return str(
        ngettext(
            "%(num)s wallet was moved into the shared one.",
            "%(num)s wallets were moved into the shared ones.",
            view.moved,
        )
    )


@feature.post(
    api="/api/wallets/move",
    page="/console/wallets/move",
    roles=frozenset({Role.OWNER}),
    scope=Scope.BODY,
    gate=Operation.WALLET_MOVE,
    see_other=lambda view: url_for("holdings.wallets.page"),
    flash=_all_moved,
)
def move_all(call: Call, form: MoveAllForm) -> MovedAllView:
    """The same for the store's customers, up to a hundred at a time."""
    return service.move_all_into_shared(call.merchant_id, form, call.principal)
