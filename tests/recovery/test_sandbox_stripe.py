"""The sandbox Stripe as the official SDK sees it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stripe

from mealquest.engines.stripe_sandbox.faults import Kind
from mealquest.engines.stripe_sandbox.webhooks import Weather
from tests.fakes.stripe import CLIENT_ID, KEY, SECRET, StripeFake

DAY_S = 86_400


@pytest.fixture
def fake() -> Iterator[StripeFake]:
    with StripeFake() as server:
        yield server


@pytest.fixture(scope="module")
def web() -> Iterator[httpx.Client]:
    """A browser."""
    with httpx.Client(verify=False, trust_env=False) as client:  # a context of TLS takes long
        yield client


@pytest.fixture
def account(fake: StripeFake) -> str:
    return fake.connect("Noodle House")


def client_of(fake: StripeFake, key: str = KEY, timeout: float = 5) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": fake.url, "connect": fake.url},
        max_network_retries=0,
        http_client=stripe.HTTPXClient(timeout=timeout, allow_sync_methods=True),
    )


@pytest.fixture
def sdk(fake: StripeFake) -> stripe.StripeClient:
    return client_of(fake)


def of(account: str, key: str | None = None) -> dict[str, str]:
    return {"stripe_account": account} | ({"idempotency_key": key} if key else {})


class Endpoint:
    """A receiver of webhooks on a port of its own; `answers` are given in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[bytes, str]] = []
        self.answers: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = outer.answers.pop(0) if outer.answers else 200
                outer.got.append((body, self.headers["Stripe-Signature"]))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Tests read `got`."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.got]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


def until(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 10
    while not look():
        assert time.monotonic() < deadline, "it did not come to pass in 10 s"
        time.sleep(0.005)


def test_a_failed_renewal_is_read_with_its_reason_and_then_paid(fake, sdk, account) -> None:
    bill = fake.fails(account, "insufficient_funds", amount=4200, currency="eur")

    wanted = ["payments.data.payment.payment_intent.latest_charge"]
    found = sdk.v1.invoices.retrieve(bill["id"], {"expand": wanted}, of(account))
    paying = found.payments.data[0].payment.payment_intent
    card = paying.latest_charge.payment_method_details.card

    assert (found.status, found.amount_remaining, found.currency) == ("open", 4200, "eur")
    assert (found.billing_reason, found.attempt_count) == ("subscription_cycle", 1)
    assert found.parent.subscription_details.subscription.startswith("sub_")
    assert found.next_payment_attempt == pytest.approx(time.time() + DAY_S, abs=30)
    assert found.customer_email == "payer@example.com"
    assert paying.last_payment_error.decline_code == "insufficient_funds"
    assert (card.network, len(card.fingerprint)) == ("visa", 16)
    assert "payments" not in sdk.v1.invoices.retrieve(bill["id"], None, of(account))

    with pytest.raises(stripe.CardError) as refused:
        sdk.v1.invoices.pay(bill["id"], None, of(account))
    assert refused.value.http_status == 402
    assert refused.value.error.decline_code == "insufficient_funds"
    again = fake.invoice(account, bill["id"])
    assert (again["attempt_count"], again["x_tries"]) == (
        1,
        2,
    )  # by hand is no step of the schedule

    paid = sdk.v1.invoices.pay(bill["id"], {"payment_method": "pm_card_visa"}, of(account))
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 4200, 0)
    assert paid.status_transitions.paid_at is not None
    assert paid.next_payment_attempt is None
    name = paid.parent.subscription_details.subscription
    assert sdk.v1.subscriptions.retrieve(name, None, of(account)).status == "active"


@pytest.mark.parametrize(
    ("reason", "event"),
    [("lost_card", "payment_intent.payment_failed"), ("authentication_required", None)],
)
def test_after_a_hard_decline_nothing_is_tried_again(fake, account, reason, event) -> None:
    bill = fake.fails(account, reason)

    assert bill["next_payment_attempt"] is None
    assert fake.put_forward(20 * DAY_S) == 0
    assert bool(fake.events(account, "invoice.payment_action_required")) is (event is None)


def test_retries_follow_the_clock_and_the_last_one_ends_the_subscription(fake, account) -> None:
    bill = fake.fails(account, "generic_decline")
    tries = []
    while found := fake.invoice(account, bill["id"])["next_payment_attempt"]:
        fake.put_forward(found - fake.world.now)
        tries.append(fake.invoice(account, bill["id"])["attempt_count"])

    assert tries == [2, 3, 4, 5, 6, 7, 8]
    assert fake.invoice(account, bill["id"])["status"] == "open"
    assert len(fake.events(account, "customer.subscription.deleted")) == 1
    assert len(fake.events(account, "invoice.payment_failed")) == 8


