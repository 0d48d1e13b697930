"""Subscriptions, their invoices, and attempts at cards, with the retries that Stripe makes."""

from typing import Any

from mealquest.engines.stripe_sandbox import objects, paying_objects
from mealquest.engines.stripe_sandbox.cards import CARDS, GOOD, HARD, NAMED, Card
from mealquest.engines.stripe_sandbox.errors import ApiError, bad, missing
from mealquest.engines.stripe_sandbox.world import World

Json = dict[str, Any]
DAY_S = 86_400
PERIOD_S = {"day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S}
# After the first failure, seven more tries within two weeks; then the subscription ends.
RETRIES_S = tuple(days * DAY_S for days in (1, 2, 2, 2, 2, 2, 3))


def make_method(world: World, account: str, number: str, holder: str | None) -> Json:
    if number not in CARDS:
        raise ApiError(
            402,
            "Your card number is incorrect.",
            kind="card_error",
            code="incorrect_number",
            decline_code="incorrect_number",
            param="number",
        )
    made = objects.payment_method(world.now, CARDS[number], holder, account)
    return world.keep(account, made)


def method_named(world: World, account: str, name: str, holder: str | None) -> Json:
    """A payment method by id, or a new one for a test name such as `pm_card_visa`."""
    if name in NAMED:
        return make_method(world, account, NAMED[name], holder)
    return world.take(account, "payment_method", name, "payment_method")


def subscribe(
    world: World, account: str, payer: Json, sold: Json, quantity: int, method: str | None
) -> Json:
    """A subscription and its first invoice, which is tried at once."""
    now = world.now
    end = now + PERIOD_S[sold["recurring"]["interval"]]
    item = objects.subscription_item(now, sold, quantity, now, end)
    sub = objects.subscription(now, payer["id"], [item], method)
    item["subscription"] = sub["id"]
    world.keep(account, sub)
    bill = make_invoice(world, account, payer, sub, reason="subscription_create")
    world.tell(account, "customer.subscription.created", sub)
    attempt(world, account, bill["id"])
    return world.take(account, "subscription", sub["id"])


def make_invoice(
    world: World,
    account: str,
    payer: Json,
    sub: Json | None,
    *,
    reason: str,
    amount: int | None = None,
    currency: str = "usd",
) -> Json:
    seller = "The platform"
    if account:
        seller = world.take("", "account", account)["business_profile"]["name"]
    if sub:
        items = sub["items"]["data"]
        amount = sum(item["price"]["unit_amount"] * item["quantity"] for item in items)
        currency = sub["currency"]
    made = paying_objects.invoice(world.now, payer, sub, amount or 0, currency, reason, seller)
    place = f"{account or 'platform'}/{made['x_token']}"
    made["hosted_invoice_url"] = f"{world.base_url}/i/{place}"
    world.keep(account, made)
    paying = world.keep(account, paying_objects.intent(world.now, made))
    world.keep(account, paying_objects.invoice_payment(world.now, made, paying["id"]))
    if sub:
        sub["latest_invoice"] = made["id"]
        world.keep(account, sub)
    world.tell(account, "invoice.created", made)
    world.tell(account, "invoice.finalized", made)
    return made


def renew(world: World, account: str, sub: Json) -> Json:
    """Begin the next period; its invoice is tried at once. The invoice as it stands then."""
    payer = world.take(account, "customer", sub["customer"])
    for item in sub["items"]["data"]:
        start = item["current_period_end"]
        length = PERIOD_S[item["price"]["recurring"]["interval"]]
        item |= {"current_period_start": start, "current_period_end": start + length}
    world.keep(account, sub)
    bill = make_invoice(world, account, payer, sub, reason="subscription_cycle")
    return attempt(world, account, bill["id"])


def attempt(
    world: World,
    account: str,
    invoice_id: str,
    *,
    method: Json | None = None,
    by_hand: bool = False,
    present: bool = False,
) -> Json:
    """Try to take the money once; the invoice as it stands then, with events told.

    `by_hand` is no step of the retry schedule; `present`: the payer is there to authenticate.
    """
    bill = world.take(account, "invoice", invoice_id)
    paying, link = paying_of(world, account, bill["id"])
    method = method or _method_of(world, account, bill)
    bill["attempted"] = True
    if bill["attempt_count"] == 0 or not by_hand:
        bill["attempt_count"] += 1
    if method is None:
        return _fail_without_card(world, account, bill, paying)
    card = CARDS.get(method["x_number"], GOOD)
    works = card.decline_code is None or (present and card.needs_person)
    paying["amount"] = bill["amount_remaining"]
    made = paying_objects.charge(world.now, paying, method, card, works=works)
    world.keep(account, made)
    bill["x_tries"] += 1
    paying |= {"latest_charge": made["id"], "payment_method": method["id"]}
    if works:
        return _succeed(world, account, bill, paying, link, made)
    if card.decline_code in HARD:
        bill["next_payment_attempt"] = None
    elif not by_hand:
        bill["next_payment_attempt"] = _next_retry(world, bill)
    return _fail(world, account, bill, paying, made, (card, method))


def paying_of(world: World, account: str, invoice_id: str) -> tuple[Json, Json]:
    """The payment intent of an invoice, and the link between them."""
    (link,) = world.store.find(account, "invoice_payment", {"$.invoice": invoice_id}, limit=1)
    return world.take(account, "payment_intent", link["payment"]["payment_intent"]), link


def _method_of(world: World, account: str, bill: Json) -> Json | None:
    names = [bill["default_payment_method"]]
    sub = subscription_of(world, account, bill)
    if sub:
        names.append(sub["default_payment_method"])
    payer = world.store.get(account, "customer", bill["customer"])
    if payer:
        names.append(payer["invoice_settings"]["default_payment_method"])
    known = [world.store.get(account, "payment_method", name) for name in names if name]
    return next((method for method in known if method), None)


def subscription_of(world: World, account: str, bill: Json) -> Json | None:
    parent = bill["parent"]
    if not parent:
        return None
    name = parent["subscription_details"]["subscription"]
    return world.store.get(account, "subscription", name)


def _succeed(world: World, account: str, bill: Json, paying: Json, link: Json, made: Json) -> Json:
    now, amount = world.now, bill["amount_remaining"]
    paying |= {
        "status": "succeeded",
        "amount_received": amount,
        "last_payment_error": None,
        "next_action": None,
    }
    link |= {"status": "paid", "amount_paid": amount}
    link["status_transitions"]["paid_at"] = now
    world.keep(account, paying)
    world.keep(account, link)
    world.tell(account, "charge.succeeded", made)
    world.tell(account, "payment_intent.succeeded", paying)
    return settle(world, account, bill, amount)


def settle(world: World, account: str, bill: Json, amount: int) -> Json:
    """Paid, with or without money through Stripe; its subscription is in good standing again."""
    bill |= {"status": "paid", "amount_paid": amount, "amount_remaining": 0}
    bill |= {"next_payment_attempt": None, "attempted": True}
    bill["status_transitions"]["paid_at"] = world.now
    world.keep(account, bill)
    world.tell(account, "invoice.paid", bill)
    world.tell(account, "invoice.payment_succeeded", bill)
    _stand(world, account, bill, "active")
    return bill


def _fail(
    world: World, account: str, bill: Json, paying: Json, made: Json, why: tuple[Card, Json]
) -> Json:
    card, method = why
    needs_person = card.needs_person
    paying |= {
        "status": "requires_action" if needs_person else "requires_payment_method",
        "last_payment_error": paying_objects.payment_error(card, method, made["id"]),
        "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}} if needs_person else None,
    }
    world.keep(account, paying)
    world.keep(account, bill)
    world.tell(account, "charge.failed", made)
    event = "payment_intent.requires_action" if needs_person else "payment_intent.payment_failed"
    world.tell(account, event, paying)
    world.tell(account, "invoice.payment_failed", bill)
    if needs_person:
        world.tell(account, "invoice.payment_action_required", bill)
    _fall_behind(world, account, bill)
    return bill


def _fail_without_card(world: World, account: str, bill: Json, paying: Json) -> Json:
    world.keep(account, paying)
    bill["next_payment_attempt"] = None
    world.keep(account, bill)
    world.tell(account, "invoice.payment_failed", bill)
    _fall_behind(world, account, bill)
    return bill


def _next_retry(world: World, bill: Json) -> int | None:
    """When Stripe tries by itself again; never after the last of the schedule."""
    done = bill["attempt_count"]
    more = done <= len(RETRIES_S) and bill["parent"] and bill["auto_advance"]
    return world.now + RETRIES_S[done - 1] if more else None


def _fall_behind(world: World, account: str, bill: Json) -> None:
    if bill["billing_reason"] == "subscription_create":
        _stand(world, account, bill, "incomplete")
        return
    _stand(world, account, bill, "past_due")
    sub = subscription_of(world, account, bill)
    if sub and bill["attempt_count"] > len(RETRIES_S):
        end_subscription(world, account, sub, "payment_failed")


def _stand(world: World, account: str, bill: Json, status: str) -> None:
    sub = subscription_of(world, account, bill)
    if sub and sub["status"] not in {status, "canceled"}:
        before = {"status": sub["status"]}
        sub["status"] = status
        world.keep(account, sub)
        world.tell(account, "customer.subscription.updated", sub, before)


def end_subscription(
    world: World, account: str, sub: Json, reason: str = "cancellation_requested"
) -> Json:
    """Its open invoices are tried no more. 404 for one that has ended already."""
    if sub["status"] == "canceled":
        raise missing("subscription", sub["id"])
    sub |= {"status": "canceled", "canceled_at": world.now, "ended_at": world.now}
    sub["cancellation_details"]["reason"] = reason
    world.keep(account, sub)
    of_sub = {"$.parent.subscription_details.subscription": sub["id"], "$.status": "open"}
    for bill in world.store.find(account, "invoice", of_sub):
        world.keep(account, bill | {"next_payment_attempt": None, "auto_advance": False})
    world.tell(account, "customer.subscription.deleted", sub)
    return sub


def forget_payer(world: World, account: str, payer: Json) -> None:
    """A customer is deleted, and its subscriptions end."""
    living = {"$.customer": payer["id"], "$.status <>": "canceled"}
    for sub in world.store.find(account, "subscription", living):
        end_subscription(world, account, sub)
    world.store.drop(account, "customer", payer["id"])
    world.tell(account, "customer.deleted", payer)


def pay(world: World, account: str, bill: Json, form: Json) -> Json:
    """What `POST /v1/invoices/:id/pay` does. 402 as the card says; 400 for one not open."""
    if bill["status"] == "paid":
        raise bad("Invoice is already paid", code="invoice_already_paid")
    if bill["status"] not in {"open", "uncollectible"}:
        raise bad(f"Invoices with status {bill['status']} cannot be paid", code="invoice_not_open")
    if form.get("paid_out_of_band") == "true":
        bill["amount_paid_off_stripe"] = bill["amount_remaining"]
        return settle(world, account, bill, bill["amount_remaining"])
    method = None
    if form.get("payment_method"):
        method = method_named(world, account, form["payment_method"], bill["customer"])
    bill = attempt(world, account, bill["id"], method=method, by_hand=True)
    if bill["status"] == "paid":
        return bill
    paying, _ = paying_of(world, account, bill["id"])
    said = dict(
        paying["last_payment_error"] or {"code": "missing", "message": "No card to charge."}
    )
    raise ApiError(
        402,
        str(said.pop("message")),
        kind=str(said.pop("type", "card_error")),
        may_repeat=True,
        payment_intent=objects.shown(paying),
        **said,
    )


def close(world: World, account: str, bill: Json, status: str) -> Json:
    """Void it, or give it up."""
    if bill["status"] != "open":
        raise bad(f"You can only pass in open invoices. This invoice isn't open: {bill['status']}")
    bill |= {"status": status, "next_payment_attempt": None}
    stamp, event = {
        "void": ("voided_at", "invoice.voided"),
        "uncollectible": ("marked_uncollectible_at", "invoice.marked_uncollectible"),
    }[status]
    bill["status_transitions"][stamp] = world.now
    world.keep(account, bill)
    world.tell(account, event, bill)
    return bill


def tick(world: World) -> int:
    """Automatic retries and renewals whose time has come; how many."""
    done = 0
    due = {"$.next_payment_attempt <=": world.now}
    with world.store.change():
        for account, bill in world.store.everywhere("invoice", due):
            if bill["status"] == "open":
                attempt(world, account, bill["id"])
                done += 1
        ended = {"$.items.data[0].current_period_end <=": world.now, "$.status": "active"}
        for account, sub in world.store.everywhere("subscription", ended):
            renew(world, account, sub)
            done += 1
    return done
