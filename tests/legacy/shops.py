"""Two merchants of the old server, out of the demo data both servers know, after a busy day."""

from datetime import timedelta

from mealquest.core.clock import utc_now
from tests.legacy.old_server import BISTRO, STORE, OldServer, iso

OWNER_PHONE, GUEST_PHONE = "+8613900000000", "+8613700000001"
PENDING_ORDER = 500.0


def busy_day() -> OldServer:
    """What is in it is counted by the tests."""
    old = OldServer(utc_now() - timedelta(hours=8))
    old.open(STORE, "Fixture Merchant", 300, OWNER_PHONE)
    old.open(BISTRO, "Bistro Harbor", 220)
    guest = old.add(STORE, "u_fixture_001", (120, 36, 88))
    old.give(guest, "voucher_soon", 18, 1)
    old.give(guest, "voucher_big", 30, 3, type="NO_THRESHOLD_VOUCHER", minSpend=20)
    old.bind(STORE, "u_fixture_001", GUEST_PHONE, "openid_1")
    friend = old.add(STORE, "u_fixture_002", (40.1, 8.35, 52))
    for guest_too in (friend, friend):  # a campaign's gift: one id, no end
        old.give(guest_too, "voucher_campaign", 5, None)
    bistro = old.add(BISTRO, "u_fixture_001", (80, 12, 36))
    old.give(bistro, "bistro_voucher_soon", 10, 2 / 24)
    _spend(old)
    _leave(old)
    _plans(old)
    return old


def _spend(old: OldServer) -> None:
    first = old.pay(STORE, "u_fixture_001", 52, "key-52")  # 18 voucher, 34 bonus
    old.refund(first, 20, "refund-20")
    old.invoice(first, "Guest & Sons")
    second = old.pay(STORE, "u_fixture_002", 33.3, "key-33")
    old.invoice(second, "Friend")
    failed = old.pay(BISTRO, "u_fixture_001", 200, "key-200")
    old.callback(failed, "FAILED")
    paid = old.pay(BISTRO, "u_fixture_001", 300.5, "key-300")
    old.callback(paid)
    old.pay(STORE, "u_fixture_001", PENDING_ORDER, "key-500")  # waits


def _leave(old: OldServer) -> None:
    """One was erased by the owner, one closed the account after paying."""
    erased = old.add(STORE, "u_erased", (7.5, 0, 0))
    erased |= {"displayName": "ANONYMIZED_u_erased", "tags": [], "fragments": {}}
    erased |= {"isDeleted": True, "deletedAt": iso(old.now)}
    old.add(STORE, "u_gone", (9, 0, 0))
    paid = old.pay(STORE, "u_gone", 9, "key-gone")
    anonymous = f"DELETED_{STORE}_u_gone"
    paid["userId"] = anonymous
    old.state["ledger"][-1]["userId"] = anonymous
    del old.state["merchantUsers"][STORE]["u_gone"]


def _plans(old: OldServer) -> None:
    story = {"templateId": "tpl_rain", "narrative": "Soup", "assets": [], "triggers": []}
    old.state["campaigns"][STORE] = [
        {
            "id": "campaign_welcome",
            "merchantId": STORE,
            "name": "Welcome",
            "status": "ACTIVE",
            "priority": 20,
            "trigger": {"event": "USER_ENTER_SHOP"},
            "conditions": [{"field": "isNewUser", "op": "eq", "value": True}],
            "budget": {"cap": 80, "used": 16, "costPerHit": 8},
            "action": {"type": "STORY_CARD", "story": story},
        }
    ]
    suggested = {
        "id": "campaign_rainy_hot_soup",
        "merchantId": STORE,
        "name": "Rainy Day Hot Soup",
        "status": "ACTIVE",
        "priority": 90,
        "trigger": {"event": "WEATHER_CHANGE"},
        "conditions": [{"field": "weather", "op": "eq", "value": "RAIN"}],
        "budget": {"cap": 60, "used": 0, "costPerHit": 12},
        "action": {"type": "STORY_CARD", "story": story},
        "ttlUntil": iso(old.now + timedelta(hours=4)),
    }
    meta = {"templateId": "activation_contextual_drop", "branchId": "COMFORT"}
    old.state["proposals"][STORE] = [
        {
            "id": "proposal_rainy",
            "merchantId": STORE,
            "status": "PENDING",
            "title": "Rainy Day Promotion",
            "createdAt": iso(old.now),
            "intent": "sell soup",
            "strategyMeta": {**meta, "operatorId": "staff_owner", "confidence": 0.8},
            "suggestedCampaign": suggested,
        }
    ]
    old.state["strategyConfigs"][STORE] = {
        "activation_contextual_drop": {
            "templateId": "activation_contextual_drop",
            "branchId": "COMFORT",
            "status": "PENDING_APPROVAL",
            "lastProposalId": "proposal_rainy",
            "updatedAt": iso(old.now),
        }
    }
    old.state["strategyChats"][STORE] = {
        "sessionId": "sc_1_a",
        "merchantId": STORE,
        "status": "ACTIVE",
        "messageSeq": 2,
        "pendingProposalId": "proposal_rainy",
        "createdBy": "staff_owner",
        "createdAt": iso(old.now),
        "updatedAt": iso(old.now),
        "messages": [
            {"messageId": "msg_sc_1_a_1", "role": "SYSTEM", "type": "TEXT", "text": "Hello"},
            {
                "messageId": "msg_sc_1_a_2",
                "role": "ASSISTANT",
                "type": "PROPOSAL_CARD",
                "text": "Soup?",
                "proposalId": "proposal_rainy",
                "metadata": {"proposalId": "proposal_rainy"},
                "createdAt": iso(old.now),
            },
        ],
    }
    old.state["partnerOrders"] = {
        "partner_coffee:ext_order_1001": {
            "partnerId": "partner_coffee",
            "orderId": "ext_order_1001",
            "amount": 38,
            "status": "paid",
            "paidAt": iso(old.now),
        }
    }
    old.state["contractApplications"][STORE] = {
        "companyName": "Fixture Ltd",
        "licenseNo": "91310000X",
        "settlementAccount": "6222000011112222",
        "contactPhone": "+8613911111111",
        "notes": "",
        "status": "PENDING_REVIEW",
        "submittedAt": iso(old.now),
    }
    old.state["tenantPolicies"][BISTRO] = {"limits": {"PAYMENT_VERIFY": 40}}
    both = {"clusterId": "cluster_fixture_brand", "stores": [STORE, BISTRO]}
    for merchant_id in (STORE, BISTRO):
        shared = {"walletShared": False, "tierShared": False}
        old.state["allianceConfigs"][merchant_id] = {**both, **shared, "merchantId": merchant_id}
    old.audit(STORE, "CONTRACT_APPLY", "staff_owner", {"contactPhone": "+8613911111111"})
