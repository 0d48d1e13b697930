"""What a hit gives, done: money by the ledger, vouchers with ids of their own, fragments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from mealquest.campaigns.actions import LOGGED_AS, ActionType, Give
from mealquest.core.money import Currency
from mealquest.core.wire import number
from mealquest.identity import service as identity
from mealquest.payments import service as payments
from mealquest.payments.service import Earned, GiftKind
from mealquest.wallet import service as wallets
from mealquest.wallet.service import BonusGift, LockedWallet, major

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """A campaign that took hold of an event of this customer."""

    id: str
    campaign_id: str
    action: Mapping[str, Any]
    gives: Sequence[Give]
    cost_minor: int
    payment_id: str | None = None


@dataclass(slots=True)
class Given:
    """Ids of what was given, by its place in the action."""

    lots: dict[Path, str] = field(default_factory=dict)
    vouchers: dict[Path, str] = field(default_factory=dict)

    def rows(self, hit: Hit, currency: Currency) -> list[dict[str, Any]]:
        """As the hit keeps it; amounts in major units, as on the wire."""
        return [_row(give, self, currency) for give in hit.gives]


def give(session: Session, wallet: LockedWallet, hit: Hit, now: datetime) -> Given:
    """Give all of one hit under the wallet's lock. What a payment earned is noted beside it, so
    that its refund takes it back."""
    given = Given()
    _money(session, wallet, hit, now, given)
    _vouchers(session, wallet, hit, now, given)
    _fragments(session, wallet, hit)
    if hit.payment_id:
        for earned in _earned(hit, given):
            payments.note_gift(session, wallet.store_id, hit.payment_id, earned)
    return given


def log_of(hit: Hit, given: Given, currency: Currency) -> list[dict[str, Any]]:
    """The grants as the contract logs them: none for a story, one for anything else."""
    if hit.action["type"] == ActionType.STORY_CARD:
        return []
    return [_log(hit.campaign_id, hit.action, (), _by_path(hit, given, currency))]


def _money(session: Session, wallet: LockedWallet, hit: Hit, now: datetime, given: Given) -> None:
    def of(kind: ActionType) -> list[Give]:
        return [give for give in hit.gives if give.type is kind and give.minor]

    bonus = of(ActionType.GRANT_BONUS)
    principal = sum(give.minor for give in of(ActionType.GRANT_PRINCIPAL))
    silver = sum(give.minor for give in of(ActionType.GRANT_SILVER))
    if not (bonus or principal or silver):
        return
    details = {"campaignId": hit.campaign_id, "hitId": hit.id}
    if hit.payment_id:
        details["paymentTxnId"] = hit.payment_id
    lots = wallets.grant_by_campaign(
        session,
        wallet,
        hit.id,
        details,
        principal=principal,
        silver=silver,
        bonus=[BonusGift(give.minor, _until(give.days, now)) for give in bonus],
    )
    given.lots.update({give.path: lot for give, lot in zip(bonus, lots, strict=True)})


def _until(days: int | None, now: datetime) -> datetime | None:
    return now + timedelta(days=days) if days else None


def _vouchers(
    session: Session, wallet: LockedWallet, hit: Hit, now: datetime, given: Given
) -> None:
    if wallet.is_shared and any(give.voucher for give in hit.gives):
        wallets.meet_keeper(session, wallet)
    for give in hit.gives:
        if gift := give.voucher:
            given.vouchers[give.path] = wallets.grant_voucher(
                session,
                wallet.merchant_id,
                wallet.customer_id,
                kind=gift.type,
                name=gift.name,
                granted_by=hit.id,
                value_minor=gift.value_minor,
                min_spend_minor=gift.min_spend_minor,
                discount_rate=gift.discount_rate,
                expires_at=now + gift.life,
                only_at=wallet.store_id if wallet.is_shared else None,
            )


def _fragments(session: Session, wallet: LockedWallet, hit: Hit) -> None:
    more: dict[str, int] = {}
    for give in hit.gives:
        if give.count:
            more[give.fragment] = more.get(give.fragment, 0) + give.count
    if more:
        identity.add_fragments(session, wallet.store_id, wallet.customer_id, more)


def _earned(hit: Hit, given: Given) -> list[Earned]:
    found = []
    for give in hit.gives:
        if give.path in given.lots:
            lot = given.lots[give.path]
            found.append(Earned(GiftKind.BONUS, give.minor, hit.id, lot_id=lot))
        elif give.path in given.vouchers:
            voucher = given.vouchers[give.path]
            found.append(Earned(GiftKind.VOUCHER, give.cost_minor, hit.id, voucher_id=voucher))
        elif give.type is ActionType.GRANT_SILVER and give.minor:
            found.append(Earned(GiftKind.SILVER, give.minor, hit.id))
        elif give.type is ActionType.GRANT_PRINCIPAL and give.minor:
            found.append(Earned(GiftKind.PRINCIPAL, give.minor, hit.id))
        elif give.count:
            found.append(Earned(GiftKind.FRAGMENT, give.count, hit.id, fragment=give.fragment))
    return found


# --- in words of the wire ---------------------------------------------------------------------


def _row(give: Give, given: Given, currency: Currency) -> dict[str, Any]:
    row: dict[str, Any] = {"type": give.type.value}
    if give.story is not None:
        return row | {"templateId": give.story["templateId"]}
    if gift := give.voucher:
        row |= {"voucherId": given.vouchers[give.path], "name": gift.name}
        row |= {"voucherType": gift.type.value, "value": number(major(gift.value_minor, currency))}
        rate = gift.discount_rate
        return row | ({"discountRate": number(rate)} if rate else {})
    if give.fragment:
        return row | {"fragmentType": give.fragment, "amount": give.count}
    return row | {"amount": number(major(give.minor, currency))}


def _by_path(hit: Hit, given: Given, currency: Currency) -> dict[Path, dict[str, Any]]:
    found: dict[Path, dict[str, Any]] = {}
    for give in hit.gives:
        if give.voucher:
            found[give.path] = {"voucherGranted": given.vouchers[give.path]}
        elif give.fragment:
            found[give.path] = {"fragmentType": give.fragment, "fragmentGranted": give.count}
        elif give.type in LOGGED_AS:
            found[give.path] = {LOGGED_AS[give.type]: number(major(give.minor, currency))}
    return found


def _log(
    campaign_id: str, action: Mapping[str, Any], path: Path, logs: Mapping[Path, dict[str, Any]]
) -> dict[str, Any]:
    if action["type"] != ActionType.COMPOSITE:
        return {"campaignId": campaign_id} | logs[path]
    parts = [
        _log(campaign_id, part, (*path, index), logs)
        for index, part in enumerate(action["actions"])
        if part["type"] != ActionType.STORY_CARD
    ]
    return {"campaignId": campaign_id, "composite": parts}
