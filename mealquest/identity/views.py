"""Signing in and out by phone and code; customers found and created."""

from collections.abc import Iterator
from typing import Any

from flask import Response, current_app, request, session, url_for
from pydantic import Field

from mealquest.core import messages
from mealquest.core.principal import CASHIER, MERCHANT, Role
from mealquest.core.settings import Profile
from mealquest.core.spreadsheet import local
from mealquest.core.wire import Input, NoInput, Str, View
from mealquest.identity import service
from mealquest.identity.forms import CustomerForm, CustomersForm, RequestCodeForm, SignInForm
from mealquest.identity.replies import (
    CodeRequestedView,
    CustomersPage,
    CustomerView,
    MerchantChoice,
    SignedInView,
)
from mealquest.identity.service import DemoPerson
from mealquest.tenancy.service import Operation
from mealquest.web import credentials, lists
from mealquest.web.frame import Call, Feature, Reply, Scope
from mealquest.web.lists import Listing
from mealquest.web.look import translate as _
from mealquest.web.look import zone
from mealquest.web.security import is_local
from mealquest.web.throttle import Throttle

feature = Feature("identity")


class SignInPageForm(Input):
    phone: Str = ""
    next: Str = ""


class SignInPage(View):
    people: list[DemoPerson]
    opens_shop: bool  # came to open a shop, not to work in one
    code_sent: bool  # a code was asked for from this browser


class CodePage(View):
    phone: str
    opens_shop: bool
    development_code: str | None


class MerchantPage(View):
    phone: str
    code: str
    merchants: list[MerchantChoice]


class SignedOutView(View):
    signed_out: bool = True


class CustomersView(CustomersPage, Listing):
    """The list with what its page needs besides."""

    query: str = Field("", exclude=True)


def _address(form: Input) -> str:
    return request.remote_addr or "unknown"


def _keep_phone(view: CodeRequestedView) -> None:
    session["phone"] = view.phone


def _enter(view: SignedInView) -> None:
    """Start the console's session, or remember among which merchants to choose."""
    if view.token:
        onward = session.pop("next", None)
        credentials.start_session_anew(view.token)
        session["next"] = onward
    elif view.merchants:
        session["merchants"] = [choice.model_dump(mode="json") for choice in view.merchants]
        session["code"] = request.form.get("code", "")


def _after_sign_in(view: SignedInView) -> str:
    if view.merchants:
        return url_for("identity.merchant_page.page")
    if view.profile.merchant_id is None:
        return url_for("onboarding.onboard_page.page")
    onboarding = url_for("onboarding.onboard_page.page")
    onward = session.pop("next", None)
    return onward if onward and onward != onboarding else url_for("payments.home.page")


@feature.get(page="/console/sign-in", template="identity/sign_in")
def sign_in_page(call: Call, form: SignInPageForm) -> SignInPage:
    """Ask for the phone."""
    if form.next.startswith("/console/") and is_local(form.next):
        session["next"] = form.next
    opens_shop = _opens_shop()
    return SignInPage(
        people=[] if opens_shop else service.demo_people(),
        opens_shop=opens_shop,
        code_sent="phone" in session,
    )


def _opens_shop() -> bool:
    return bool(session.get("next") == url_for("onboarding.onboard_page.page"))


@feature.post(
    api="/api/auth/merchant/request-code",
    page="/console/sign-in/code",
    ungated="signing in of known people passes a freeze",
    throttles=(
        Throttle("code-phone", ("1/minute", "5/hour"), lambda form: service.digits_of(form.phone)),
        Throttle("code-address", ("30/hour",), _address),
    ),
    again="identity.sign_in_page",
    on_page=_keep_phone,
    see_other=lambda view: url_for("identity.code_page.page"),
)
def request_code(call: Call, form: RequestCodeForm) -> CodeRequestedView:
    """Send a one-time code to a phone."""
    return service.request_code(form)


@feature.get(page="/console/sign-in/code", template="identity/code")
def code_page(call: Call, form: NoInput) -> CodePage | Reply:
    """Ask for the code that was sent."""
    phone = session.get("phone", "")
    if not phone:
        start = url_for("identity.sign_in_page.page")
        nothing = CodePage(phone="", opens_shop=False, development_code=None)
        return Reply(nothing, see_other=start)
    return CodePage(
        phone=phone, opens_shop=_opens_shop(), development_code=_development_code(phone)
    )


