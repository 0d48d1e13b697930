"""Partners and the keys their machines come with.

A key reads `mqp.<merchantId>.<keyId>.<secret>`: it says where it belongs, so that proving it needs
to see one merchant only. The secret has 256 random bits, so its plain SHA-256 is kept.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.clock import utc_now
from mealquest.core.crypto import same
from mealquest.core.db import transaction
from mealquest.core.errors import Conflict
from mealquest.core.money import Money
from mealquest.core.principal import Principal, Role
from mealquest.core.wire import number
from mealquest.suppliers import queries
from mealquest.suppliers.errors import PartnerExists, PartnerKeyInvalid, PartnerNotFound
from mealquest.suppliers.forms import PartnerChangeForm, PartnerForm
from mealquest.suppliers.models import Partner
from mealquest.suppliers.replies import PartnerKeyView, PartnersView, PartnerView
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import Operation

HEADER = "X-Partner-Key"
MOST = 100  # partners of one merchant
SECRET_BYTES, KEY_ID_BYTES = 32, 6
_KEY = re.compile(r"mqp\.([a-z][a-z0-9_-]{1,63})\.([0-9a-f]{12})\.([A-Za-z0-9_-]{43})")
_NO_HASH = hashlib.sha256(b"no partner").hexdigest()
ACTION = Operation.SUPPLIER_PARTNER_SET


@dataclass(frozen=True, slots=True)
class PartnerKey:
    """A key as presented: well-formed, and not proved yet."""

    merchant_id: str
    key_id: str
    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "PartnerKey":
        """PartnerKeyInvalid: it cannot be a key of ours."""
        parts = _KEY.fullmatch(text.strip())
        if parts is None:
            raise PartnerKeyInvalid
        return cls(*parts.groups())

    @property
    def text(self) -> str:
        return f"mqp.{self.merchant_id}.{self.key_id}.{self.secret}"

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.secret.encode()).hexdigest()


def partner_of_key(session: Session, key: PartnerKey) -> Principal:
    """Whose key this is. PartnerKeyInvalid: nobody's, or it was replaced or revoked.

    A key that is not known takes as long as one that is, and as one whose secret is wrong.
    """
    partner = queries.partner_of_key(session, key.merchant_id, key.key_id)
    expected = (partner.key_hash if partner else None) or _NO_HASH
    if not same(key.hash, expected) or partner is None:
        raise PartnerKeyInvalid
    return Principal(Role.PARTNER, partner.partner_id, key.merchant_id, partner.name)


def partners(merchant_id: str) -> PartnersView:
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        found = queries.partners(session, merchant_id)
    items = [PartnerView.of(partner, currency) for partner in found]
    return PartnersView(merchant_id=merchant_id, currency=currency, items=items)


def add_partner(merchant_id: str, form: PartnerForm, by: Principal) -> PartnerKeyView:
    """Write a new partner with a first key. Conflict: the id is taken, or there are a hundred."""
    with transaction(merchant_id) as session:
        known = {partner.partner_id for partner in queries.partners(session, merchant_id)}
        if form.partner_id in known:
            raise PartnerExists
        if len(known) >= MOST:
            raise Conflict("too many partners", code="TOO_MANY_PARTNERS")
        partner = new_partner(session, merchant_id, form.partner_id, form.name, by.subject)
        return _with_new_key(session, partner, by, "ADDED")


def new_partner(
    session: Session, merchant_id: str, partner_id: str, name: str, created_by: str
) -> Partner:
    """A partner without a key."""
    partner = Partner(
        merchant_id=merchant_id, partner_id=partner_id, name=name, created_by=created_by
    )
    session.add(partner)
    session.flush()
    return partner


def change_partner(merchant_id: str, form: PartnerChangeForm, by: Principal) -> PartnerView:
    """Set name and tolerance; what the form leaves out stays."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        partner = _locked(session, merchant_id, form.partner_id)
        details: dict[str, Any] = {}
        if form.name and form.name != partner.name:
            details["name"] = {"from": partner.name, "to": form.name}
            partner.name = form.name
        if form.tolerance is not None:
            minor = Money.of_major(form.tolerance, currency).minor
            if minor != partner.tolerance_minor:
                before = Money(partner.tolerance_minor, currency).major
                details["tolerance"] = {"from": number(before), "to": number(form.tolerance)}
                partner.tolerance_minor = minor
        if details:
            changed = {"partnerId": partner.partner_id, "changed": details}
            audit.record(session, merchant_id, ACTION, by, changed)
        return PartnerView.of(partner, currency)


def new_key(merchant_id: str, partner_id: str, by: Principal) -> PartnerKeyView:
    """Another key in place of the one there was, which is good for nothing from now on."""
    with transaction(merchant_id) as session:
        partner = _locked(session, merchant_id, partner_id)
        return _with_new_key(session, partner, by, "KEY_REPLACED")


def revoke_key(merchant_id: str, partner_id: str, by: Principal) -> PartnerView:
    """Leave a partner without a key. A second time changes nothing."""
    with transaction(merchant_id) as session:
        currency = tenancy.settings_of(session, merchant_id).currency
        partner = _locked(session, merchant_id, partner_id)
        if partner.key_id:
            _tell(session, partner, by, "KEY_REVOKED")
            partner.key_id = partner.key_hash = partner.key_made_at = None
        return PartnerView.of(partner, currency)


def _locked(session: Session, merchant_id: str, partner_id: str) -> Partner:
    found = queries.lock_partners(session, merchant_id, [partner_id])
    if partner_id not in found:
        raise PartnerNotFound
    return found[partner_id]


def _with_new_key(session: Session, partner: Partner, by: Principal, change: str) -> PartnerKeyView:
    key = PartnerKey(
        partner.merchant_id,
        secrets.token_hex(KEY_ID_BYTES),
        secrets.token_urlsafe(SECRET_BYTES),
    )
    partner.key_id, partner.key_hash, partner.key_made_at = key.key_id, key.hash, utc_now()
    session.flush()
    _tell(session, partner, by, change)
    currency = tenancy.settings_of(session, partner.merchant_id).currency
    return PartnerKeyView(**dict(PartnerView.of(partner, currency)), key=key.text)


def _tell(session: Session, partner: Partner, by: Principal, change: str) -> None:
    details = {"partnerId": partner.partner_id, "action": change, "keyId": partner.key_id}
    audit.record(session, partner.merchant_id, ACTION, by, details)
