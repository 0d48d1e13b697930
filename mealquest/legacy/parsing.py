"""Each kind of entity out of its fields: people, money, papers.

Campaigns, chats and what is set stand in `parsing_plans`.
"""

from datetime import UTC, datetime
from decimal import Decimal

from mealquest.audit.service import AuditStatus
from mealquest.core.principal import MERCHANT, Role
from mealquest.legacy.entities import (
    AuditEntry,
    Binding,
    Contract,
    Invoice,
    LedgerRow,
    Merchant,
    OldEntry,
    OldStatus,
    OldVoucher,
    Outside,
    PartnerOrder,
    Payment,
    User,
    Voucher,
)
from mealquest.legacy.reading import Reader, plain
from mealquest.wallet.service import Balances, Deduction, VoucherType

BUDGET_CAP = 30_000  # minor units, of a merchant that says nothing of it
PHONE = "PHONE"
_EPOCH = datetime.fromtimestamp(0, UTC)
PARTS = ("voucher", "bonus", "principal", "silver", "external")
# What the old audit kept of people and accounts in clear; it ends nowhere, so it stays behind.
PERSONAL = frozenset(
    [
        "phone",
        "contactPhone",
        "ownerPhone",
        "licenseNo",
        "settlementAccount",
        "email",
        "taxNo",
        "displayName",
    ]
)


def merchant(read: Reader, merchant_id: str) -> Merchant:
    read.raw("merchantId", "id")
    cap = read.cents("budgetCap", default=BUDGET_CAP)
    if cap <= 0:
        read.problem("budgetCap", "must be more than zero")
    return Merchant(
        id=merchant_id,
        name=read.text("name", default=merchant_id),
        kill_switch=read.flag("killSwitchEnabled"),
        budget_cap=cap,
        budget_used=read.cents("budgetUsed", default=0),
        staff=tuple(_staff(one) for one in read.parts("staff")),
        onboarded_at=read.moment_or_none("onboardedAt", "createdAt"),
        owner_phone=read.text("ownerPhone") or None,
        cluster_id=read.text("clusterId") or None,
    )


def _staff(read: Reader) -> tuple[str, Role]:
    role = read.choice(Role, "role")
    if role not in MERCHANT:
        read.problem("role", f"{role.value} is no role of staff")
    return read.id("uid", "operatorId", "id"), role


def user(read: Reader, user_id: str) -> User:
    read.raw("merchantId", "uid", "userId", "id", "phone")
    wallet = read.part("wallet")
    balances = Balances(0, 0, 0)
    if wallet:
        balances = Balances(
            principal=wallet.cents("principal", default=0),
            bonus=wallet.cents("bonus", default=0),
            silver=wallet.cents("silver", default=0),
        )
        wallet.end()
    fragments = read.part("fragments")
    deleted_at = read.moment_or_none("deletedAt")
    return User(
        id=user_id,
        name=read.text("displayName", "name", default="MealQuest User"),
        balances=balances,
        tags=tuple(str(plain(tag)) for tag in read.listed("tags")),
        fragments=_fragments(fragments) if fragments else {},
        vouchers=tuple(_voucher(one) for one in read.parts("vouchers")),
        deleted=read.flag("isDeleted") or deleted_at is not None,
        deleted_at=deleted_at,
    )


def _fragments(read: Reader) -> dict[str, int]:
    return {plain(name): read.whole(name, default=0) for name in read.names()}


def _voucher(read: Reader) -> Voucher:
    kind = read.choice(VoucherType, "type")
    rate = read.decimal_or_none("discountRate")
    if rate is not None and not 0 < rate < 1:
        rate = None
    found = Voucher(
        id=read.id("id", "voucherId"),
        type=kind,
        name=read.text("name", default=kind.value),
        value=read.cents("value", default=0),
        min_spend=read.cents("minSpend", default=0),
        rate=rate.quantize(Decimal("0.0001")) if rate is not None else None,
        status=read.choice(OldVoucher, "status", default=OldVoucher.ACTIVE),
        expires_at=read.moment_or_none("expiresAt"),
    )
    read.end()
    return found


def payment(read: Reader, payment_id: str) -> Payment | None:
    read.raw("merchantId", "paymentTxnId", "txnId", "id", "walletMerchantId", "walletScope")
    before = len(read.notes.changed)
    order = read.cents("orderAmount")
    parts = _parts(read, order, before)
    created = read.moment_or_none("createdAt", "timestamp")
    if created is None:
        read.problem("createdAt", "is missing")
    if parts is None or created is None:
        return None
    quote = read.object("quote")
    status = read.choice(OldStatus, "status")
    if status is OldStatus.PENDING_EXTERNAL and not parts.external:
        read.problem("deduction.external", "nothing is to be paid outside, and yet it waits")
    refunded = read.cents("refundedAmount", default=0)
    if refunded > (parts.order if status is OldStatus.PAID else 0):
        read.problem("refundedAmount", "is more than was paid")
    chosen = quote.get("selectedVoucher")
    voucher_id = chosen.get("id") if isinstance(chosen, dict) else None
    return Payment(
        id=payment_id,
        user_id=read.id("userId"),
        status=status,
        parts=parts,
        refunded=refunded,
        voucher_id=voucher_id if isinstance(voucher_id, str) else None,
        quote=quote,
        outside=_outside(read),
        created_at=created,
    )


