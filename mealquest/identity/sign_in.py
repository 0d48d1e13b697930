"""Phone sign-in of staff: the code proves the phone, the phone's bindings say where it works."""

from contextlib import suppress

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.audit.service import AuditStatus
from mealquest.core.db import apart, transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.principal import ANONYMOUS, Principal, Role
from mealquest.identity import codes, phones, queries, tokens
from mealquest.identity.domain import Verdict
from mealquest.identity.errors import CodeRefused, MerchantScopeDenied
from mealquest.identity.forms import SignInForm
from mealquest.identity.queries import Binding
from mealquest.identity.replies import MerchantChoice, Profile, SignedInView
from mealquest.identity.sessions import open_session
from mealquest.tenancy import service as tenancy

ACTION = "STAFF_SIGN_IN"
# Refusals that cost something to provoke; the others could fill a stranger's audit log.
_AUDITED = {Verdict.MISMATCH, Verdict.EXPIRED}


def sign_in(form: SignInForm, user_agent: str = "") -> SignedInView:
    """Turn a phone and its code into a token of the staff member whose phone it is.

    A token for a merchant comes with a session, which says what device it is used on.

    Without a merchant: the only one that knows the phone; of several, a list to choose from; of
    none, a token that may only onboard a merchant.

    Raises:
        CodeRefused: not requested, expired, or wrong.
        Invalid, MerchantNotFound: there can be, or is, no such merchant.
        MerchantScopeDenied: the phone is not staff there.
    """
    proof = codes.redeem(form.phone, form.code, chooses=form.merchant_id is not None)
    if not proof.verdict.proves:
        _tell_of_refusal(proof)
        raise CodeRefused(proof.verdict.value, code=f"CODE_{proof.verdict.name}")
    if form.merchant_id is not None:
        return _at(form.phone, _named(form.merchant_id, proof.bindings), user_agent)
    if not proof.bindings:
        return _applicant(form.phone)
    if len(proof.bindings) == 1:
        return _at(form.phone, proof.bindings[0], user_agent)
    return _choice(form.phone, proof.bindings)


def _named(merchant_id: str, bindings: list[Binding]) -> Binding:
    merchant_id = tenancy.require_merchant_id(merchant_id)
    for binding in bindings:
        if binding.merchant_id == merchant_id:
            return binding
    with transaction(merchant_id) as session:
        tenancy.settings_of(session, merchant_id)
        details = {"error": "merchant scope denied"}
        audit.record(session, merchant_id, ACTION, ANONYMOUS, details, AuditStatus.DENIED)
    raise MerchantScopeDenied


def _at(phone: str, binding: Binding, user_agent: str) -> SignedInView:
    with transaction(binding.merchant_id) as session:
        staff = queries.staff(session, binding.merchant_id, binding.staff_id, stays=True)
        if staff is None or not _still_binds(session, phone, binding):
            raise MerchantScopeDenied  # since the code was checked, or the directory written
        principal, token = open_session(session, binding.merchant_id, staff, user_agent)
        audit.record(session, binding.merchant_id, ACTION, principal, {})
    profile = Profile(
        role=staff.role,
        merchant_id=binding.merchant_id,
        phone=phone,
        operator_id=staff.id,
        name=staff.name,
    )
    return SignedInView(token=token, profile=profile)


def _still_binds(session: Session, phone: str, binding: Binding) -> bool:
    """The directory may be a moment behind a merchant with a database of its own."""
    if session.info["place"].is_home:
        return True
    return binding in queries.bindings(session, phones.phone_hash(phone))


def _applicant(phone: str) -> SignedInView:
    token = tokens.mint(Principal(Role.APPLICANT, phone), epoch=0)
    return SignedInView(token=token, profile=_nowhere(phone))


def _choice(phone: str, bindings: list[Binding]) -> SignedInView:
    choices = [choice for some in _together(bindings) for choice in _choices(some)]
    if not choices:
        raise MerchantUnavailable
    choices.sort(key=lambda choice: choice.merchant_id)
    return SignedInView(token=None, profile=_nowhere(phone), merchants=choices)


def _choices(bindings: list[Binding]) -> list[MerchantChoice]:
    """None of merchants whose database is down: nobody could sign in there."""
    ids = [binding.merchant_id for binding in bindings]
    try:
        with transaction(*ids) as session:
            names = tenancy.names_of(session, ids)
            staff = queries.staff_of(session, bindings)
    except MerchantUnavailable:
        return []
    return [
        MerchantChoice(merchant_id=where, name=names[where], role=person.role)
        for where, person in staff
    ]


def _together(bindings: list[Binding]) -> list[list[Binding]]:
    """By the database in which they are."""
    groups = apart(binding.merchant_id for binding in bindings)
    return [[one for one in bindings if one.merchant_id in group] for group in groups]


def _nowhere(phone: str) -> Profile:
    return Profile(role=Role.OWNER, merchant_id=None, phone=phone)


def _tell_of_refusal(proof: codes.Proof) -> None:
    """Every merchant that the phone is staff of learns of the attempt."""
    if proof.verdict not in _AUDITED or not proof.bindings:
        return
    for some in _together(proof.bindings):
        with suppress(MerchantUnavailable):
            _tell_some(proof.verdict.value, some)


def _tell_some(why: str, bindings: list[Binding]) -> None:
    details = {"error": why}
    with transaction(*(binding.merchant_id for binding in bindings)) as session:
        for where, person in queries.staff_of(session, bindings):
            principal = Principal(person.role, person.id, where, person.name)
            audit.record(session, where, ACTION, principal, details, AuditStatus.DENIED)