def _development_code(phone: str) -> str | None:
    """In dev the page shows the code that the development outbox holds."""
    if current_app.config["SETTINGS"].profile is not Profile.DEV:
        return None
    sent = (stored.message for stored in messages.newest(limit=20))
    codes = (message for message in sent if message.to == phone and "code" in message.data)
    found = next(codes, None)
    return str(found.data["code"]) if found else None


@feature.post(
    api="/api/auth/merchant/phone-login",
    page="/console/sign-in",
    ungated="signing in of known people passes a freeze",
    throttles=(Throttle("sign-in", ("30/minute",), _address),),
    again="identity.code_page",
    on_page=_enter,
    see_other=_after_sign_in,
)
def sign_in(call: Call, form: SignInForm) -> SignedInView:
    """Prove a phone by its code; answers a token."""
    return service.sign_in(form, request.user_agent.string)


@feature.get(page="/console/sign-in/merchant", template="identity/merchant")
def merchant_page(call: Call, form: NoInput) -> MerchantPage | Reply:
    """Choose among the merchants that know the phone."""
    merchants = [MerchantChoice.model_validate(choice) for choice in session.get("merchants", [])]
    view = MerchantPage(
        phone=session.get("phone", ""), code=session.get("code", ""), merchants=merchants
    )
    return view if merchants else Reply(view, see_other=url_for("identity.sign_in_page.page"))


@feature.post(
    api="/api/auth/sign-out",
    page="/console/sign-out",
    roles=CASHIER | {Role.APPLICANT},
    ungated="leaving passes a freeze",
    on_page=lambda view: credentials.end_session(),
    see_other=lambda view: url_for("ops.front.page"),
)
def sign_out(call: Call, form: NoInput) -> SignedOutView:
    """End every token and console session of the caller at once."""
    if call.principal.merchant_id:
        service.sign_out(call.principal)
    return SignedOutView()


@feature.get(
    api="/api/customers",
    page="/console/customers",
    roles=MERCHANT,
    scope=Scope.QUERY,
    template="identity/customers",
)
def customers(call: Call, form: CustomersForm) -> CustomersView:
    """Customers of the merchant, newest first, or those that a query finds."""
    page = service.customers(call.merchant_id, form)
    csv = "identity.customers_csv.page"
    return CustomersView(
        **dict(page),
        **lists.links(call, form, "identity.customers.page", page.next_cursor, csv=csv),
        query=form.query or "",
    )


@feature.get(
    api="/api/customers.csv",
    page="/console/customers.csv",
    roles=lists.EXPORTERS,
    scope=Scope.QUERY,
    media="text/csv",
)
def customers_csv(call: Call, form: CustomersForm) -> Response:
    """The list of customers as a CSV file, all pages of it. Phones stay masked."""
    here = zone()
    since = _("Since (%(zone)s)", zone=here.key)
    header = [_("Name"), _("Phone"), since, _("Tags"), _("Customer id")]
    rows: Iterator[Any] = (
        [
            [c.display_name, c.phone_masked, local(c.created_at, here), " ".join(c.tags), c.uid]
            for c in batch
        ]
        for batch in service.every_customer(call.merchant_id, form)
    )
    return lists.csv_file(call, "customers", form, header, rows)


def _after_customer(view: CustomerView) -> str:
    """To the customer's page, or back to the counter when the customer was added there."""
    if request.form.get("then") == "pay":
        return url_for("payments.counter.page", userId=view.uid)
    return url_for("wallet.customer.page", user_id=view.uid)


@feature.post(
    api="/api/customers",
    page="/console/customers",
    roles=MERCHANT,
    scope=Scope.BODY,
    gate=Operation.CUSTOMER_CREATE,
    again="identity.customers",
    see_other=_after_customer,
    flash=lambda view: _("%(name)s is a customer.", name=view.display_name),
    status=201,
    also=(200,),
)
def create_customer(call: Call, form: CustomerForm) -> CustomerView | Reply:
    """Create the customer of a phone (201), or return the one there is (200)."""
    view, created = service.find_or_create_customer(call.merchant_id, form, call.principal)
    return Reply(view, status=201 if created else 200)
