"""One good request for every declared endpoint. Whoever adds an endpoint adds its sample here."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask import current_app
from flask_babel import force_locale
from rq.job import JobStatus
from sqlalchemy import select
from werkzeug.test import TestResponse

from mealquest.alliance import service as alliances
from mealquest.alliance.forms import ConfigForm
from mealquest.application import FEATURES
from mealquest.audit.models import AuditRow
from mealquest.campaigns import service as campaigns
from mealquest.campaigns.forms import CampaignsForm
from mealquest.core import messages
from mealquest.core.db import transaction
from mealquest.core.ids import new_id
from mealquest.core.principal import Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.forms import RequestCodeForm, SignInForm
from mealquest.identity.models import StaffSession
from mealquest.invoices import service as invoices
from mealquest.invoices.forms import IssueForm
from mealquest.payments import gateway
from mealquest.payments import service as payments
from mealquest.payments.forms import VerifyForm
from mealquest.privacy import service as privacy
from mealquest.recovery import payer_links, suppressions
from mealquest.recovery.domain import TaskStatus
from mealquest.recovery.suppressions import Why
from mealquest.strategy import service as strategy
from mealquest.strategy.catalogue import LIBRARY
from mealquest.strategy.domain import content_hash
from mealquest.strategy.forms import MessageForm, PlanForm, ProposalsForm
from mealquest.strategy.models import ProposalRow
from mealquest.suppliers import service as suppliers
from mealquest.suppliers.forms import ImportForm, OrdersForm, PartnerForm
from mealquest.tenancy import service as tenancy
from mealquest.wallet import service as wallet
from mealquest.wallet.forms import TopUpRuleForm
from mealquest.web.frame import Endpoint, Face
from tests.alliance.settlement_days import leave, pay, share, top_up
from tests.factories.customers import make_customer
from tests.factories.http import Client, applicant_token, bearer
from tests.factories.merchants import make_merchant
from tests.factories.recovery import make_case, make_task
from tests.factories.refunds import make_receivable
from tests.factories.requests import keyed
from tests.fakes.stripe import SECRET, sign
from tests.strategy.chats import live_turn
from tests.web.shops import Shop

REFUSES_IN_PLAIN_TEXT = {"webhooks.stripe_plainly"}  # with 400
ENDPOINTS = [endpoint for feature in FEATURES for endpoint in feature.endpoints]
OPERATOR_KEY = "operator-key-of-the-tests"
NEW_PHONE = "+8613700000042"
Declared = tuple[Endpoint, Face]


@dataclass(frozen=True)
class Sample:
    """`fields`: the query of a GET, the body of anything else. `path`: what the URL names."""

    fields: dict[str, Any] = field(default_factory=dict)
    path: dict[str, str] = field(default_factory=dict)
    key: str | None = None
    refused: int | None = None  # the status, where the test's client cannot do what is needed


def _code(shop: Shop) -> dict[str, Any]:
    phone = shop.phones[Role.OWNER]
    identity.request_code(RequestCodeForm(phone=phone))
    sent = messages.newest(limit=1)[0].message
    return {"phone": phone, "code": sent.data["code"], "merchantId": shop.merchant_id}


def _session(shop: Shop) -> dict[str, str]:
    """A sign-in of the owner, besides the one whose token the tests use."""
    identity.sign_in(SignInForm.model_validate(_code(shop)))
    with transaction(shop.merchant_id) as session:
        newest = select(StaffSession.id).where(StaffSession.merchant_id == shop.merchant_id)
        found = session.scalars(newest.order_by(StaffSession.id.desc()).limit(1)).one()
    return {"staff_id": "staff_owner", "session_id": found}


def _audit_row(shop: Shop) -> dict[str, str]:
    with transaction(shop.merchant_id) as session:
        some = select(AuditRow.id).where(AuditRow.merchant_id == shop.merchant_id)
        return {"audit_id": session.scalars(some.order_by(AuditRow.id).limit(1)).one()}


def _rule(shop: Shop) -> dict[str, str]:
    """The shop's rule on top-ups; one is made where there is none any more."""
    known = wallet.rules(shop.merchant_id).items
    if known:
        return {"rule_id": known[0].rule_id}
    form = TopUpRuleForm.model_validate({"fromAmount": 100, "bonus": 10})
    owner = Principal(Role.OWNER, "staff_owner", shop.merchant_id)
    return {"rule_id": wallet.add_rule(shop.merchant_id, form, owner).rule_id}


def _waiting(shop: Shop) -> tuple[str, Decimal]:
    """A payment that waits for money from outside, and how much."""
    order = VerifyForm(user_id=shop.customer, order_amount=Decimal(5_000), voucher_id="NONE")
    owner = Principal(Role.OWNER, "staff_owner", shop.merchant_id)
    taken = payments.verify(shop.merchant_id, order, owner, keyed(order, new_id("k"), owner))
    assert taken.external_payment, "the order was to be more than the wallet holds"
    return taken.payment_txn_id, taken.external_payment.payable_amount


def _waiting_id(shop: Shop) -> dict[str, str]:
    return {"payment_id": _waiting(shop)[0]}


def _stripe_event(shop: Shop) -> Sample:
    about = {"id": "in_sample", "billing_reason": "manual", "currency": "usd"}
    event = {"id": "evt_sample", "type": "invoice.payment_failed", "account": "acct_sample"}
    return Sample(event | {"created": 1_780_000_000, "data": {"object": about}})


