"""The old server as far as its state goes: what it did to its document, floats and gaps too."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

STORE, BISTRO = "m_store_001", "m_bistro"
PARTS = ("voucher", "bonus", "principal", "silver", "external")


def js_round(amount: float) -> float:
    """`Math.round(x * 100) / 100`."""
    return math.floor(amount * 100 + 0.5) / 100


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:23] + "Z"


class OldServer:
    """Payments, refunds and gifts by the old rules; `now` goes on by a minute with each."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.count = 1000
        self.state: dict[str, Any] = {
            "idCounters": {"payment": 1},
            "merchants": {},
            "merchantUsers": {},
            "paymentsByMerchant": {},
            "invoicesByMerchant": {},
            "partnerOrders": {},
            "strategyConfigs": {},
            "strategyChats": {},
            "allianceConfigs": {},
            "phoneLoginCodes": {},
            "socialAuth": {"customerBindingsByMerchant": {}, "customerPhoneBindingsByMerchant": {}},
            "contractApplications": {},
            "tenantPolicies": {},
            "tenantMigrations": {},
            "idempotencyMap": {},
            "ledger": [],
            "auditLogs": [],
            "campaigns": {},
            "proposals": {},
        }

    def document(self) -> str:
        return json.dumps(self.state)

    def next(self, prefix: str) -> str:
        self.count += 1
        self.now += timedelta(minutes=1)
        return f"{prefix}_{int(self.now.timestamp() * 1000)}_{self.count}"

    # --- who there is ---------------------------------------------------------------------

    def open(self, merchant_id: str, name: str, cap: int, phone: str | None = None) -> None:
        roles = {"owner": "OWNER", "manager": "MANAGER", "clerk": "CLERK"}
        self.state["merchants"][merchant_id] = {
            "merchantId": merchant_id,
            "name": name,
            "killSwitchEnabled": False,
            "budgetCap": cap,
            "budgetUsed": 0,
            "staff": [{"uid": f"staff_{who}", "role": role} for who, role in roles.items()],
            "onboardedAt": iso(self.now),
            "ownerPhone": phone,
        }
        for kind in ("merchantUsers", "paymentsByMerchant"):
            self.state[kind][merchant_id] = {}
        for kind in ("invoicesByMerchant", "campaigns", "proposals"):
            self.state[kind][merchant_id] = []

    def add(self, merchant_id: str, uid: str, wallet: tuple[float, float, float]) -> dict[str, Any]:
        user = {
            "uid": uid,
            "displayName": f"Guest {uid}",
            "wallet": dict(zip(("principal", "bonus", "silver"), wallet, strict=True)),
            "tags": ["REGULAR"],
            "fragments": {"spicy": 1, "noodle": 2},
            "vouchers": [],
        }
        self.state["merchantUsers"][merchant_id][uid] = user
        return user

    def give(
        self, user: dict[str, Any], voucher_id: str, value: float, days: float | None, **more: Any
    ) -> None:
        voucher = {
            "id": voucher_id,
            "type": "ITEM_WARRANT",
            "name": "Braised Beef",
            "value": value,
            "minSpend": 0,
            "status": "ACTIVE",
        }
        if days is not None:
            voucher["expiresAt"] = iso(self.now + timedelta(days=days))
        user["vouchers"].append(voucher | more)

    def bind(self, merchant_id: str, uid: str, phone: str, openid: str) -> None:
        seen = {
            "userId": uid,
            "phone": phone,
            "linkedAt": iso(self.now),
            "lastLoginAt": iso(self.now),
        }
        social = self.state["socialAuth"]
        phones = social["customerPhoneBindingsByMerchant"].setdefault(merchant_id, {})
        phones[f"PHONE:{phone}"] = dict(seen)
        names = social["customerBindingsByMerchant"].setdefault(merchant_id, {})
        names[f"WECHAT_MINIAPP:{openid}"] = {
            "provider": "WECHAT_MINIAPP",
            "subject": openid,
            "unionId": None,
            **seen,
        }

    # --- money ----------------------------------------------------------------------------

    def quote(self, user: dict[str, Any], order: float) -> dict[str, Any]:
        now = iso(self.now)
        usable = [
            one
            for one in user["vouchers"]
            if one["status"] == "ACTIVE"
            and one.get("expiresAt", "") > now
            and order >= one["minSpend"]
        ]
        chosen = min(usable, key=lambda one: (one["expiresAt"], -one["value"]), default=None)
        taken = {"voucher": min(order, chosen["value"]) if chosen else 0}
        left = js_round(order - taken["voucher"])
        for bucket in ("bonus", "principal", "silver"):
            taken[bucket] = min(left, user["wallet"][bucket])
            left = js_round(left - taken[bucket])
        wallet = user["wallet"]
        return {
            "orderAmount": order,
            "selectedVoucher": dict(chosen) if chosen else None,
            "deduction": taken | {"external": left},
            "payable": left,
            "remainingWallet": {name: js_round(wallet[name] - taken[name]) for name in wallet},
        }

    def pay(
        self, merchant_id: str, uid: str, order: float, key: str, by: str = "staff_clerk"
    ) -> dict[str, Any]:
        user = self.state["merchantUsers"][merchant_id][uid]
        payment_id, quote = self.next("txn"), self.quote(user, order)
        payment = {
            "paymentTxnId": payment_id,
            "merchantId": merchant_id,
            "userId": uid,
            "status": "PAID",
            "orderAmount": order,
            "deduction": quote["deduction"],
            "quote": quote,
            "refundedAmount": 0,
            "externalPayment": None,
            "createdAt": iso(self.now),
        }
        self.state["paymentsByMerchant"][merchant_id][payment_id] = payment
        scope = {"walletShared": False, "walletMerchantId": merchant_id}
        answer = {"paymentTxnId": payment_id, "quote": quote, "walletScope": scope}
        if quote["payable"] == 0:
            self._settle(payment)
            self._row("PAYMENT", payment, payment_id, order, {"quote": quote})
            answer |= {"status": "PAID", "wallet": dict(user["wallet"])}
        else:
            payment["status"] = "PENDING_EXTERNAL"
            payment["externalPayment"] = {
                "provider": "MOCK_GATEWAY",
                "paymentIntentId": self.next("pi"),
                "payableAmount": quote["payable"],
                "status": "PENDING",
                "externalTxnId": None,
                "confirmedAt": None,
            }
            asked = dict(payment["externalPayment"])
            details = {"quote": quote, "externalPayment": asked}
            self._row("PAYMENT_PENDING", payment, self.next("txn"), order, details)
            answer |= {"status": "PENDING_EXTERNAL", "externalPayment": asked}
        self.state["idempotencyMap"][f"verify:{merchant_id}:{key}"] = answer
        told = {"paymentTxnId": payment_id, "userId": uid, "orderAmount": order}
        self.audit(merchant_id, "PAYMENT_VERIFY", by, told)
        return payment

    def callback(self, payment: dict[str, Any], status: str = "SUCCESS") -> None:
        outside = payment["externalPayment"]
        outside["confirmedAt"] = iso(self.now)
        answer = {"paymentTxnId": payment["paymentTxnId"], "externalPayment": outside}
        if status == "SUCCESS":
            outside |= {"status": "CONFIRMED", "externalTxnId": self.next("ext")}
            self._settle(payment)
            details = {
                "paymentTxnId": payment["paymentTxnId"],
                "externalTxnId": outside["externalTxnId"],
            }
            row_id, paid = self.next("txn"), payment["deduction"]["external"]
            self._row("PAYMENT_EXTERNAL_CONFIRM", payment, row_id, paid, details)
        else:
            outside["status"] = "FAILED"
        payment["status"] = "PAID" if status == "SUCCESS" else "EXTERNAL_FAILED"
        key = f"callback:{payment['merchantId']}:cb_{payment['paymentTxnId']}"
        self.state["idempotencyMap"][key] = answer | {"status": payment["status"]}

    def _settle(self, payment: dict[str, Any]) -> None:
        merchant_id, quote = payment["merchantId"], payment["quote"]
        user = self.state["merchantUsers"][merchant_id][payment["userId"]]
        user["wallet"] = dict(quote["remainingWallet"])
        chosen = quote["selectedVoucher"]
        for voucher in user["vouchers"]:
            if chosen and voucher["id"] == chosen["id"]:
                voucher["status"] = "USED"
                break
        merchant = self.state["merchants"][merchant_id]
        used = merchant["budgetUsed"] + quote["deduction"]["voucher"]
        merchant["budgetUsed"] = js_round(used)

    def refund(self, payment: dict[str, Any], amount: float, key: str) -> dict[str, Any]:
        """All of it comes back as principal; the gifted share is taken off bonus, then off that."""
        merchant_id = payment["merchantId"]
        wallet = self.state["merchantUsers"][merchant_id][payment["userId"]]["wallet"]
        target = js_round(payment["deduction"]["bonus"] * amount / payment["orderAmount"])
        from_bonus = min(wallet["bonus"], amount, target)
        from_principal = js_round(min(amount, target) - from_bonus)
        wallet["principal"] = js_round(wallet["principal"] + amount - from_principal)
        wallet["bonus"] = js_round(wallet["bonus"] - from_bonus)
        payment["refundedAmount"] = js_round(payment["refundedAmount"] + amount)
        clawback = {"reclaimTarget": min(amount, target), "fromBonus": from_bonus}
        clawback["fromPrincipal"] = from_principal
        refund_id, payment_id = self.next("txn"), payment["paymentTxnId"]
        details = {"paymentTxnId": payment_id, "clawback": clawback}
        self._row("REFUND", payment, refund_id, amount, details)
        answer = {
            "refundTxnId": refund_id,
            "paymentTxnId": payment_id,
            "refundedAmount": amount,
            "wallet": dict(wallet),
            "clawback": clawback,
            "walletScope": {"walletShared": False, "walletMerchantId": merchant_id},
        }
        self.state["idempotencyMap"][f"refund:{merchant_id}:{key}"] = answer
        told = {"paymentTxnId": payment_id, "refundTxnId": refund_id, "refundAmount": amount}
        self.audit(merchant_id, "PAYMENT_REFUND", "staff_manager", told)
        return answer

    def _row(
        self, kind: str, payment: dict[str, Any], row_id: str, amount: float, details: Any
    ) -> None:
        self.state["ledger"].append(
            {
                "txnId": row_id,
                "merchantId": payment["merchantId"],
                "userId": payment["userId"],
                "type": kind,
                "amount": amount,
                "details": details,
                "timestamp": iso(self.now),
            }
        )

    # --- papers ---------------------------------------------------------------------------

    def audit(self, merchant_id: str, action: str, by: str, details: dict[str, Any]) -> None:
        self.state["auditLogs"].append(
            {
                "auditId": self.next("audit"),
                "timestamp": iso(self.now),
                "merchantId": merchant_id,
                "action": action,
                "status": "SUCCESS",
                "role": "CLERK",
                "operatorId": by,
                "details": details,
            }
        )

    def invoice(self, payment: dict[str, Any], title: str) -> str:
        number = f"INV{self.count}0001"
        self.state["invoicesByMerchant"][payment["merchantId"]].append(
            {
                "invoiceNo": number,
                "merchantId": payment["merchantId"],
                "userId": payment["userId"],
                "paymentTxnId": payment["paymentTxnId"],
                "amount": payment["orderAmount"],
                "title": title,
                "taxNo": "91310000",
                "email": "guest@example.com",
                "status": "ISSUED",
                "issuedAt": iso(self.now),
            }
        )
        return number
