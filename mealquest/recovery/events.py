"""An event of Stripe's, as far as recovery reads it, and what is kept of one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from mealquest.core.clock import utc_now
from mealquest.recovery.gateway import id_of, subscription_of

BIGGEST = 2**53  # of any number that is read: exact in JSON, and PostgreSQL has room for it
LONGEST_ID = 255
# Of the object an event is about: what routing reads, and nothing that names a person.
_COUNTED = {
    "amount_due",
    "amount_remaining",
    "amount_paid",
    "amount_paid_off_stripe",
    "attempt_count",
    "next_payment_attempt",
    "created",
}
_WORDS = {"currency", "billing_reason", "status", "hosted_invoice_url"}
_KEPT = _COUNTED | _WORDS | {"id", "object", "paid_out_of_band"}


class NotAnEvent(ValueError):
    """A genuine body that is no event of Stripe's."""


@dataclass(frozen=True, slots=True)
class Event:
    """A genuine event. `about` is its `data.object`."""

    id: str
    type: str
    account: str | None
    livemode: bool
    created: datetime
    about: Mapping[str, Any]

    @classmethod
    def of(cls, said: Any) -> Self:
        """NotAnEvent when it lacks what every event has, or has it in another shape."""
        data = said.get("data") if isinstance(said, Mapping) else None
        about = data.get("object") if isinstance(data, Mapping) else None
        if not (isinstance(about, Mapping) and isinstance(said, Mapping)):
            raise NotAnEvent("an event has data.object")
        if not (_is_name(said.get("id")) and _is_name(said.get("type"))):
            raise NotAnEvent("an event has an id and a type")
        account = said.get("account") or None
        if account is not None and not _is_name(account):
            raise NotAnEvent("the account of an event is an id")
        _require_shape(str(said["type"]), about)
        return cls(
            id=said["id"],
            type=said["type"],
            account=account,
            livemode=said.get("livemode") is True,
            created=_moment(said.get("created")),
            about=about,
        )

    def kept(self) -> dict[str, Any]:
        """What `of` makes the same event of again, for all that recovery does with it."""
        about = {name: value for name, value in self.about.items() if name in _KEPT}
        about["customer"] = id_of(self.about.get("customer"))
        about["subscription"] = subscription_of(self.about)
        return {
            "id": self.id,
            "type": self.type,
            "account": self.account,
            "livemode": self.livemode,
            "created": int(self.created.timestamp()),
            "data": {"object": about},
        }


def _require_shape(event_type: str, about: Mapping[str, Any]) -> None:
    """NotAnEvent: sent again it would be the same, so that failing over it helps nobody."""
    if event_type.startswith(("invoice.", "customer.subscription.")) and not _is_name(
        about.get("id")
    ):
        raise NotAnEvent("data.object has an id")
    for name in sorted(_COUNTED):
        number = about.get(name)
        if number is not None and not _is_whole(number):
            raise NotAnEvent(f"{name} is a whole number")
    for name in sorted(_WORDS):
        text = about.get(name)
        if text is not None and not (isinstance(text, str) and text.isprintable()):
            raise NotAnEvent(f"{name} is text")
    _require_inner(about)


def _require_inner(about: Mapping[str, Any]) -> None:
    parent = about.get("parent") or {}
    details = parent.get("subscription_details") if isinstance(parent, Mapping) else parent
    if not isinstance(details or {}, Mapping):
        raise NotAnEvent("data.object.parent is an object")
    named = [about.get("customer"), about.get("subscription"), (details or {}).get("subscription")]
    for one in named:
        if one is not None and not _is_name(id_of(one)):
            raise NotAnEvent("data.object names others by their ids")


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and value.isprintable()


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= BIGGEST


def _moment(seconds: Any) -> datetime:
    """NotAnEvent for what is no time; an event that says none happens as it comes."""
    if seconds is None:
        return utc_now().replace(microsecond=0)
    if not _is_whole(seconds):
        raise NotAnEvent("created is a time in seconds")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise NotAnEvent("created is a time in seconds") from None
