import logging
import re

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.errors import Unavailable
from mealquest.core.messages import OutboundMessage
from mealquest.core.settings import Profile
from mealquest.identity import service as identity
from mealquest.identity.errors import CodeRefused
from mealquest.identity.forms import RequestCodeForm
from mealquest.identity.models import PhoneCode
from tests.identity.parallel import at_once
from tests.identity.steps import PHONE, code_for, sign_in, wrong

pytestmark = pytest.mark.usefixtures("app")


def request(phone: str = PHONE):
    return identity.request_code(RequestCodeForm(phone=phone))


@pytest.fixture
def profile(app, monkeypatch):
    def change(profile: Profile, **settings) -> None:
        changed = app.config["SETTINGS"].model_copy(update={"profile": profile, **settings})
        monkeypatch.setitem(app.config, "SETTINGS", changed)

    return change


def test_the_answer_holds_the_phone_and_never_the_code(shop):
    view = request()
    code = messages.newest()[0].message.data["code"]

    assert view.as_json() == f'{{"phone":"{PHONE}","expiresInSec":300}}'
    assert code not in view.as_json()


def test_a_known_and_an_unknown_phone_get_the_same_answer(shop):
    known, unknown = request(PHONE), request("+8613911111111")
    assert known.model_dump(exclude={"phone"}) == unknown.model_dump(exclude={"phone"})
    assert len(messages.newest()) == 2


def test_the_message_is_what_the_edge_needs():
    request()
    message = messages.newest()[0].message
    code = message.data["code"]

    assert message.to == PHONE
    assert code in message.text
    assert message.data == {
        "phone": PHONE,
        "code": code,
        "purpose": "MERCHANT_SIGN_IN",
        "expiresInSec": 300,
    }


def test_codes_are_six_digits_and_do_not_repeat():
    codes = [code_for() for _ in range(20)]
    assert all(re.fullmatch(r"[1-9]\d{5}", code) for code in codes)
    assert len(set(codes)) > 15


def test_a_new_code_replaces_the_one_outstanding(shop):
    first = code_for()
    second = code_for()
    if first != second:
        with pytest.raises(CodeRefused, match="code mismatch"):
            sign_in(first)
    assert sign_in(second).token


def test_a_new_code_has_all_its_tries(shop):
    code = code_for()
    for _ in range(5):
        with pytest.raises(CodeRefused):
            sign_in(wrong(code))
    assert sign_in(code_for()).token


def test_requests_at_the_same_moment_leave_one_good_code(shop, app):
    at_once(app, *[request] * 6)
    sent = {stored.message.data["code"] for stored in messages.newest()}

    good = 0
    for code in sent:
        try:
            good += bool(sign_in(code).token)
        except CodeRefused:
            continue
    assert good <= 1
    with transaction() as session:
        assert len(session.scalars(select(PhoneCode)).all()) == 1


@pytest.mark.parametrize(
    "bad",
    ["", "123456789", "1" * 21, "+86 13900000000", "phone", "１３９００００００００", None, 5],
)
def test_a_phone_of_another_form_is_refused(bad):
    with pytest.raises(ValidationError, match="phone format invalid"):
        RequestCodeForm.model_validate({"phone": bad})


def test_no_phone_is_a_phone_of_another_form():
    with pytest.raises(ValidationError, match="phone format invalid"):
        RequestCodeForm.model_validate({})


def test_neither_code_nor_phone_is_stored_in_clear(shop):
    code = code_for()
    with transaction() as session:
        pending = session.scalars(select(PhoneCode)).one()
        content = session.scalars(select(OutboundMessage.content)).one()

    digits = PHONE.removeprefix("+")
    for stored in (pending.code_hash, pending.phone_hash, content):
        assert code not in stored
        assert digits not in stored
    assert re.fullmatch(r"[0-9a-f]{64}", pending.code_hash)


def test_equal_codes_of_two_phones_do_not_look_equal():
    from mealquest.identity.phones import code_hash

    assert code_hash(PHONE, "123456") != code_hash("+8613900000009", "123456")
    assert code_hash(PHONE, "123456") == code_hash(PHONE.removeprefix("+"), "123456")


def test_neither_code_nor_phone_reaches_the_log(shop, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    code = code_for()
    with pytest.raises(CodeRefused):
        sign_in(wrong(code))
    token = sign_in(code).token

    written = caplog.text + "".join(capfd.readouterr())
    for secret in (code, PHONE.removeprefix("+"), token):
        assert secret not in written


@pytest.mark.parametrize("where", [Profile.STAGING, Profile.PROD])
def test_outside_development_a_code_needs_an_edge(profile, where):
    profile(where, sms_webhook_url="")
    with pytest.raises(Unavailable):
        request()
    assert messages.newest() == []


def test_with_an_edge_the_message_waits_to_be_sent(profile):
    profile(Profile.PROD, sms_webhook_url="http://127.0.0.1:9/sms")
    request()
    assert messages.has_due()
