from datetime import UTC, datetime, timedelta

import pytest

from mealquest.identity.domain import PendingCode, Validity, Verdict, digits_of, last4_of, masked

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1)


def pending(**overrides) -> PendingCode:
    facts = {
        "code_hash": "right",
        "expires_at": SOON,
        "tries_left": 5,
        "used": False,
        "choice_until": None,
    }
    return PendingCode(**(facts | overrides))


@pytest.mark.parametrize(
    ("code", "guess", "chooses", "verdict"),
    [
        (pending(), "right", False, Verdict.PROVED),
        (pending(), "wrong", False, Verdict.MISMATCH),
        (pending(tries_left=1), "right", False, Verdict.PROVED),
        (pending(tries_left=0), "right", False, Verdict.NOT_REQUESTED),
        (pending(expires_at=NOW), "right", False, Verdict.EXPIRED),
        (pending(expires_at=NOW), "wrong", False, Verdict.EXPIRED),
        (pending(expires_at=NOW, tries_left=0), "right", False, Verdict.NOT_REQUESTED),
        (pending(used=True), "right", False, Verdict.NOT_REQUESTED),
        (pending(used=True), "right", True, Verdict.NOT_REQUESTED),
        (pending(used=True, choice_until=SOON), "right", True, Verdict.CHOSEN),
        (pending(used=True, choice_until=SOON), "right", False, Verdict.NOT_REQUESTED),
        (pending(used=True, choice_until=SOON), "wrong", True, Verdict.MISMATCH),
        (pending(used=True, choice_until=NOW), "right", True, Verdict.EXPIRED),
        (pending(used=True, choice_until=SOON, expires_at=NOW), "right", True, Verdict.CHOSEN),
        (pending(used=True, choice_until=SOON, tries_left=0), "right", True, Verdict.NOT_REQUESTED),
    ],
)
def test_a_guess_is_judged(code, guess, chooses, verdict):
    assert code.judge(guess, NOW, chooses=chooses) is verdict


@pytest.mark.parametrize("form", ["+8613900000001", "8613900000001", " +8613900000001 "])
def test_a_phone_has_one_form_to_compare(form):
    assert digits_of(form) == "8613900000001"
    assert last4_of(form) == "0001"


def test_a_phone_is_shown_by_its_last_digits():
    assert masked("0001") == "****0001"
    assert masked(None) is None


def test_our_tokens_go_by_the_epoch_alone():
    validity = Validity(epoch=3, valid_after=NOW)
    assert validity.covers(3, issued_at=0)
    assert not validity.covers(2, issued_at=int(SOON.timestamp()))


def test_tokens_of_others_go_by_the_second_they_were_issued_in():
    validity = Validity(epoch=3, valid_after=NOW + timedelta(milliseconds=900))
    assert validity.covers(None, issued_at=int(NOW.timestamp()))
    assert not validity.covers(None, issued_at=int(NOW.timestamp()) - 1)