def _callback(shop: Shop) -> dict[str, Any]:
    payment_id, amount = _waiting(shop)
    report = {"status": "SUCCESS", "callbackId": "cb_1", "externalTxnId": "ext_1"}
    about = {"merchantId": shop.merchant_id, "paymentTxnId": payment_id}
    return about | report | {"paidAmount": float(amount)}


def _at_the_gateway(shop: Shop) -> dict[str, str]:
    return {"merchant_id": shop.merchant_id} | _waiting_id(shop)


def _refund(shop: Shop) -> dict[str, Any]:
    return {"paymentTxnId": shop.payment, "refundAmount": 1, "userId": shop.customer}


def _owed(shop: Shop) -> dict[str, str]:
    """What a customer owes; a small refund of a payment that earned too much."""
    return {"receivable_id": make_receivable(shop.merchant_id, shop.customer)}


def _debt(shop: Shop) -> dict[str, str]:
    """A store whose wallet paid for something here, and owes it; nothing is shared any more."""
    holder = make_merchant()
    make_customer(holder, customer_id=shop.customer)
    share(holder, shop.merchant_id)
    top_up(holder, shop.customer, Decimal(50))
    pay(shop.merchant_id, shop.customer, Decimal(20))
    leave(shop.merchant_id)
    return {"store_id": holder}


def _order(shop: Shop) -> dict[str, Any]:
    return {"userId": shop.customer, "orderAmount": 20, "voucherId": shop.voucher}


def _top_up(shop: Shop) -> dict[str, Any]:
    more = {"bonus": 2, "bonusValidDays": 30, "note": "a note"}
    return {"userId": shop.customer, "amount": 20, "method": "CASH", **more}


def _list(shop: Shop) -> Sample:
    return Sample({"limit": "5", "query": shop.customer_phone, "userId": shop.customer})


def _some(shop: Shop) -> Sample:
    return Sample({"limit": "5", "userId": shop.customer})


def _customer_code(shop: Shop) -> dict[str, str]:
    return {"code": identity.own_code(shop.merchant_id, shop.customer).code}


def _receipt_link(shop: Shop) -> dict[str, str]:
    return {"token": payments.receipt_token(shop.merchant_id, shop.payment)}


def _social(shop: Shop) -> dict[str, Any]:
    """Refused: the tests' application has no provider set up."""
    return {"merchantId": shop.merchant_id, "code": "code-of-an-app", "displayName": "New"}


def _partner(shop: Shop) -> dict[str, str]:
    """A partner of this shop alone, with a key; made where it is not there yet."""
    partner_id = f"p_{shop.merchant_id}"
    if partner_id not in {p.partner_id for p in suppliers.partners(shop.merchant_id).items}:
        form = PartnerForm(partner_id=partner_id, name="A partner")
        suppliers.add_partner(shop.merchant_id, form, _owner_of(shop))
    return {"partner_id": partner_id}


def _owner_of(shop: Shop) -> Principal:
    return Principal(Role.OWNER, "staff_owner", shop.merchant_id)


def _partner_order(shop: Shop) -> dict[str, str]:
    partner = _partner(shop)
    form = OrdersForm.model_validate(
        {"partnerId": partner["partner_id"], "orders": [{"orderId": "o-1", "amount": 38}]}
    )
    suppliers.take(shop.merchant_id, form, _owner_of(shop))
    return partner | {"order_id": "o-1"}


def _orders(shop: Shop) -> dict[str, Any]:
    order = {"orderId": "o-2", "amount": 20.5, "status": "PAID", "paidAt": "2026-03-01T08:00:00Z"}
    return {"partnerId": _partner(shop)["partner_id"], "orders": [order]}


def _sheet(shop: Shop) -> dict[str, str]:
    return {"file": f"partnerId,orderId,amount\n{_partner(shop)['partner_id']},o-3,12.50\n"}


def _import(shop: Shop) -> dict[str, str]:
    form = ImportForm(file=_sheet(shop)["file"].encode())
    return {"import_id": suppliers.stage_import(shop.merchant_id, form, _owner_of(shop)).import_id}


def _verify_order(shop: Shop) -> dict[str, Any]:
    order = _partner_order(shop)
    return {"partnerId": order["partner_id"], "orderId": order["order_id"], "minSpend": 5}


def _invoice(shop: Shop) -> dict[str, str]:
    owner = Principal(Role.OWNER, "staff_owner", shop.merchant_id)
    form = IssueForm.model_validate({"paymentTxnId": shop.payment} | MADE_OUT_TO)
    return {"invoice_no": invoices.issue(shop.merchant_id, form, owner).invoice_no}


def _leaving(shop: Shop) -> Sample:
    """Somebody else each time, because nobody leaves twice."""
    user_id = make_customer(shop.merchant_id)
    return Sample({"userId": user_id, "confirm": True}, {"user_id": user_id})


def _export(shop: Shop) -> dict[str, str]:
    return {"export_id": privacy.ask(shop.merchant_id, shop.customer, _owner_of(shop)).export_id}


def nothing(_: Shop) -> Sample:
    return Sample()


