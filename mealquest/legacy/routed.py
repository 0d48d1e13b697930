"""Merchants that the old server had moved into snapshots of their own.

Their data are there and no longer in the main document, except for what the old server never moved:
chats, idempotency keys, applications for a contract, and the policy.
"""

from collections.abc import Callable
from dataclasses import replace

from mealquest.legacy.entities import Shop
from mealquest.legacy.notes import Notes
from mealquest.legacy.snapshot import Document, Shops, opened, shops_of
from mealquest.legacy.source import Row

INLINE = "inline:"


def merge(main: Document, shops: Shops, read: Callable[[str], Row | None], notes: Notes) -> Shops:
    """The shops, each from where the old server kept it."""
    return {
        merchant_id: _from_own(shop, main.routes.get(merchant_id), read, notes)
        for merchant_id, shop in shops.items()
    }


def _from_own(shop: Shop, key: str | None, read: Callable[[str], Row | None], notes: Notes) -> Shop:
    if not key:
        return shop
    merchant_id = shop.merchant.id
    if key.startswith(INLINE):
        notes.problem(merchant_id, "it was moved into the memory of the old server, which is gone")
        return shop
    row = read(key)
    state = opened(row.payload) if row else None
    if state is None:
        notes.problem(merchant_id, f"it was moved to snapshot {key!r}, which is not there")
        return shop
    own = shops_of(Document(key, state, notes)).get(merchant_id)
    if own is None:
        notes.warn(merchant_id, f"snapshot {key!r} does not have it: the main one is taken")
        return shop
    notes.warn(merchant_id, f"its data are taken from snapshot {key!r}, where it was moved to")
    chats = {chat.id: chat for chat in (*shop.chats, *own.chats)}
    keys = {(one.route, one.key): one for one in (*shop.keys, *own.keys)}
    return replace(
        own,
        chats=list(chats.values()),
        keys=list(keys.values()),
        contract=own.contract or shop.contract,
        policy=shop.policy or own.policy,
    )