def _parts(read: Reader, order: int, before: int) -> Deduction | None:
    """The parts must sum to the order; a cent that rounding lost is the order's.

    `before`: how many changes were noted before this payment.
    """
    said = read.part("deduction")
    if said is None:
        if read.raw("deduction") is None:
            read.problem("deduction", "is missing")
        return None
    parts = Deduction(**{name: said.cents(name, default=0) for name in PARTS})
    said.end()
    off = parts.order - order
    was_rounded = len(read.notes.changed) > before
    if off and abs(off) <= len(PARTS) and was_rounded:
        read.notes.change(f"{read.where}.orderAmount", "is the sum of its rounded parts")
    elif off:
        read.problem("deduction", "its parts do not sum to orderAmount")
    elif order <= 0:
        read.problem("orderAmount", "must be more than zero")
    return parts


def _outside(read: Reader) -> Outside | None:
    said = read.part("externalPayment")
    if said is None:
        return None
    said.raw("payableAmount", "status")
    found = Outside(
        provider=said.text("provider", default="MOCK_GATEWAY"),
        intent=said.text("paymentIntentId", "intentId") or None,
        txn_id=said.text("externalTxnId") or None,
        confirmed_at=said.moment_or_none("confirmedAt"),
    )
    said.end()
    return found


def ledger_row(read: Reader) -> LedgerRow | None:
    """None for a type that is not known: it moved nothing that payments and wallets do not tell."""
    read.raw("merchantId", "userId")
    row_id = read.id("txnId", "id")
    kind = next((one for one in OldEntry if one.value == read.text("type").upper()), None)
    amount = read.cents("amount", default=0)
    details, at = read.object("details"), read.moment_or_none("timestamp", "createdAt")
    if kind is None:
        read.notes.leave_out(read.where, f"a ledger row of type {read.text('type')!r}")
        return None
    about = details.get("paymentTxnId")
    said = read.part("details")
    clawback = said.part("clawback") if said and kind is OldEntry.REFUND else None
    return LedgerRow(
        id=row_id,
        type=kind,
        payment_id=about if isinstance(about, str) else row_id,
        amount=amount,
        from_bonus=clawback.cents("fromBonus", default=0) if clawback else None,
        from_principal=clawback.cents("fromPrincipal", default=0) if clawback else None,
        details=details,
        at=at,
    )


def invoice(read: Reader) -> Invoice:
    read.raw("merchantId", "userId", "status")
    return Invoice(
        number=read.id("invoiceNo", "number"),
        payment_id=read.id("paymentTxnId"),
        amount=read.cents("amount"),
        title=read.text("title") or None,
        tax_no=read.text("taxNo") or None,
        email=read.text("email") or None,
        issued_at=read.moment_or_none("issuedAt", "createdAt"),
    )


def partner_order(read: Reader) -> PartnerOrder:
    read.raw("merchantId")
    amount = read.cents("amount")
    if amount <= 0:
        read.problem("amount", "must be more than zero")
    return PartnerOrder(
        partner_id=read.id("partnerId"),
        order_id=read.id("orderId"),
        amount=amount,
        status=read.text("status", default="PAID").strip().upper(),
        paid_at=read.moment_or_none("paidAt"),
    )


def audit_entry(read: Reader) -> AuditEntry | None:
    read.raw("merchantId", "userId")
    at = read.moment_or_none("timestamp", "createdAt")
    if at is None:
        read.problem("timestamp", "is missing")
    found = AuditEntry(
        id=read.id("auditId", "id"),
        at=at or _EPOCH,
        action=read.text("action", default="UNKNOWN"),
        status=read.choice(AuditStatus, "status", default=AuditStatus.SUCCESS),
        role=read.text("role", default="UNKNOWN"),
        operator_id=read.text("operatorId", "userId", default="unknown"),
        details=without_persons(read.object("details")),
    )
    return found if at else None


def without_persons(details: dict[str, object]) -> dict[str, object]:
    """Details of an audit row without phones, numbers of accounts and names, however deep."""
    return {
        name: without_persons(value) if isinstance(value, dict) else value
        for name, value in details.items()
        if name not in PERSONAL
    }


def binding(read: Reader, key: str) -> Binding:
    """`key` is the name it stood under: `<PROVIDER>:<subject>`, or `PHONE:<phone>`."""
    read.raw("merchantId")
    before, _, after = key.partition(":")
    provider = read.text("provider", default=before if after else PHONE).upper()
    subject = read.text("subject") or (read.text("phone") if provider == PHONE else "") or after
    read.raw("phone")
    if not subject:
        read.problem("subject", "is missing")
    return Binding(
        provider=provider,
        subject=subject,
        user_id=read.id("userId"),
        union_id=read.text("unionId") or None,
        linked_at=read.moment_or_none("linkedAt"),
        last_login_at=read.moment_or_none("lastLoginAt"),
    )


def contract(read: Reader) -> Contract:
    read.raw("merchantId", "status", "applicationId")
    return Contract(
        company_name=read.text("companyName"),
        license_no=read.text("licenseNo"),
        settlement_account=read.text("settlementAccount"),
        contact_phone=read.text("contactPhone"),
        notes=read.text("notes"),
        submitted_by=read.text("submittedBy", default="legacy"),
        submitted_at=read.moment_or_none("submittedAt", "createdAt"),
    )