def _campaign(shop: Shop) -> dict[str, str]:
    """A campaign of this shop alone, made where it is not there yet."""
    campaign_id = f"campaign_{shop.merchant_id}"
    known = campaigns.listed(shop.merchant_id, CampaignsForm(query=campaign_id)).items
    if not known:
        new = campaigns.NewCampaign(
            id=campaign_id,
            name="A campaign",
            event="PAYMENT_SUCCESS",
            priority=50,
            action={"type": "GRANT_BONUS", "amount": 1},
            limits=campaigns.Limits(cap_units=1_000, cost_units=1),
        )
        with transaction(shop.merchant_id) as session:
            campaigns.add(session, shop.merchant_id, new, "fixture")
    return {"campaign_id": campaign_id}


def _proposal(shop: Shop, *, fresh: bool = False) -> dict[str, str]:
    """A proposal of this shop alone; a fresh one where it is decided about."""
    proposal_id = new_id("proposal") if fresh else f"proposal_{shop.merchant_id}"
    known = {one.id for one in strategy.listed(shop.merchant_id, ProposalsForm(limit=100)).items}
    if proposal_id not in known:
        template = LIBRARY["revenue_paybox"]
        branch = template.default_branch
        with force_locale("en"):
            campaign = template.campaign(branch)
        new = strategy.NewProposal(
            id=proposal_id,
            title="A proposal",
            intent="",
            template_id=template.id,
            branch_id=branch.id,
            strategy_meta={},
            campaign={"id": new_id("campaign"), **campaign},
        )
        with transaction(shop.merchant_id) as session:
            strategy.add(session, shop.merchant_id, new, "fixture")
    return {"proposal_id": proposal_id}


def _candidate(shop: Shop) -> Sample:
    """Another draft of a fresh proposal, to be picked."""
    path = _proposal(shop, fresh=True)
    with transaction(shop.merchant_id) as session:
        row = session.get_one(ProposalRow, (shop.merchant_id, path["proposal_id"]))
        other = row.campaign | {"id": new_id("campaign"), "priority": 58}
        known = {
            "variant": "AGGRESSIVE",
            "title": "Another draft",
            "templateId": row.template_id,
            "branchId": row.branch_id,
            "strategyMeta": {},
            "campaign": other,
            "difference": [],
            "droppedFields": [],
            "hash": content_hash(row.id, "Another draft", other),
        }
        row.candidates = [known]
    return Sample({"hash": known["hash"]}, path)


def _plan(shop: Shop) -> dict[str, str]:
    asked = PlanForm(template_id="revenue_paybox")
    begun = strategy.propose(shop.merchant_id, asked, _owner_of(shop))  # until its deadline
    return {"plan_id": begun.plan_id}


def _chat(shop: Shop) -> dict[str, str]:
    return {"sessionId": strategy.begin(shop.merchant_id, _owner_of(shop)).session_id}


def _turn(shop: Shop) -> dict[str, str]:
    """A message that waits for its answer."""
    _chat(shop)
    strategy.send(shop.merchant_id, MessageForm(content="Anybody?"), _owner_of(shop), wait_s=0)
    return {"turn_id": live_turn(shop.merchant_id)}


def _reviewed(shop: Shop) -> Sample:
    fields = _chat(shop) | {"decision": "APPROVE"}
    return Sample(fields, _proposal(shop, fresh=True))


def _event(shop: Shop) -> dict[str, Any]:
    _campaign(shop)
    context = {"orderAmount": 20}
    return {"userId": shop.customer, "event": "PAYMENT_SUCCESS", "context": context}


def _ally(shop: Shop, *, invites: bool = False) -> dict[str, str]:
    """Another store; `invites`: it lists the shop, whose owner has not answered."""
    partner_id = make_merchant()
    if invites:
        listing = ConfigForm(stores=[partner_id, shop.merchant_id], wallet_shared=True)
        by = Principal(Role.OWNER, "staff_owner", partner_id)
        alliances.set_config(partner_id, listing, by)
    return {"partner_id": partner_id}


def _left(shop: Shop) -> Sample:
    partner = _ally(shop)
    listing = ConfigForm(stores=[shop.merchant_id, partner["partner_id"]])
    alliances.set_config(shop.merchant_id, listing, _owner_of(shop))
    return Sample({"partnerId": partner["partner_id"]})


CONTRACT = {
    "companyName": "Noodle Ltd.",
    "licenseNo": "91310000MA1K00001X",
    "settlementAccount": "6222020200112233",
    "contactPhone": "+8613911111111",
}
MADE_OUT_TO = {"title": "A title", "taxNo": "T 1", "email": "a@example.org"}
CLERK = {"staff_id": "staff_clerk"}
SETTINGS = {"name": "Renamed", "timeZone": "Asia/Tokyo", "refundPolicy": "RESTORE"}
VOUCHER = {"type": "ITEM_WARRANT", "name": "A gift", "value": 5, "minSpend": 9, "validDays": 7}


def _task(shop: Shop, status: TaskStatus = TaskStatus.PENDING) -> dict[str, str]:
    return {"task_id": str(make_task(shop.merchant_id, status=status))}


def _case(shop: Shop) -> dict[str, str]:
    """An invoice in recovery whose reminder waits."""
    invoice_id = make_case(shop.merchant_id, f"in_{new_id('x')}")
    make_task(shop.merchant_id, invoice_id=invoice_id)
    return {"invoice_id": invoice_id}


def _new_task(_: Shop) -> Sample:
    return Sample({"taskType": "dunning_retry", "payload": {"invoiceId": "in_sample"}})


