"""The routes of invoices, subscriptions, payments and customers."""

from typing import Any

from mealquest.engines.stripe_sandbox import billing, objects
from mealquest.engines.stripe_sandbox.errors import bad, lacking
from mealquest.engines.stripe_sandbox.forms import flag, inner, many, number, optional, text
from mealquest.engines.stripe_sandbox.routing import Call, deleted, only, page, route

Json = dict[str, Any]
PAYER = (
    "address balance description email invoice_settings metadata name payment_method phone"
    " preferred_locales shipping source tax_exempt"
)
PAYING = "forgive mandate off_session paid_out_of_band payment_method source"


@route("POST", "/v1/customers", PAYER)
def create_customer(call: Call) -> Json:
    made = objects.customer(call.world.now, call.form)
    method = optional(call.form, "payment_method")
    if method:
        found = billing.method_named(call.world, call.account, method, made["id"])
        call.keep(found | {"customer": made["id"]})
        made["invoice_settings"]["default_payment_method"] = found["id"]
    _default_method(call, made)
    call.world.tell(call.account, "customer.created", made)
    return call.keep(made)


@route("GET", "/v1/customers")
def customers(call: Call) -> Json:
    return page(call, "customer", only(call.query, email="$.email"))


@route("GET", "/v1/customers/<name>")
def customer(call: Call, name: str) -> Json:
    return call.take("customer", name)


@route("POST", "/v1/customers/<name>", PAYER)
def change_customer(call: Call, name: str) -> Json:
    found = call.take("customer", name)
    known = {"email", "name", "phone", "description", "address"}
    found |= {part: value or None for part, value in call.form.items() if part in known}
    found["metadata"] |= inner(call.form, "metadata")
    _default_method(call, found)
    call.world.tell(call.account, "customer.updated", found)
    return call.keep(found)


def _default_method(call: Call, found: Json) -> None:
    name = optional(inner(call.form, "invoice_settings"), "default_payment_method")
    if name:
        method = billing.method_named(call.world, call.account, name, found["id"])
        found["invoice_settings"]["default_payment_method"] = method["id"]


@route("DELETE", "/v1/customers/<name>")
def delete_customer(call: Call, name: str) -> Json:
    billing.forget_payer(call.world, call.account, call.take("customer", name))
    return deleted("customer", name)


@route("POST", "/v1/payment_methods")
def create_method(call: Call) -> Json:
    card = inner(call.form, "card")
    number_ = text(card, "number") if "number" in card else _number_of(card)
    return billing.make_method(call.world, call.account, number_, None)


def _number_of(card: Json) -> str:
    from mealquest.engines.stripe_sandbox.cards import NAMED

    token = text(card, "token")
    return NAMED.get(token.replace("tok_", "pm_card_"), token)


@route("GET", "/v1/payment_methods")
def methods(call: Call) -> Json:
    return page(call, "payment_method", only(call.query, customer="$.customer"))


@route("GET", "/v1/payment_methods/<name>")
def method(call: Call, name: str) -> Json:
    return call.take("payment_method", name)


@route("POST", "/v1/payment_methods/<name>/attach")
def attach_method(call: Call, name: str) -> Json:
    holder = call.take("customer", text(call.form, "customer"), "customer")
    found = billing.method_named(call.world, call.account, name, holder["id"])
    kept = call.keep(found | {"customer": holder["id"]})
    call.world.tell(call.account, "payment_method.attached", kept)
    return kept


@route("POST", "/v1/products")
def create_product(call: Call) -> Json:
    return call.keep(objects.product(call.world.now, text(call.form, "name")))


@route("GET", "/v1/products/<name>")
def product(call: Call, name: str) -> Json:
    return call.take("product", name)


@route("POST", "/v1/prices")
def create_price(call: Call) -> Json:
    return _make_price(call, call.form)


def _make_price(call: Call, form: Json) -> Json:
    interval = text(inner(form, "recurring"), "interval", "month")
    if interval not in billing.PERIOD_S:
        raise bad(f"Invalid interval: {interval}", param="recurring[interval]")
    sold = optional(form, "product")
    if sold is None:
        name = text(inner(form, "product_data"), "name", "Subscription")
        sold = call.keep(objects.product(call.world.now, name))["id"]
    amount, currency = number(form, "unit_amount"), text(form, "currency").lower()
    made = objects.price(call.world.now, amount, currency, sold, interval)
    return call.keep(made | {"lookup_key": optional(form, "lookup_key")})


@route("GET", "/v1/prices")
def prices(call: Call) -> Json:
    return page(call, "price")


@route("GET", "/v1/prices/<name>")
def price(call: Call, name: str) -> Json:
    return call.take("price", name)


@route("POST", "/v1/subscriptions")
def subscribe(call: Call) -> Json:
    payer = call.take("customer", text(call.form, "customer"), "customer")
    sold, quantity = _sold(call)
    name = optional(call.form, "default_payment_method")
    found = billing.method_named(call.world, call.account, name, payer["id"]) if name else None
    made = billing.subscribe(
        call.world, call.account, payer, sold, quantity, found["id"] if found else None
    )
    made["metadata"] |= inner(call.form, "metadata")
    return call.keep(made)


