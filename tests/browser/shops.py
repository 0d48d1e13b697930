"""Shops to test with, set up and looked into through the API."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import uuid4

import httpx

from tests.product.running import Product

_phones = count(1)


def new_phone() -> str:
    return f"+8615{next(_phones):09}"


@dataclass
class Shop:
    """A shop and its owner's API client."""

    merchant_id: str
    phone: str
    api: httpx.Client
    people: dict[str, str] = field(default_factory=dict)  # phones of customers

    def add_customer(self, name: str, **funds: float) -> str:
        """The id of a new customer; funds: `amount` paid in and the `bonus` on it."""
        phone = new_phone()
        found = self._post("/api/customers", {"phone": phone, "displayName": name})
        self.people[found["uid"]] = phone
        if funds:
            self._post(
                "/api/wallet/top-ups",
                {"userId": found["uid"], "method": "CASH", **funds},
            )
        return found["uid"]

    def wallet(self, user_id: str) -> dict[str, Any]:
        wallet = self._get(f"/api/customers/{user_id}")["wallet"]
        return {name: wallet[name] for name in ("principal", "bonus", "silver")}

    def payments(self) -> list[dict[str, Any]]:
        return self._get("/api/payments")["items"]

    def amounts_taken(self) -> list[float]:
        return [payment["orderAmount"] for payment in self.payments()]

    def _get(self, path: str) -> dict[str, Any]:
        return self.api.get(path).raise_for_status().json()

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.api.post(path, json=body, headers={"Idempotency-Key": uuid4().hex})
        return answer.raise_for_status().json()


def open_shop(product: Product, *, with_guests: bool = False) -> Shop:
    merchant_id, phone = f"m_{uuid4().hex[:12]}", new_phone()
    api = httpx.Client(base_url=product.url, timeout=15)
    shop = {"merchantId": merchant_id, "name": "Noodle House", "ownerPhone": phone}
    api.post("/api/merchant/onboard", json=shop | {"seedDemoUsers": with_guests}).raise_for_status()
    api.headers["Authorization"] = f"Bearer {token_of(api, phone)}"
    return Shop(merchant_id, phone, api)


def token_of(api: httpx.Client, phone: str) -> str:
    api.post("/api/auth/merchant/request-code", json={"phone": phone}).raise_for_status()
    sent = api.get("/dev/outbox", headers={"Accept": "application/json"}).json()["items"]
    code = next(item for item in sent if item["to"] == phone)["text"][:6]
    login = {"phone": phone, "code": code}
    return api.post("/api/auth/merchant/phone-login", json=login).raise_for_status().json()["token"]
