"""What must always be true of alliances; what follows from the lists can be worked out anew."""

from mealquest.alliance import queries
from mealquest.alliance.domain import WalletScope, holder
from mealquest.alliance.setting import beside, change, together
from mealquest.core.checks import MOST_FINDINGS, Check, Finding
from mealquest.core.db import transaction
from mealquest.core.principal import SYSTEM


def _wrong(merchant_id: str) -> list[Finding]:
    with transaction(merchant_id) as session:
        own = queries.configs(session, [merchant_id]).get(merchant_id)
        shares = queries.sharing(session, [merchant_id])[merchant_id]
        scope = queries.scope(session, merchant_id)
    if own is None and not shares:
        return []
    stores = own.stores if own else ()
    found = []
    if scope != WalletScope(bool(shares), holder(merchant_id, stores, shares)):
        what = f"uses wallets kept by {scope.wallet_merchant_id}, which its list does not say"
        found.append(Finding(merchant_id, merchant_id, what))
    near = sorted(beside(merchant_id, shares))
    with together(merchant_id, near) as session:
        back = {one for one in near if merchant_id in queries.sharing(session, [one])[one]}
    return [
        *found,
        *(Finding(merchant_id, one, "does not share back") for one in sorted(shares - back)),
    ][:MOST_FINDINGS]


def _work_out(finding: Finding) -> str:
    change(finding.merchant_id, (), lambda table: (table.own, ()), SYSTEM)
    return "what follows from the lists is worked out anew"


CHECKS = (
    Check(
        "alliance_sharing",
        "stores share a wallet when both say so, and the first of the list that shares keeps it",
        _wrong,
        _work_out,
    ),
)