def _sold(call: Call) -> tuple[Json, int]:
    items = many(call.form, "items")
    if not items or not isinstance(items[0], dict):
        raise lacking("items")
    if "price_data" in items[0]:
        return _make_price(call, inner(items[0], "price_data")), number(items[0], "quantity", 1)
    name = text(items[0], "price")
    return call.take("price", name, "items[0][price]"), number(items[0], "quantity", 1)


@route("GET", "/v1/subscriptions")
def subscriptions(call: Call) -> Json:
    """Without `status` those that have not ended."""
    conditions = only(call.query, customer="$.customer", price="$.items.data[0].price.id")
    status = text(call.query, "status", "")
    if status == "":
        conditions["$.status <>"] = "canceled"
    elif status == "ended":
        conditions["$.status"] = ["canceled", "incomplete_expired"]
    elif status != "all":
        conditions["$.status"] = status
    return page(call, "subscription", conditions)


@route("GET", "/v1/subscriptions/<name>")
def subscription(call: Call, name: str) -> Json:
    return call.take("subscription", name)


@route("POST", "/v1/subscriptions/<name>")
def change_subscription(call: Call, name: str) -> Json:
    """Another price, another card, metadata, `cancel_at_period_end`."""
    found = call.take("subscription", name)
    before: Json = {}
    if many(call.form, "items"):
        sold, quantity = _sold(call)
        before["items"] = found["items"]
        item = found["items"]["data"][0] | {"price": sold, "quantity": quantity}
        found["items"] = found["items"] | {"data": [item]}
    if optional(call.form, "default_payment_method"):
        wanted = call.form["default_payment_method"]
        chosen = billing.method_named(call.world, call.account, wanted, found["customer"])
        found["default_payment_method"] = chosen["id"]
    if "cancel_at_period_end" in call.form:
        found["cancel_at_period_end"] = flag(call.form, "cancel_at_period_end")
    found["metadata"] |= inner(call.form, "metadata")
    call.world.tell(call.account, "customer.subscription.updated", found, before)
    return call.keep(found)


@route("DELETE", "/v1/subscriptions/<name>")
def cancel_subscription(call: Call, name: str) -> Json:
    found = call.take("subscription", name)
    return billing.end_subscription(call.world, call.account, found)


@route("GET", "/v1/invoices")
def invoices(call: Call) -> Json:
    paths = {"customer": "$.customer", "status": "$.status"}
    conditions = only(call.query, **paths)
    if call.query.get("subscription"):
        where = "$.parent.subscription_details.subscription"
        conditions[where] = call.query["subscription"]
    return page(call, "invoice", conditions)


@route("POST", "/v1/invoices")
def create_invoice(call: Call) -> Json:
    """A one-off invoice over `metadata[amount]`; Stripe would take the sum from invoice items."""
    payer = call.take("customer", text(call.form, "customer"), "customer")
    amount = number(inner(call.form, "metadata"), "amount", 1000)
    currency = text(call.form, "currency", "usd").lower()
    return billing.make_invoice(
        call.world, call.account, payer, None, reason="manual", amount=amount, currency=currency
    )


@route("GET", "/v1/invoices/<name>")
def invoice(call: Call, name: str) -> Json:
    return call.take("invoice", name)


@route("POST", "/v1/invoices/<name>/pay", PAYING)
def pay_invoice(call: Call, name: str) -> Json:
    found = call.take("invoice", name)
    return billing.pay(call.world, call.account, found, call.form)


@route("POST", "/v1/invoices/<name>/void", "expand")
def void_invoice(call: Call, name: str) -> Json:
    return billing.close(call.world, call.account, call.take("invoice", name), "void")


@route("POST", "/v1/invoices/<name>/mark_uncollectible")
def give_up_invoice(call: Call, name: str) -> Json:
    return billing.close(call.world, call.account, call.take("invoice", name), "uncollectible")


@route("GET", "/v1/invoice_payments")
def invoice_payments(call: Call) -> Json:
    paid_by = inner(call.query, "payment").get("payment_intent")
    conditions = only(call.query, invoice="$.invoice", status="$.status")
    if paid_by:
        conditions["$.payment.payment_intent"] = paid_by
    return page(call, "invoice_payment", conditions)


@route("GET", "/v1/invoice_payments/<name>")
def invoice_payment(call: Call, name: str) -> Json:
    return call.take("invoice_payment", name)


@route("GET", "/v1/payment_intents")
def intents(call: Call) -> Json:
    return page(call, "payment_intent", only(call.query, customer="$.customer"))


@route("GET", "/v1/payment_intents/<name>")
def intent(call: Call, name: str) -> Json:
    return call.take("payment_intent", name)


@route("GET", "/v1/charges")
def charges(call: Call) -> Json:
    paths = {"customer": "$.customer", "payment_intent": "$.payment_intent"}
    return page(call, "charge", only(call.query, **paths))


@route("GET", "/v1/charges/<name>")
def charge(call: Call, name: str) -> Json:
    return call.take("charge", name)