def _claimed(shop: Shop) -> Sample:
    task_id = make_task(shop.merchant_id, status=TaskStatus.RUNNING)
    return Sample({"success": True, "recoveredCents": 100}, {"task_id": str(task_id)})


def _pay_link(shop: Shop) -> Sample:
    """Of an invoice at a merchant that is not connected: its page says so."""
    return Sample(path={"pay_token": payer_links.pay_token(shop.merchant_id, "in_sample")})


def _leave_link(shop: Shop) -> Sample:
    address_hash = suppressions.hashed(shop.merchant_id, "payer@example.com")
    return Sample(path={"leave_token": payer_links.leave_token(shop.merchant_id, address_hash)})


def _click_link(shop: Shop) -> Sample:
    url = payer_links.click_url(shop.merchant_id, 1, "https://invoice.stripe.com/i/sample")
    return Sample(dict(parse_qsl(urlsplit(url).query)))


def _suppression(shop: Shop) -> Sample:
    with transaction(shop.merchant_id) as session:
        suppressions.suppress(session, shop.merchant_id, "gone@example.com", Why.BOUNCED)
    return Sample(path={"address_hash": suppressions.hashed(shop.merchant_id, "gone@example.com")})


def _test_mail(shop: Shop) -> Sample:
    with transaction(shop.merchant_id) as session:
        tenancy.set_account(session, shop.merchant_id, email="owner@example.com")
    return Sample({"retryAttempt": 1})


_WORDS = {"retryAttempt": 1, "subject": "Payment of {{amount}}", "body": "<p>Please pay.</p>"}
_TIMING = {
    "days1": "3",
    "days2": "5",
    "days3": "7",
    "on1": "1",
    "gapHours": "24",
    "mostMails": "4",
    "holdoutPercent": "0",
}


def _parked(shop: Shop) -> Sample:
    task_id = make_task(shop.merchant_id, status=TaskStatus.FAILED)
    return Sample(path={"merchant_id": shop.merchant_id, "task_id": str(task_id)})


def _failed_job(_: Shop) -> Sample:
    """A job that failed, as a worker leaves it."""
    queue = current_app.extensions["bells"].queue
    job = queue.create_job("jobs.doctor.watch", status=JobStatus.FAILED)
    job.origin = queue.name
    job.save()
    queue.failed_job_registry.add(job, ttl=60)
    return Sample(path={"queue": queue.name, "job_id": job.id})


def _operator_key(_: Shop) -> Sample:
    current_app.config["SETTINGS"].admin_api_key = OPERATOR_KEY
    return Sample({"key": OPERATOR_KEY})