def test_paid_elsewhere_voided_and_given_up(fake, sdk, account) -> None:
    bills = [fake.fails(account)["id"] for _ in range(3)]

    paid = sdk.v1.invoices.pay(bills[0], {"paid_out_of_band": True}, of(account))
    void = sdk.v1.invoices.void_invoice(bills[1], None, of(account))
    lost = sdk.v1.invoices.mark_uncollectible(bills[2], None, of(account))

    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 4200)
    assert (void.status, lost.status) == ("void", "uncollectible")
    assert [event["type"] for event in fake.events(account)[:2]] == [
        "invoice.marked_uncollectible",
        "invoice.voided",
    ]
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        sdk.v1.invoices.pay(bills[0], None, of(account))


def test_connect_by_page_and_code_and_withdrawing(fake, sdk, account, web) -> None:
    fake.world.store.write_note("redirect_uri", "http://shop.test/back")
    asked = {"response_type": "code", "client_id": CLIENT_ID, "scope": "read_write", "state": "s&1"}
    link = sdk.oauth.authorize_url(asked)
    page = web.get(link)
    assert "sandbox" in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "form-action 'self' http://shop.test" in page.headers["Content-Security-Policy"]

    form = {"client_id": CLIENT_ID, "state": "s&1", "account": account}
    back = web.post(f"{fake.url}/oauth/authorize", data=form | {"decision": "connect"})
    said = httpx.URL(back.headers["Location"]).params
    assert (back.status_code, said["state"]) == (303, "s&1")
    given = sdk.oauth.token({"grant_type": "authorization_code", "code": said["code"]})
    assert (given.stripe_user_id, given.livemode, given.scope) == (account, False, "read_write")
    with pytest.raises(stripe.oauth_error.InvalidGrantError):
        sdk.oauth.token({"grant_type": "authorization_code", "code": said["code"]})

    no = web.post(f"{fake.url}/oauth/authorize", data=form | {"decision": "deny"})
    assert httpx.URL(no.headers["Location"]).params["error"] == "access_denied"

    own = client_of(fake, given.access_token)
    assert own.v1.accounts.retrieve_current().id == account
    sdk.oauth.deauthorize({"client_id": CLIENT_ID, "stripe_user_id": account})
    assert fake.events(account)[0]["type"] == "account.application.deauthorized"
    with pytest.raises(stripe.PermissionError) as refused:
        sdk.v1.invoices.list(None, of(account))
    assert (refused.value.http_status, refused.value.error.code) == (403, "account_invalid")
    with pytest.raises(stripe.oauth_error.InvalidClientError):
        sdk.oauth.deauthorize({"client_id": CLIENT_ID, "stripe_user_id": account})


def test_a_code_does_not_leave_for_another_site(fake, account, web) -> None:
    fake.world.store.write_note("redirect_uri", "http://shop.test/back")
    form = {"client_id": CLIENT_ID, "redirect_uri": "http://evil.test/back", "decision": "connect"}

    assert web.post(f"{fake.url}/oauth/authorize", data=form).status_code == 400
    strange = {"Origin": "http://evil.test"}
    page = web.post(f"{fake.url}/oauth/authorize", data=form, headers=strange)
    assert page.status_code == 403
    assert web.get(fake.url, headers={"Host": "evil.test:80"}).status_code == 403


def test_accounts_do_not_see_each_other(fake, sdk, account) -> None:
    other = fake.connect("Bistro")
    bill = fake.fails(account)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk.v1.invoices.retrieve(bill["id"], None, of(other))
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert sdk.v1.invoices.list(None, of(other)).data == []
    assert sdk.v1.invoices.list().data == []
    with pytest.raises(stripe.AuthenticationError):
        client_of(fake, "sk_test_wrong").v1.invoices.list()


