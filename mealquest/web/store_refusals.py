"""As `web.refusals`, of alliances, what stores owe each other, and moves between databases."""

from typing import Any

from flask_babel import lazy_gettext

STORES: dict[str, Any] = {
    # alliances
    "store is required": lazy_gettext("Enter the store’s id or its exact name."),
    "there is no invitation from this store": lazy_gettext(
        "This store does not invite you, or no longer does."
    ),
    "the invitation has changed since it was shown, look at it again": lazy_gettext(
        "The invitation has changed since you looked. Read what it says now, then decide."
    ),
    "there is no such store in the alliance": lazy_gettext(
        "This store is not on your list any more."
    ),
    "several stores have this name, use the id": lazy_gettext(
        "Several stores have this name. Ask the owner for the store’s id."
    ),
    "a store cannot invite itself": lazy_gettext("This is your own store."),
    "other stores of the alliance are being changed, try again": lazy_gettext(
        "The other stores are being changed at this moment. Try again."
    ),
    "currency cannot change while a wallet is shared": lazy_gettext(
        "The currency cannot change while the store shares wallets with another one."
    ),
    "stores must be a list of store ids": lazy_gettext("Name the stores by their ids."),
    "the stores lie in different databases, ask your operator": lazy_gettext(
        "The two stores lie in different databases. Ask whoever runs this installation."
    ),
    # wallets that stores share
    "the store that keeps this wallet is read-only at the moment": lazy_gettext(
        "The store that keeps this wallet is frozen at the moment. Take the money another way."
    ),
    "this store keeps its wallets itself: there is no other to move into": lazy_gettext(
        "This shop keeps its wallets itself. There is no other wallet to move the balance into."
    ),
    "nothing is free in this store's own wallet of the customer": lazy_gettext(
        "Nothing in this shop’s own wallet of the customer can be moved."
    ),
    "the stores that share this wallet keep different currencies": lazy_gettext(
        "The stores that share this wallet keep different currencies. Take the money another way."
    ),
    "this would pass the limit of what stores that share a wallet may owe each other:"
    " take the money another way, or settle between the stores first": lazy_gettext(
        "Nothing was taken. The stores would owe each other more than their limit allows. Take"
        " cash or a card, or ask the owner to settle with the other store first."
    ),
    # settling between stores
    "this store owes you nothing: only the store that is owed can settle": lazy_gettext(
        "This store owes you nothing. Only the store that is owed can note a payment."
    ),
    "amount exceeds what the store owes": lazy_gettext("That is more than the store owes."),
    "there is nothing between you and this store": lazy_gettext(
        "There is nothing to settle with this store."
    ),
    "kind must be PAID or WRITTEN_OFF": lazy_gettext("Choose what happened."),
    "limit must be an amount, or null for none": lazy_gettext(
        "Enter an amount, or leave the field empty for no limit."
    ),
    # moving to another database
    "merchant has no dedicated route": lazy_gettext("This shop has no database of its own."),
    "merchant has its own database already": lazy_gettext(
        "This shop has its own database already."
    ),
    "no migration is under way": lazy_gettext("No move is under way."),
    "another step of this migration is being taken, try again": lazy_gettext(
        "Another step of this move is being taken at this moment. Try again."
    ),
    "rollback snapshot verify failed": lazy_gettext(
        "The two sides differ, so the shop stays in its own database. Nothing was changed."
    ),
    "merchant has no dedicated route: cut over first": lazy_gettext(
        "This shop has no database of its own yet. Switch over first."
    ),
    "merchant has its own database: roll back first": lazy_gettext(
        "This shop works in its own database. Go back first."
    ),
}