SAMPLES: dict[str, Callable[[Shop], Sample]] = {
    "alliance.accept": lambda shop: Sample(path=_ally(shop, invites=True)),
    "alliance.acts": lambda _: Sample({"limit": "5", "act": "INVITE"}),
    "alliance.acts_csv": nothing,
    "alliance.alliance": nothing,
    "alliance.decline": lambda shop: Sample(path=_ally(shop, invites=True)),
    "alliance.invite": lambda shop: Sample({"store": _ally(shop)["partner_id"]}),
    "alliance.leave": _left,
    "alliance.links": nothing,
    "alliance.links_csv": nothing,
    "alliance.save_alliance": lambda _: Sample({"clusterId": "A group", "tierShared": True}),
    "alliance.set_alliance": lambda _: Sample({"clusterId": "A group", "walletShared": True}),
    "alliance.stores": nothing,
    "alliance_customers.customers": lambda shop: Sample({"userId": shop.customer}),
    "alliance_customers.sync_user": lambda shop: Sample({"userId": shop.customer}),
    "board.delete_job": _failed_job,
    "board.queues": nothing,
    "board.requeue": _failed_job,
    "board.retry_parked": _parked,
    "board.sign_in": _operator_key,
    "board.sign_in_page": nothing,
    "board.sign_out": nothing,
    "audit.audit": lambda _: Sample({"limit": "5", "status": "SUCCESS"}),
    "audit.audit_csv": nothing,
    "audit.chain": nothing,
    "audit.chain_export": nothing,
    "audit.check_chain": nothing,
    "audit.audit_row": lambda shop: Sample(path=_audit_row(shop)),
    "campaigns.campaign": lambda shop: Sample(path=_campaign(shop)),
    "campaigns.campaigns": lambda shop: Sample({"limit": "5", "status": "ACTIVE"}),
    "campaigns.campaigns_csv": nothing,
    "campaigns.dashboard": lambda shop: Sample({"merchantId": shop.merchant_id}),
    "campaigns.decisions": lambda shop: Sample({"limit": "5", "outcome": "HIT"}, _campaign(shop)),
    "campaigns.decisions_csv": lambda shop: Sample({"outcome": "MISS"}, _campaign(shop)),
    "campaigns.hits": lambda shop: Sample({"limit": "5", "voucher": "USED"}, _campaign(shop)),
    "campaigns.hits_csv": lambda shop: Sample({"by": "EVENT"}, _campaign(shop)),
    "campaigns.of_payment": lambda shop: Sample(path={"payment_id": shop.payment}),
    "campaigns.set_status": lambda shop: Sample({"status": "ACTIVE"}, _campaign(shop)),
    "campaigns.trigger": lambda shop: Sample(_event(shop), key="k-trigger"),
    "campaign_replays.replay": lambda shop: Sample(path=_campaign(shop)),
    "campaign_replays.replay_again": lambda shop: Sample(path=_campaign(shop)),
    "campaign_stops.fire_sale": lambda _: Sample({"maxQty": "10"}),
    "campaign_stops.kill_switch": nothing,
    "campaign_stops.set_kill_switch": lambda _: Sample({"enabled": False}),
    "campaign_stops.start_fire_sale": lambda _: Sample({"ttlMinutes": 10}, key="k-sale"),
    "charges.charge": lambda _: Sample(path={"invoice_id": "in_none"}, key="k", refused=404),
    "customer_codes.own_code": nothing,
    "debts.debts": lambda shop: Sample({"limit": "5", "partnerId": _debt(shop)["store_id"]}),
    "debts.debts_csv": nothing,
    "debts.set_limit": lambda shop: Sample({"limit": 500}, _debt(shop)),
    "debts.settle": lambda shop: Sample({"kind": "PAID", "amount": 5}, _debt(shop), "k-debt"),
    "debts.with_partner": lambda shop: Sample(path=_debt(shop)),
    "customer_codes.resolve": lambda shop: Sample(_customer_code(shop)),
    "holdings.vouchers": _some,
    "holdings.vouchers_csv": _some,
    "holdings.wallets": lambda _: Sample({"limit": "5"}),
    "holdings.wallets_csv": nothing,
    "identity.code_page": nothing,
    "identity.create_customer": lambda _: Sample({"phone": NEW_PHONE, "displayName": "New"}),
    "identity.customers": _list,
    "identity.customers_csv": _list,
    "identity.merchant_page": nothing,
    "identity.request_code": lambda shop: Sample({"phone": shop.phones[Role.CLERK]}),
    "identity.sign_in": lambda shop: Sample(_code(shop)),
    "identity.sign_in_page": lambda _: Sample({"next": "/console/customers"}),
    "identity.sign_out": nothing,
    "ledger.entry": lambda shop: Sample(path={"txn_id": shop.payment}),
    "ledger.ledger": _some,
    "ledger.ledger_csv": _some,
    "invoices.invoice": lambda shop: Sample(path=_invoice(shop)),
    "invoices.invoices": lambda shop: Sample({"limit": "5", "userId": shop.customer}),
    "invoices.invoices_csv": lambda shop: Sample({"userId": shop.customer}),
    "invoices.issue": lambda shop: Sample(
        {"paymentTxnId": shop.payment} | MADE_OUT_TO, {"payment_txn_id": shop.payment}
    ),
    "invoices.mail": lambda shop: Sample({"email": "a@example.org"}, _invoice(shop), "k-mail"),
    "invoices.new": lambda shop: Sample(path={"payment_txn_id": shop.payment}),
    "invoices.pdf": lambda shop: Sample({"lang": "en"}, _invoice(shop)),
    "merchants.brand": nothing,
    "merchants.change": lambda shop: Sample(
        {"fromName": "Renamed"}, {"merchant_id": shop.merchant_id}, refused=401
    ),
    "merchants.create": lambda _: Sample({"email": "a@example.org", "billingCountry": "DE"}),
    "merchants.erase": lambda shop: Sample(path={"merchant_id": shop.merchant_id}),
    "merchants.listed": lambda _: Sample({"limit": "5"}),
    "merchants.one": lambda shop: Sample(path={"merchant_id": shop.merchant_id}),
    "merchants.own": nothing,
    "merchants.save_brand": lambda _: Sample({"brandColor": "#123456", "fromName": "Renamed"}),
    "onboarding.onboard": lambda _: Sample({"name": "Gamma", "merchantId": "m_gamma"}),
    "onboarding.onboard_page": nothing,
    "onboarding.open_shop": lambda _: Sample({"name": "Gamma", "merchantId": "m_gamma_2"}),
    "ops.docs": nothing,
    "ops.front": nothing,
    "ops.health": nothing,
    "ops.metrics": nothing,
    "ops.openapi_document": nothing,
    "ops.outbox": nothing,
    "ops.ready": nothing,
    "connect.authorize": nothing,
    "connect.come_back": lambda shop: Sample({"code": "ac_1", "state": f"{shop.merchant_id}.x"}),
    "connect.connection": nothing,
    "connect.disconnect": lambda _: Sample({"confirm": True}, refused=400),
    "contract.apply": lambda _: Sample(CONTRACT),
    "contract.status": nothing,
    "order_imports.apply": lambda shop: Sample(path=_import(shop)),
    "order_imports.choose": nothing,
    "order_imports.preview": lambda shop: Sample(path=_import(shop)),
    "order_imports.upload": lambda shop: Sample(_sheet(shop)),
    "partners.add_partner": lambda _: Sample({"partnerId": "p_new", "name": "New partner"}),
    "partners.change_partner": lambda shop: Sample({"tolerance": 1.5}, _partner(shop)),
    "partners.new_key": lambda shop: Sample(path=_partner(shop)),
    "partners.partners": nothing,
    "partners.revoke_by_page": lambda shop: Sample(path=_partner(shop)),
    "partners.revoke_key": lambda shop: Sample(path=_partner(shop)),
    "partners.save_partner": lambda shop: Sample({"name": "Renamed"}, _partner(shop)),
    "payer.clicked": _click_link,
    "payer.go_on": _pay_link,
    "payer.leave": _leave_link,
    "payer.leaving": _leave_link,
    "payer.opened": lambda _: Sample(path={"log_id": "1"}),
    "payer.pay": _pay_link,
    "sequence.all_words": lambda _: Sample(),
    "sequence.change": lambda _: Sample({"gapHours": 48}),
    "sequence.forget": lambda _: Sample(path={"retry_attempt": "1"}),
    "sequence.forget_by_page": lambda _: Sample(path={"retry_attempt": "1"}),
    "sequence.page": lambda _: Sample(),
    "sequence.preview": lambda _: Sample(_WORDS),
    "sequence.reset": lambda _: Sample(),
    "sequence.save": lambda _: Sample(_TIMING),
    "sequence.send_test": _test_mail,
    "sequence.show": lambda _: Sample(),
    "sequence.write": lambda _: Sample(_WORDS),
    "suppliers.desk": nothing,
    "suppliers.order": lambda shop: Sample(path=_partner_order(shop)),
    "suppliers.orders": lambda _: Sample({"limit": "5", "match": "DIFFERENCE", "use": "open"}),
    "suppliers.orders_csv": nothing,
    "suppliers.set_delivery": lambda shop: Sample({"amount": 30}, _partner_order(shop)),
    "suppliers.set_invoice": lambda shop: Sample({"amount": 31}, _partner_order(shop)),
    "suppliers.take_orders": lambda shop: Sample(_orders(shop)),
    "suppliers.verify_order": lambda shop: Sample(_verify_order(shop), key="k-order"),
    "payments.callback": lambda shop: Sample(_callback(shop)),
    "payments.cancel": lambda shop: Sample(path=_waiting_id(shop)),
    "payments.counter": lambda shop: Sample({"userId": shop.customer, "amount": "20"}),
    "payments.home": nothing,
    "payments.payment": lambda shop: Sample(path={"payment_id": shop.payment}),
    "payments.payments": _list,
    "payments.payments_csv": _list,
    "payments.quote": lambda shop: Sample(_order(shop)),
    "payments.receivable": lambda shop: Sample(path=_owed(shop)),
    "payments.receivables": lambda _: Sample({"limit": "5"}),
    "payments.receivables_csv": nothing,
    "payments.refund": lambda shop: Sample(_refund(shop), {"payment_id": shop.payment}, "k-refund"),
    "payments.refund_form": lambda shop: Sample(_refund(shop), {"payment_id": shop.payment}),
    "payments.refunds": lambda shop: Sample({"limit": "5", "userId": shop.customer}),
    "payments.refunds_csv": nothing,
    "payments.retry_refund": lambda shop: Sample(path=_waiting_id(shop), refused=409),
    "payments.settle": lambda shop: Sample({"method": "CASH"}, _owed(shop), "k-settle"),
    "payments.verify": lambda shop: Sample(_order(shop), key="k-verify"),
    "profiles.own_profile": nothing,
    "profiles.set_birthday": lambda shop: Sample({"birthday": "02-29"}, {"user_id": shop.customer}),
    "profiles.set_own_profile": lambda _: Sample({"birthday": "05-12"}),
    "privacy.begin_export": lambda shop: Sample({"userId": shop.customer}),
    "privacy.cancel_account": nothing,
    "privacy.delete_user": _leaving,
    "privacy.deletion": lambda shop: Sample(path={"user_id": shop.customer}),
    "privacy.export": lambda shop: Sample(path=_export(shop)),
    "privacy.export_user": lambda shop: Sample({"userId": shop.customer}),
    "privacy.exports": _some,
    "privacy.file": lambda shop: Sample(path=_export(shop)),
    "receipts.receipt": lambda shop: Sample({"format": "a4"}, {"payment_id": shop.payment}),
    "receipts.shared": lambda shop: Sample(path=_receipt_link(shop)),
    "realtime.connect": lambda shop: Sample({"merchantId": shop.merchant_id}, refused=426),
    "realtime.events": lambda _: Sample({"limit": "5"}),
    "realtime.events_for_apps": lambda _: Sample({"limit": "5"}),
    "realtime.status": nothing,
    "realtime.ticket": nothing,
    "recovery.activity": lambda _: Sample({"limit": "5", "metricType": "task_retry"}),
    "recovery.dashboard": nothing,
    "recovery.log": lambda _: Sample({"limit": "5", "metricType": "task_retry"}),
    "recovery.log_csv": lambda _: Sample({"metricType": "task_retry"}),
    "recovery.overview": lambda _: Sample({"days": "7"}),
    "recovery.usage": nothing,
    "recovery_cases.case": lambda shop: Sample(path=_case(shop)),
    "recovery_cases.cases": lambda _: Sample({"limit": "5", "status": "open"}),
    "recovery_cases.cases_csv": lambda _: Sample({"status": "open"}),
    "recovery_cases.remind": lambda shop: Sample(path=_case(shop)),
    "recovery_cases.stop": lambda shop: Sample(path=_case(shop)),
    "sandbox.asked": lambda shop: Sample({"sent": "yes"}, _at_the_gateway(shop)),
    "sandbox.decide": lambda shop: Sample({"decision": "pay"}, _at_the_gateway(shop), refused=503),
    "sandbox.refund": lambda shop: Sample(
        {"refundId": "rf_1", "paymentTxnId": shop.payment, "amount": 5}
    ),
    "sandbox_model.complete": lambda _: Sample(
        {"messages": [{"role": "user", "content": "{}"}], "stream": False}
    ),
    "sandbox_stripe.fail": lambda _: Sample(
        {"reason": "expired_card", "amount": "12.50", "currency": "usd", "email": "a@example.com"},
        refused=404,
    ),
    "sandbox_stripe.scene": lambda _: Sample(),
    "sandbox_stripe.step": lambda _: Sample({"step": "pay"}, {"invoice_id": "in_1"}, refused=404),
    "social.alipay": lambda shop: Sample(_social(shop), refused=503),
    "social.wechat": lambda shop: Sample(_social(shop), refused=503),
    "staff.change": lambda _: Sample({"role": "MANAGER", "name": "Promoted"}, CLERK),
    "staff.end_session": lambda shop: Sample(path=_session(shop)),
    "staff.end_session_by_page": lambda shop: Sample(path=_session(shop)),
    "staff.invite": lambda _: Sample({"phone": NEW_PHONE, "role": "CLERK", "name": "New"}),
    "staff.own_sessions": nothing,
    "staff.person": lambda _: Sample(path=CLERK),
    "staff.remove": lambda _: Sample(path=CLERK),
    "staff.remove_by_page": lambda _: Sample(path={"staff_id": "staff_manager"}),
    "staff.sessions": lambda _: Sample(path=CLERK),
    "staff.set_details": lambda _: Sample({"name": "Renamed"}, CLERK),
    "staff.set_role": lambda _: Sample({"role": "MANAGER"}, CLERK),
    "staff.staff": nothing,
    "state.state": lambda shop: Sample({"merchantId": shop.merchant_id, "userId": shop.customer}),
    "strategy.configs": nothing,
    "strategy.confirm": lambda shop: Sample(path=_proposal(shop, fresh=True)),
    "strategy.library": nothing,
    "strategy.pick": _candidate,
    "strategy.proposal": lambda shop: Sample(path=_proposal(shop)),
    "strategy.proposals": lambda _: Sample({"limit": "5", "status": "PENDING"}),
    "strategy.proposals_csv": lambda _: Sample({"status": "PENDING"}),
    "strategy_replays.replay": lambda shop: Sample(path=_proposal(shop)),
    "strategy_replays.replay_again": lambda shop: Sample(path=_proposal(shop, fresh=True)),
    "strategy.reject": lambda shop: Sample({"reason": "too dear"}, _proposal(shop, fresh=True)),
    "strategy_plans.create": lambda _: Sample({"templateId": "revenue_paybox"}),
    "strategy_plans.show": lambda shop: Sample(path=_plan(shop)),
    "strategy_chat.begin": nothing,
    "strategy_chat.chat": nothing,
    "strategy_chat.history": lambda shop: Sample({"limit": "5"} | _chat(shop)),
    "strategy_chat.review": _reviewed,
    "strategy_chat.send": lambda _: Sample({"content": "What sells on rainy days?"}),
    "strategy_chat.stop": lambda shop: Sample(path=_turn(shop)),
    "strategy_chat.session": lambda shop: Sample(_chat(shop)),
    "suppressions.add": lambda _: Sample({"email": "payer@example.com"}),
    "suppressions.remove": _suppression,
    "suppressions.remove_by_page": _suppression,
    "suppressions.suppressions_list": lambda _: Sample({"limit": "5"}),
    "tenant_policy.change": lambda _: Sample({"limits": {"WALLET_TOP_UP": 30}}),
    "tenant_policy.policy": nothing,
    "tenant_policy.remove_limit": lambda _: Sample(path={"operation": "WALLET_TOP_UP"}),
    "tenant_policy.set_limit": lambda _: Sample(
        {"operation": "WALLET_TOP_UP", "limit": "30", "every": "1", "unit": "minute"}
    ),
    "tenant_policy.set_realtime": lambda _: Sample({"enabled": "true"}),
    "tenant_policy.set_writing": lambda _: Sample({"enabled": "true"}),
    "tenancy.catalog": nothing,
    "tenancy.change_settings": lambda _: Sample(SETTINGS),
    "tenancy.exists": lambda shop: Sample({"merchantId": shop.merchant_id}),
    "tenancy.save_settings": lambda _: Sample(SETTINGS),
    "migration.abandon": lambda _: Sample(refused=409),
    "migration.cutover": lambda _: Sample({"note": "a note"}, refused=400),
    "migration.preflight": nothing,
    "migration.prepare": lambda _: Sample(refused=400),
    "migration.rollback": lambda _: Sample(refused=400),
    "migration.status": nothing,
    "migration.step": lambda _: Sample({"step": "DISABLE_WS", "note": "a note"}),
    "migration.verify": lambda _: Sample(refused=409),
    "migration.waive_rollback": lambda _: Sample(refused=409),
    "tenancy.settings": nothing,
    "top_ups.top_ups": _some,
    "top_ups.top_ups_csv": _some,
    "wallet.add_top_up_rule": lambda _: Sample({"fromAmount": 50, "bonus": 5, "validDays": 9}),
    "wallet.customer": lambda shop: Sample(path={"user_id": shop.customer}),
    "wallet.grant_voucher": lambda shop: Sample(VOUCHER, {"user_id": shop.customer}, "k-gift"),
    "moving_in.move": lambda shop: Sample(
        path={"user_id": shop.customer}, key="k-move", refused=409
    ),
    "moving_in.move_all": lambda _: Sample(refused=409),
    "wallet.remove_top_up_rule": lambda shop: Sample(path=_rule(shop)),
    "wallet.top_up": lambda shop: Sample(_top_up(shop), {"user_id": shop.customer}, "k-top-up"),
    "tasks.clear": nothing,
    "tasks.create": _new_task,
    "tasks.delete": lambda shop: Sample(path=_task(shop)),
    "tasks.delete_completed": nothing,
    "tasks.remove": lambda shop: Sample(path=_task(shop)),
    "tasks.retry": lambda shop: Sample(path=_task(shop, TaskStatus.FAILED)),
    "tasks.task": lambda shop: Sample(path=_task(shop)),
    "tasks.tasks": lambda _: Sample({"limit": "5", "status": "all"}),
    "tasks.tasks_csv": nothing,
    "wallet.top_up_preview": lambda shop: Sample({"amount": "5"}, {"user_id": shop.customer}),
    "wallet.top_up_rules": nothing,
    "webhooks.stripe": _stripe_event,
    "webhooks.stripe_plainly": _stripe_event,
    "workers.claim": nothing,
    "workers.complete": _claimed,
}


