"""Stores that share wallets, agreed as their owners would agree."""

from mealquest.alliance.forms import ConfigForm
from mealquest.alliance.setting import set_config
from tests.factories.requests import OWNER


def share(*stores: str) -> None:
    """Each store lists all of them in this order: the first one keeps the wallets."""
    for store in stores:
        list_stores(store, *stores)


def list_stores(store: str, *stores: str) -> None:
    """What its owner sets; it takes effect with those that list the store too."""
    set_config(store, ConfigForm(stores=list(stores), wallet_shared=True), OWNER)


def leave(store: str) -> None:
    """From now on it lists nobody but itself."""
    set_config(store, ConfigForm(stores=[store], wallet_shared=False), OWNER)