def test_lists_have_pages_and_filters(fake, sdk, account) -> None:
    for _ in range(5):
        fake.succeeds(account)
    fake.ends(account, sdk.v1.subscriptions.list(None, of(account)).data[0].id)

    first = sdk.v1.subscriptions.list({"status": "active", "limit": 3}, of(account))
    assert (len(first.data), first.has_more) == (3, True)
    assert len(list(first.auto_paging_iter())) == 4
    assert len(sdk.v1.subscriptions.list({"status": "all"}, of(account)).data) == 5
    last = fake.asked[-2]
    assert last.query["starting_after"] == first.data[-1].id

    bill = fake.fails(account)
    sdk.v1.customers.delete(bill["customer"], None, of(account))
    assert fake.events(account)[0]["type"] == "customer.deleted"
    assert fake.events(account)[1]["type"] == "customer.subscription.deleted"
    assert fake.invoice(account, bill["id"])["next_payment_attempt"] is None

    one = first.data[0].id
    assert sdk.v1.subscriptions.cancel(one, None, of(account)).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        sdk.v1.subscriptions.cancel(one, None, of(account))

    paid = sdk.v1.events.list({"types": ["invoice.paid"], "limit": 100}, of(account))
    assert {event.type for event in paid.data} == {"invoice.paid"}
    assert paid.data[0].account == account
    now = fake.world.now
    assert sdk.v1.events.list({"created": {"gte": now + 60}}, of(account)).data == []
    fake.world.put_forward(31 * DAY_S)
    assert sdk.v1.events.list(None, of(account)).data == []


def test_a_subscription_made_by_the_api_is_tried_at_once(fake, sdk, account) -> None:
    payer = sdk.v1.customers.create({"email": "a@example.com", "name": "Ann"}, of(account))
    card = sdk.v1.payment_methods.create(
        {"type": "card", "card": {"number": "4000000000000341", "exp_month": 1, "exp_year": 2040}},
        of(account),
    )
    sdk.v1.payment_methods.attach(card.id, {"customer": payer.id}, of(account))
    standard = {"invoice_settings": {"default_payment_method": card.id}}
    sdk.v1.customers.update(payer.id, standard, of(account))
    price = sdk.v1.prices.create(
        {
            "currency": "jpy",
            "unit_amount": 980,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Tea"},
        },
        of(account),
    )
    asked = {"customer": payer.id, "items": [{"price": price.id}], "expand": ["latest_invoice"]}
    made = sdk.v1.subscriptions.create(asked, of(account))

    assert made.status == "incomplete"
    assert made.latest_invoice.billing_reason == "subscription_create"
    assert made.latest_invoice.amount_due == 980
    changed = sdk.v1.subscriptions.update(
        made.id, {"metadata": {"plan": "x"}, "items": [{"price": price.id}]}, of(account)
    )
    assert changed.metadata["plan"] == "x"
    links = sdk.v1.invoice_payments.list({"invoice": made.latest_invoice.id}, of(account))
    intent = sdk.v1.payment_intents.retrieve(
        links.data[0].payment.payment_intent, None, of(account)
    )
    charges = sdk.v1.charges.list({"payment_intent": intent.id}, of(account))
    assert charges.data[0].outcome.reason == "generic_decline"


def test_a_key_repeats_its_first_answer_whatever_it_was(fake, sdk) -> None:
    key = {"idempotency_key": "k1"}
    first = sdk.v1.customers.create({"email": "a@example.com"}, key)
    again = sdk.v1.customers.create({"email": "a@example.com"}, key)
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(stripe.IdempotencyError) as reused:
        sdk.v1.customers.create({"email": "b@example.com"}, key)
    assert reused.value.http_status == 400

    fake.breaks(Kind.BROKEN, "/v1/customers")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as broken:
            sdk.v1.customers.create({"email": "c@example.com"}, {"idempotency_key": "k2"})
        assert broken.value.http_status == 500
    assert len(sdk.v1.customers.list().data) == 1


def test_a_key_whose_first_request_still_runs_is_refused(fake, sdk) -> None:
    fake.breaks(Kind.DELAY, "/v1/customers", seconds=30, times=1)
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(sdk.v1.customers.create, {}, {"idempotency_key": "k"})
        until(lambda: fake.world.store.run("SELECT 1 FROM answers"))
        with pytest.raises(stripe.StripeError) as refused:
            client_of(fake).v1.customers.create({}, {"idempotency_key": "k"})
        fake.hurries()
        assert slow.result().id.startswith("cus_")
    assert (refused.value.http_status, refused.value.error.code) == (409, "idempotency_key_in_use")