def sample_of(endpoint: Endpoint, shop: Shop) -> Sample:
    """What `shop` would send. Some make what they need first, so ask again for each request."""
    make = SAMPLES.get(endpoint.full_name)
    assert make, f"add {endpoint.full_name} to tests/web/samples.py: one request that succeeds"
    return make(shop)


def credentials_of(endpoint: Endpoint, shop: Shop) -> dict[str, str]:
    """Headers of the mightiest person of the shop who may call it; none where nobody need be."""
    roles = endpoint.roles
    if roles is None:
        return {}
    for role in (Role.OWNER, Role.MANAGER, Role.CLERK, Role.CUSTOMER):
        if role in roles:
            return bearer(shop.tokens[role])
    if Role.OPERATOR in roles:
        current_app.config["SETTINGS"].admin_api_key = OPERATOR_KEY
        return {"X-Api-Key": OPERATOR_KEY}
    assert Role.APPLICANT in roles, f"who may call {endpoint.full_name}?"
    return bearer(applicant_token(NEW_PHONE))


def url_of(endpoint: Endpoint, face: Face, sample: Sample) -> str:
    rule = dict(endpoint.urls)[face]
    for name, value in sample.path.items():
        rule = rule.replace(f"<{name}>", value)
    return rule


def send(
    client: Client,
    endpoint: Endpoint,
    face: Face,
    sample: Sample,
    shop: Shop,
    *,
    headers: dict[str, str] | None = None,
) -> TestResponse:
    """Send a sample as an app (JSON) or as a browser's form; `headers` in place of the shop's."""
    sent = headers_of(endpoint, sample, shop) if headers is None else with_key(sample, headers)
    if not endpoint.mutates:
        options: dict[str, Any] = {"query_string": sample.fields}
    elif face is Face.API:
        body = json.dumps(sample.fields).encode()
        sent |= signature_of(endpoint, client, body)
        options = {"data": body, "content_type": "application/json"}
    else:
        form = dict(sample.fields)
        if "Authorization" not in sent:
            form["csrf_token"] = client.csrf()
        options = {"data": form}
    url = url_of(endpoint, face, sample)
    return client.open(url, method=endpoint.method, headers=sent, **options)


