"""Rate limits: how many, by whom, what is said, and that they hold with Redis away."""

import pytest
from limits import parse
from redis import Redis

from mealquest.core.principal import Role
from mealquest.web import throttle
from mealquest.web.throttle import Throttle, Throttles
from tests.factories.http import Client, assert_problem, bearer, client_of, signed_in
from tests.fakes.relay import Relay, free_port
from tests.web.conftest import NOWHERE_REDIS

CODE, SIGN_IN, ONBOARD = (
    "/api/auth/merchant/request-code",
    "/api/auth/merchant/phone-login",
    "/api/merchant/onboard",
)


def limited_app(another):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(throttle, "ANSWER_S", 20)  # on a busy machine Redis is slow, not away
        return another(rate_limits=True)


@pytest.fixture(scope="module")
def limited(another):
    return limited_app(another)


@pytest.fixture
def visitor(limited, app) -> Client:
    return client_of(limited)


def use_up(app, limit: str, name: str, key: str) -> None:
    for _ in range(parse(limit).amount):
        app.extensions["throttles"].take(Throttle(name, (limit,), lambda _: key), None)


def call_often(app, shop, times: int) -> None:
    """As the owner's app would, without the requests."""
    for _ in range(times):
        limit = parse("1200/minute")
        assert app.extensions["throttles"].hit(
            limit, "api", f"{shop.merchant_id}:OWNER:staff_owner"
        )


def assert_too_many(answer, at_most: int) -> None:
    assert_problem(answer, 429, code="TOO_MANY_REQUESTS")
    assert 0 < int(answer.headers["Retry-After"]) <= at_most


def test_a_phone_gets_one_code_a_minute(visitor) -> None:
    phone = {"phone": "+8613912345678"}

    assert visitor.post(CODE, json=phone).status_code == 200

    assert_too_many(visitor.post(CODE, json=phone), 60)
    assert_too_many(visitor.post(CODE, json={"phone": "8613912345678"}), 60)  # the same phone
    assert visitor.post(CODE, json={"phone": "+8613912345679"}).status_code == 200


def test_a_phone_gets_five_codes_an_hour(limited, visitor) -> None:
    use_up(limited, "5/hour", "code-phone", "8613912345678")

    answer = visitor.post(CODE, json={"phone": "+8613912345678"})

    assert_too_many(answer, 3600)
    assert int(answer.headers["Retry-After"]) > 60


def test_an_address_gets_thirty_codes_an_hour(visitor) -> None:
    for number in range(30):
        answer = visitor.post(CODE, json={"phone": f"+86139123456{number:02}"})
        assert answer.status_code == 200
    one_more = {"phone": "+8613912345699"}

    assert_too_many(visitor.post(CODE, json=one_more), 3600)
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    # its minute passed by the refusal: a refusal must not be counted against the phone
    other = visitor.post(CODE, json={"phone": "+8613912345698"}, environ_overrides=elsewhere)
    assert other.status_code == 200


def test_a_phone_that_is_no_phone_is_not_counted(visitor) -> None:
    for _ in range(3):
        assert_problem(visitor.post(CODE, json={"phone": "x"}), 400, "phone format invalid")


def test_an_address_may_sign_in_thirty_times_a_minute(visitor) -> None:
    guess = {"phone": "+8613912345678", "code": "123456"}

    for _ in range(30):
        assert_problem(visitor.post(SIGN_IN, json=guess), 400, "code not requested")

    assert_too_many(visitor.post(SIGN_IN, json=guess), 60)


def test_an_address_may_onboard_ten_times_an_hour(visitor) -> None:
    for number in range(10):
        shop = {"merchantId": f"m_{number}x", "name": "Shop", "seedDemoUsers": False}
        assert visitor.post(ONBOARD, json=shop).status_code in {201, 400}

    assert_too_many(visitor.post(ONBOARD, json={"merchantId": "m_last", "name": "Shop"}), 3600)


def test_a_refused_form_says_when_to_try_again(visitor) -> None:
    fields = {"phone": "+8613912345678"}
    visitor.send_form("/console/sign-in/code", fields)

    answer = visitor.send_form("/console/sign-in/code", fields)

    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert fields["phone"] in answer.text  # what was typed is still there


