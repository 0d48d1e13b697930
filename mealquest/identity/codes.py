"""One-time codes: sent to a phone, kept as a keyed hash, good for five tries and one sign-in."""

import secrets
from dataclasses import dataclass
from datetime import timedelta

from flask import current_app
from sqlalchemy import delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core import messages
from mealquest.core.clock import utc_now
from mealquest.core.db import directory_transaction, transaction
from mealquest.core.errors import Unavailable
from mealquest.core.messages import Message, MessageKind
from mealquest.identity import gateway, phones, queries
from mealquest.identity.domain import CHOICE_LIFE, CODE_LIFE, CODE_TRIES, Verdict
from mealquest.identity.forms import RequestCodeForm
from mealquest.identity.models import PhoneCode
from mealquest.identity.queries import Binding
from mealquest.identity.replies import CodeRequestedView

LOWEST, HIGHEST = 100_000, 999_999
PURPOSE = "MERCHANT_SIGN_IN"
LIFE_S = int(CODE_LIFE.total_seconds())
KEPT_AFTER_EXPIRY = timedelta(hours=1)  # so that a late guess hears "expired"


@dataclass(frozen=True, slots=True)
class Proof:
    """How a guess ended, and where the phone is staff."""

    verdict: Verdict
    bindings: list[Binding]


def request_code(form: RequestCodeForm) -> CodeRequestedView:
    """Send a fresh code to a phone, known or not; it replaces the one outstanding.

    Unavailable: nothing is configured that could carry it there.
    """
    has_edge = gateway.has_edge()
    if not has_edge and not current_app.config["SETTINGS"].is_development:
        raise Unavailable("phone codes cannot be sent at the moment", code="SMS_UNAVAILABLE")
    code = str(LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1))
    phone_hash, code_hash = phones.phone_hash(form.phone), phones.code_hash(form.phone, code)
    with transaction() as session:
        _replace(session, phone_hash, code_hash)
        messages.post(
            session,
            MessageKind.SMS,
            _message(form.phone, code),
            has_edge=has_edge,
            expires_at=utc_now() + CODE_LIFE,
        )
    return CodeRequestedView(phone=form.phone, expires_in_sec=LIFE_S)


def redeem(phone: str, code: str, *, chooses: bool) -> Proof:
    """Spend a try on a guess, and the code when it is right. Guesses at one phone queue up.

    A code that proves a phone of several merchants, none of which was named, stays good for two
    minutes to name one; `chooses` says that this request does.
    """
    phone_hash, guess_hash = phones.phone_hash(phone), phones.code_hash(phone, code)
    with directory_transaction("a phone may be staff of several merchants") as session:
        found = queries.lock_code(session, phone_hash)
        verdict = Verdict.NOT_REQUESTED
        if found:
            pending, now = found
            verdict = pending.judge(guess_hash, now, chooses=chooses)
        bindings = queries.bindings(session, phone_hash)
        may_choose = len(bindings) > 1 and not chooses
        _write_down(session, phone_hash, verdict, may_choose=may_choose)
    return Proof(verdict, bindings)


def purge_codes() -> int:
    """Forget codes that are of no more use; returns how many."""
    with transaction() as session:
        gone = session.execute(
            delete(PhoneCode)
            .where(PhoneCode.expires_at < func.now() - KEPT_AFTER_EXPIRY)
            .returning(PhoneCode.phone_hash)
            .execution_options(synchronize_session=False)
        )
        return len(gone.all())


def _replace(session: Session, phone_hash: str, code_hash: str) -> None:
    values = {
        "code_hash": code_hash,
        "expires_at": func.now() + CODE_LIFE,
        "tries_left": CODE_TRIES,
        "used_at": None,
        "choice_until": None,
        "created_at": func.now(),
    }
    session.execute(
        insert(PhoneCode)
        .values(phone_hash=phone_hash, **values)
        .on_conflict_do_update(index_elements=["phone_hash"], set_=values)
    )


def _message(phone: str, code: str) -> Message:
    minutes = LIFE_S // 60
    return Message(
        to=phone,
        subject="MealQuest sign-in code",
        text=f"{code} is your MealQuest sign-in code, good for {minutes} minutes. Tell nobody.",
        data={"phone": phone, "code": code, "purpose": PURPOSE, "expiresInSec": LIFE_S},
    )


def _write_down(session: Session, phone_hash: str, verdict: Verdict, *, may_choose: bool) -> None:
    change = update(PhoneCode).where(PhoneCode.phone_hash == phone_hash)
    if verdict is Verdict.MISMATCH:
        session.execute(change.values(tries_left=PhoneCode.tries_left - 1))
    elif verdict.proves:
        until = func.now() + CHOICE_LIFE if may_choose else None
        session.execute(change.values(used_at=func.now(), choice_until=until))