def headers_of(endpoint: Endpoint, sample: Sample, shop: Shop) -> dict[str, str]:
    return with_key(sample, credentials_of(endpoint, shop))


def with_key(sample: Sample, headers: dict[str, str]) -> dict[str, str]:
    return headers | ({"Idempotency-Key": sample.key} if sample.key else {})


def signature_of(endpoint: Endpoint, client: Client, body: bytes) -> dict[str, str]:
    """What proves the sender of a message to a signed route; nothing for other routes."""
    if endpoint.signed is None:
        return {}
    if endpoint.feature == "webhooks":
        client.application.config["STRIPE_WEBHOOK_SECRETS"] = (SECRET,)
        return {endpoint.signed.header: sign(body, SECRET)}
    settings = client.application.config["SETTINGS"]
    return {endpoint.signed.header: gateway.signature(settings, body)}


FACES = [(endpoint, face) for endpoint in ENDPOINTS for face, _ in endpoint.urls]
NAMES = [f"{endpoint.full_name}-{face.value}" for endpoint, face in FACES]
NAME_OF = dict(zip(FACES, NAMES, strict=True))


def cases(faces: Iterable[Declared]) -> list[Any]:
    """A test case for each face."""
    return [pytest.param(*each, id=NAME_OF[each]) for each in faces]


def readers(faces: Iterable[Declared]) -> list[Any]:
    """A test case for each feature: what it lets people read, which can share a shop."""
    found: dict[str, list[Declared]] = {}
    for endpoint, face in faces:
        if not endpoint.mutates:
            found.setdefault(endpoint.full_name.partition(".")[0], []).append((endpoint, face))
    return [pytest.param(each, id=feature) for feature, each in found.items()]


def writers(faces: Iterable[Declared]) -> list[Any]:
    """A test case for each face of what changes something, and needs a shop of its own."""
    return cases(each for each in faces if each[0].mutates)
