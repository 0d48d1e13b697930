"""What alliances take in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from mealquest.alliance.domain import Act
from mealquest.core.paging import ListForm, OptionalDay, OptionalText
from mealquest.core.wire import Flag, Input, Key, Str, refuse

MOST_STORES = 50
NAME_LENGTH = 64


def _listed(value: Any, info: ValidationInfo) -> Any:
    """Ids in their order, each once. A form sends lines, or words between commas."""
    if isinstance(value, str) and (info.context or {}).get("form"):
        value = value.replace(",", "\n").split("\n")
    if value is None:
        return []
    if not isinstance(value, list) or any(not isinstance(one, str) for one in value):
        raise refuse("stores must be a list of store ids")
    found = list(dict.fromkeys(stripped for one in value if (stripped := one.strip())))
    if len(found) > MOST_STORES:
        raise refuse(f"stores must name at most {MOST_STORES} stores")
    return found


def _absent(value: Any) -> Any:
    return None if value == "" else value


Stores = Annotated[list[Annotated[Str, Field(max_length=200)]], BeforeValidator(_listed)]
OptionalFlag = Annotated[Flag | None, BeforeValidator(_absent)]


class ConfigForm(Input):
    """What is left out, or empty, stays as it is."""

    cluster_id: Annotated[Str, Field(max_length=64)] | None = None
    stores: Stores = Field(default_factory=list)
    wallet_shared: OptionalFlag = None
    tier_shared: OptionalFlag = None


class ConfigPageForm(ConfigForm):
    """The console's form, whose switches are off when they are not sent.

    `first`: one of the list's stores, which is to stand first and so keep the wallets.
    """

    first: OptionalText = None

    @model_validator(mode="before")
    @classmethod
    def _off_is_not_sent(cls, sent: dict[str, Any]) -> dict[str, Any]:
        return {"walletShared": False, "tierShared": False} | sent


class InviteForm(Input):
    """A store by its id, or by its exact name."""

    store: Annotated[Str, Field(min_length=1, max_length=NAME_LENGTH)]
    wallet_shared: Flag = False

    @model_validator(mode="before")
    @classmethod
    def _somebody_is_named(cls, sent: dict[str, Any]) -> dict[str, Any]:
        value = sent.get("store")
        if value is None or (isinstance(value, str) and not value.strip()):
            raise refuse("store is required")
        return sent


class PartnerForm(Input):
    partner_id: Key


class AcceptForm(PartnerForm):
    """`wallet_merchant_id`: who would keep the wallets, as it was shown to whoever accepts."""

    wallet_merchant_id: OptionalText = None


class LeaveForm(Input):
    """Without a partner: the whole alliance."""

    partner_id: OptionalText = None


class SyncForm(Input):
    """`stores`: only to these of the alliance's stores; none named: to all."""

    user_id: Key
    stores: Stores = Field(default_factory=list)

    @model_validator(mode="before")
    @classmethod
    def _both_are_needed(cls, sent: dict[str, Any]) -> dict[str, Any]:
        value = sent.get("userId", sent.get("user_id"))
        if value is None or (isinstance(value, str) and not value.strip()):
            raise refuse("merchantId and userId are required")
        return sent


class SyncPageForm(Input):
    """What the page to copy a customer may be opened with."""

    user_id: OptionalText = None
    query: OptionalText = None


class ActsForm(ListForm):
    """Filters of the history; the days are the merchant's."""

    partner_id: OptionalText = None
    act: Annotated[Act | None, BeforeValidator(_absent)] = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None