def test_bad_days(fake, sdk, account) -> None:
    bill = fake.fails(account)["id"]

    def read() -> Any:
        return sdk.v1.invoices.retrieve(bill, None, of(account))

    path = f"/v1/invoices/{bill}"
    for kind, error, status in (
        (Kind.RATE_LIMIT, stripe.RateLimitError, 429),
        (Kind.BROKEN, stripe.APIError, 500),
        (Kind.UNAUTHORIZED, stripe.AuthenticationError, 401),
        (Kind.FORBIDDEN, stripe.PermissionError, 403),
        (Kind.NOT_FOUND, stripe.InvalidRequestError, 404),
        (Kind.CONFLICT, stripe.StripeError, 409),
        (Kind.RESET, stripe.APIConnectionError, None),
    ):
        fake.breaks(kind, path, account=account, seconds=7)
        with pytest.raises(error) as met:
            read()
        assert met.value.http_status == status
        if kind is Kind.RATE_LIMIT:
            assert met.value.headers["retry-after"] == "7"
    fake.breaks(Kind.PATCH, path, skip=1, patch={"status": "paid", "amount_remaining": 0})
    assert [read().status for _ in range(3)] == ["open", "paid", "open"]

    fake.breaks(Kind.DELAY, path, seconds=30)
    with pytest.raises(stripe.APIConnectionError):
        client_of(fake, timeout=0.05).v1.invoices.retrieve(bill, None, of(account))

    fake.breaks(Kind.DROP, "/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        sdk.v1.customers.create({}, {"idempotency_key": "k"})
    assert sdk.v1.customers.create({}, {"idempotency_key": "k"}).id
    assert len(sdk.v1.customers.list().data) == 1


def test_usage_counts_once_by_its_identifier(fake, sdk) -> None:
    payer = sdk.v1.customers.create({"email": "owner@example.com"}).id
    now = fake.world.now

    def send(identifier: str, **other: Any) -> Any:
        payload = {"value": "2", "stripe_customer_id": payer}
        asked = {"event_name": "mails", "payload": payload, "identifier": identifier} | other
        return sdk.v1.billing.meter_events.create(asked)

    send("usage_log_1", timestamp=now - 60)
    send("usage_log_2", timestamp=now - 60)
    with pytest.raises(stripe.InvalidRequestError, match="already exists with identifier"):
        send("usage_log_1")
    with pytest.raises(stripe.InvalidRequestError) as old:
        send("usage_log_3", timestamp=now - 36 * DAY_S)
    assert old.value.code == "timestamp_too_far_in_past"
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: colour"):
        send("usage_log_3", colour="red")
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        send("usage_log_4", payload={"value": "1", "stripe_customer_id": "acct_1"})

    meter = sdk.v1.billing.meters.list().data[0]
    window = {"customer": payer, "start_time": now - 3600, "end_time": now + 3600}
    found = sdk.v1.billing.meters.event_summaries.list(meter.id, window)
    assert found.data[0].aggregated_value == 4
    first = fake.asked_of("POST", "/v1/billing/meter_events")[0]
    assert first.account == ""
    assert first.form["payload"] == {"value": "2", "stripe_customer_id": payer}


def test_deliveries_are_signed_and_name_their_account(fake, sdk, account, endpoint) -> None:
    made = sdk.v1.webhook_endpoints.create(
        {
            "url": endpoint.url,
            "enabled_events": ["invoice.payment_failed"],
            "connect": True,
            "api_version": "2024-06-20",
        }
    )
    assert not hasattr(sdk.v1.webhook_endpoints.list().data[0], "secret")
    bill = fake.fails(account)
    until(lambda: endpoint.got)

    body, header = endpoint.got[0]
    event = stripe.Webhook.construct_event(body, header, made.secret)
    assert (event.account, event.livemode, event.data.object.id) == (account, False, bill["id"])
    assert event.data.object.subscription.startswith("sub_")  # the shape of the endpoint's version
    assert "parent" not in event.data.object
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, header, SECRET)
    kept = fake.events(account, "invoice.payment_failed")[0]
    mine, header = fake.signed(kept)
    assert stripe.Webhook.construct_event(mine, header, SECRET).data.object.parent is not None
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(*fake.signed(kept, at=int(time.time()) - 301), SECRET)


def test_a_refused_delivery_comes_again_and_platform_events_come_too(fake, account, endpoint):
    endpoint.answers = [500, 500]
    fake.delivers_to(endpoint.url)
    with fake.world.store.change():
        fake.world.tell(
            "", "customer.subscription.updated", {"id": "sub_1", "object": "subscription"}
        )
    until(lambda: endpoint.types == ["customer.subscription.updated"])
    assert "account" not in json.loads(endpoint.got[0][0])
    fake.put_forward(3)
    until(lambda: len(endpoint.got) == 2)
    fake.put_forward(3)
    fake.postman.deliver_due()
    assert len(endpoint.got) == 2  # the pauses grow
    fake.put_forward(10)
    until(lambda: len(endpoint.got) == 3)
    assert len({json.loads(body)["id"] for body, _ in endpoint.got}) == 1