def test_a_credential_calls_1200_times_a_minute(limited, app, shop, visitor) -> None:
    owner, clerk = (bearer(shop.tokens[role]) for role in (Role.OWNER, Role.CLERK))
    call_often(limited, shop, 1199)

    assert visitor.get("/api/customers", headers=owner).status_code == 200

    assert_too_many(visitor.get("/api/customers", headers=owner), 60)
    assert_too_many(visitor.get("/api/nope", headers=owner), 60)
    assert visitor.get("/api/customers", headers=clerk).status_code == 200
    browser = signed_in(app, shop.phones[Role.OWNER], shop.merchant_id)
    cookie = browser.get_cookie("mq_session").value
    visitor.set_cookie("mq_session", cookie)
    assert visitor.get("/console/").status_code == 200


def test_health_and_metrics_are_never_throttled(limited, shop, visitor) -> None:
    owner = bearer(shop.tokens[Role.OWNER])
    call_often(limited, shop, 1200)
    assert_too_many(visitor.get("/api/customers", headers=owner), 60)

    for path in ("/health", "/api/health", "/metrics"):
        assert visitor.get(path, headers=owner).status_code == 200


def test_processes_count_together(limited, another, visitor) -> None:
    phone = {"phone": "+8613912345678"}
    next_door = client_of(limited_app(another))

    assert visitor.post(CODE, json=phone).status_code == 200
    assert_too_many(next_door.post(CODE, json=phone), 60)


def test_switched_off_nothing_is_counted(client) -> None:
    for _ in range(3):
        assert client.post(CODE, json={"phone": "+8613912345678"}).status_code == 200


# --- Redis away ---------------------------------------------------------------------------


def test_without_redis_a_process_counts_for_itself(another, shop) -> None:
    lonely = client_of(another(redis_url=NOWHERE_REDIS, rate_limits=True))
    phone = {"phone": "+8613912345678"}

    assert lonely.post(CODE, json=phone).status_code == 200
    assert_too_many(lonely.post(CODE, json=phone), 60)
    owner = bearer(shop.tokens[Role.OWNER])
    assert lonely.get("/api/customers", headers=owner).status_code == 200
    paid_in = {"userId": shop.customer, "amount": 20, "method": "CASH"}
    done = lonely.post(
        "/api/wallet/top-ups", json=paid_in, headers=owner | {"Idempotency-Key": "k"}
    )
    assert done.status_code == 200


def test_redis_is_used_again_when_it_is_back(monkeypatch, redis_url, app) -> None:
    monkeypatch.setattr(throttle, "RETRY_REDIS_S", 0.0)
    monkeypatch.setattr(throttle, "ANSWER_S", 20)
    redis = Redis.from_url(redis_url)
    where = redis.connection_pool.connection_kwargs
    port, limit = free_port(), parse("2/minute")
    secret = f":{where['password']}@" if where.get("password") else ""
    limits = Throttles(f"redis://{secret}127.0.0.1:{port}/{where['db']}", enabled=True)

    assert limits.hit(limit, "away")
    assert not redis.keys("*away*")
    with Relay(port, (where["host"], where["port"])):
        assert limits.hit(limit, "back")
        assert redis.keys("*back*")
    assert limits.hit(limit, "away")  # the second one of its own count
    assert not limits.hit(limit, "away")


def test_redis_that_was_away_is_left_alone_for_a_while(monkeypatch, redis_url, app) -> None:
    """Or every request would wait for it in vain."""
    monkeypatch.setattr(throttle, "RETRY_REDIS_S", 3600)
    redis = Redis.from_url(redis_url)
    where = redis.connection_pool.connection_kwargs
    port, limit = free_port(), parse("2/minute")
    secret = f":{where['password']}@" if where.get("password") else ""
    limits = Throttles(f"redis://{secret}127.0.0.1:{port}/{where['db']}", enabled=True)

    assert limits.hit(limit, "away")
    with Relay(port, (where["host"], where["port"])):
        assert limits.hit(limit, "back")
        assert not redis.keys("*back*")