def test_deliveries_come_twice_never_late_or_in_the_wrong_order(fake, account, endpoint) -> None:
    fake.delivers_to(endpoint.url)
    kinds = ["invoice.payment_failed", "invoice.paid"]
    fake.postman.weather = Weather(hold=True, kinds=kinds)
    bill = fake.fails(account)
    fake.is_paid(account, bill["id"])
    until(lambda: "customer.subscription.updated" in endpoint.types)
    held = "SELECT 1 FROM deliveries WHERE state = 'held'"
    until(lambda: len(fake.world.store.run(held)) == 3)
    assert fake.postman.release() == 3
    assert [kind for kind in endpoint.types if kind in kinds] == [
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.paid",
    ]

    endpoint.got.clear()
    fake.postman.weather = Weather(copies=2, kinds=["invoice.payment_failed"])
    fake.fails(account)
    until(lambda: endpoint.types.count("invoice.payment_failed") == 2)

    endpoint.got.clear()
    fake.postman.weather = Weather(lose=1, kinds=["invoice.paid"])
    fake.is_paid(account, fake.fails(account)["id"])
    until(lambda: "invoice.paid" in endpoint.types)
    assert endpoint.types.count("invoice.paid") == 1  # of two: its first one and this one

    endpoint.got.clear()
    fake.postman.weather = Weather(delay_s=60, kinds=["invoice.voided"])
    fake.closes(account, fake.fails(account)["id"], "void")
    until(lambda: "customer.subscription.updated" in endpoint.types)
    fake.postman.deliver_due()
    assert "invoice.voided" not in endpoint.types
    fake.put_forward(61)
    until(lambda: "invoice.voided" in endpoint.types)


def test_a_payer_pays_on_the_page_of_the_invoice(fake, account, web) -> None:
    bill = fake.fails(account, "authentication_required", amount=4200)
    page = web.get(bill["hosted_invoice_url"])
    assert "USD 42.00" in page.text
    assert "requires authentication" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    refused = {"card": "4000000000009995"}
    page = web.post(bill["hosted_invoice_url"], data=refused, follow_redirects=True)
    assert "insufficient funds" in page.text
    there = {"card": "4000002500003155"}
    page = web.post(bill["hosted_invoice_url"], data=there, follow_redirects=True)
    assert "Paid. Thank you." in page.text
    assert fake.events(account, "invoice.paid")[0]["data"]["object"]["id"] == bill["id"]
    assert web.get(f"{fake.url}/i/{account}/guess").status_code == 404
    fake.world.put_forward(31 * DAY_S)
    assert web.get(bill["hosted_invoice_url"]).status_code == 410


def test_the_levers_want_the_key(fake, account, web) -> None:
    url, key = f"{fake.url}/_sandbox", {"Authorization": f"Bearer {KEY}"}
    wish = {"account": account, "card": "4000000000009987", "amount": 1250, "currency": "kwd"}
    assert web.post(f"{url}/simulate", json=wish).status_code == 401
    bill = web.post(f"{url}/simulate", json=wish, headers=key).json()
    assert (bill["status"], bill["currency"], bill["amount_due"]) == ("open", "kwd", 1250)
    assert not any(name.startswith("x_") for name in bill)

    listed = web.get(f"{url}/invoices/{account}", headers=key).json()["data"]
    assert listed[0]["decline_code"] == "lost_card"
    retried = web.post(f"{url}/retry/{account}/{bill['id']}", json={}, headers=key).json()
    assert retried["attempt_count"] == 2
    paid = web.post(f"{url}/pay/{account}/{bill['id']}", json={}, headers=key).json()
    assert paid["status"] == "paid"
    late = web.post(f"{url}/pay/{account}/{bill['id']}", json={}, headers=key)
    assert late.status_code == 400
    fault = {"kind": "rate_limit", "path": "/v1/*"}
    assert web.post(f"{url}/faults", json=fault, headers=key).json()["times"] == 1
    assert web.post(f"{url}/faults", json={"kind": "odd"}, headers=key).status_code == 400
    assert web.post(f"{url}/clock", json={"seconds": 5}, headers=key).json()["done"] == 0
    assert web.get(f"{url}/nothing", headers=key).status_code == 404
