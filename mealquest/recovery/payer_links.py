"""Links that payers get in mails: signed, each for one purpose, each with an end.

A link carries what it is about in clear and 128 bits of signature. Each purpose has a key of its
own, so that what counts an opened mail opens no page. Nothing of a link is stored.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlencode, urlsplit

from flask import current_app

from mealquest.core.clock import utc_now
from mealquest.core.crypto import derive_key, same, signature
from mealquest.recovery.errors import LinkForged, LinkIncomplete, LinkNotFound
from mealquest.recovery.gateway import https

_MARK = 32  # hex digits of the signature
_LONGEST = 400  # characters of a token that are looked at


class Purpose(StrEnum):
    PAY = "payer page"
    OPEN = "mail opened"
    CLICK = "mail link followed"
    LEAVE = "mails refused"


# Pages outlive Stripe's own hosted page of an invoice; whoever finds an old mail may still refuse.
LIVES = {
    Purpose.PAY: timedelta(days=60),
    Purpose.OPEN: timedelta(days=60),
    Purpose.CLICK: timedelta(days=60),
    Purpose.LEAVE: timedelta(days=730),
}


@dataclass(frozen=True, slots=True)
class Named:
    """What a link of ours says: whose it is, and what it is about."""

    merchant_id: str
    about: tuple[str, ...]
    is_over: bool


@dataclass(frozen=True, slots=True)
class PayLink:
    """`mail_id`: the mail it stood in; 0 when it was handed over otherwise."""

    merchant_id: str
    invoice_id: str
    mail_id: int
    is_over: bool


def link_for(
    merchant_id: str, invoice_id: str, mail_id: int = 0, *, since: datetime | None = None
) -> str:
    """The address of the payer's page of an invoice. `since`: when the link's time began."""
    return f"{_base()}/pay/{pay_token(merchant_id, invoice_id, mail_id, since=since)}"


def pay_token(
    merchant_id: str, invoice_id: str, mail_id: int = 0, *, since: datetime | None = None
) -> str:
    return _token(Purpose.PAY, merchant_id, invoice_id, str(mail_id), since=since)


def pay_link(token: str) -> PayLink:
    """LinkNotFound: no link of ours."""
    named = _named(Purpose.PAY, token, parts=2)
    return PayLink(named.merchant_id, named.about[0], int(named.about[1]), named.is_over)


def open_url(merchant_id: str, log_id: int, *, since: datetime | None = None) -> str:
    """The address of the picture that tells when a mail is first opened."""
    token = _token(Purpose.OPEN, merchant_id, str(log_id), since=since)
    return f"{_base()}/api/track/open/{token}"


def opened(token: str) -> tuple[str, int] | None:
    """Merchant and usage log of a picture; None for a bare id, a forged or an old one."""
    try:
        named = _named(Purpose.OPEN, token, parts=1)
    except LinkNotFound:
        return None
    return None if named.is_over else (named.merchant_id, int(named.about[0]))


def click_url(merchant_id: str, log_id: int, url: str, *, since: datetime | None = None) -> str:
    """A link that notes the first time it is followed, and leads to `url`."""
    token = _token(Purpose.CLICK, merchant_id, str(log_id), bound=url, since=since)
    log_name, _, mark = token.rpartition(".")
    query = urlencode({"url": url, "logId": log_name, "sig": mark})
    return f"{_base()}/api/track/click?{query}"


def clicked(url: str, log_name: str, mark: str) -> tuple[str, int]:
    """Merchant and usage log of a followed link.

    Raises:
        LinkIncomplete: a part of it is missing.
        LinkForged: not of ours, not for this address, too old, or an address nobody may be sent to.
    """
    for name, value in (("url", url), ("logId", log_name), ("sig", mark)):
        if not value:
            raise LinkIncomplete(name)
    try:
        named = _named(Purpose.CLICK, f"{log_name}.{mark}", parts=1, bound=url)
    except LinkNotFound:
        raise LinkForged from None
    if named.is_over or not is_safe(url):
        raise LinkForged
    return named.merchant_id, int(named.about[0])


def leave_url(merchant_id: str, address_hash: str) -> str:
    """Where a mail's reader refuses further ones: by hand, or by the mail program's button."""
    return f"{_base()}/unsubscribe/{leave_token(merchant_id, address_hash)}"


def leave_token(merchant_id: str, address_hash: str) -> str:
    return _token(Purpose.LEAVE, merchant_id, address_hash)


def leaving(token: str) -> tuple[str, str]:
    """Merchant and hashed address of an unsubscribe link. LinkNotFound: also of an old one."""
    named = _named(Purpose.LEAVE, token, parts=1)
    if named.is_over:
        raise LinkNotFound
    return named.merchant_id, named.about[0]


def is_safe(url: str) -> bool:
    """Whether a mail may lead there: this product, or https (in development the sandbox too)."""
    if not url.isprintable() or "\\" in url:
        return False
    return url.startswith(f"{_base()}/") or https(url) is not None


def origin_of(url: str | None) -> str | None:
    """`https://host`, of what may stand in a policy of the page; None otherwise."""
    parts = urlsplit(url or "")
    if not url or not https(url) or not re.fullmatch(r"[A-Za-z0-9.:-]+", parts.netloc):
        return None
    return f"{parts.scheme}://{parts.netloc}"


def _token(
    purpose: Purpose,
    merchant_id: str,
    *about: str,
    bound: str = "",
    since: datetime | None = None,
) -> str:
    """`merchant.about….end.signature`; `bound` is signed with it and carried elsewhere."""
    ends = int(((since or utc_now()) + LIVES[purpose]).timestamp())
    said = ".".join([*map(_written, (merchant_id, *about)), str(ends)])
    return f"{said}.{_mark(purpose, said, bound)}"


def _named(purpose: Purpose, token: str, *, parts: int, bound: str = "") -> Named:
    said, _, mark = token.rpartition(".")
    if len(token) > _LONGEST or not token.isascii() or not same(mark, _mark(purpose, said, bound)):
        raise LinkNotFound
    merchant_id, *about, ends = map(_read, said.split("."))
    if len(about) != parts:
        raise LinkNotFound
    return Named(merchant_id, tuple(about), int(ends) < utc_now().timestamp())


def _mark(purpose: Purpose, said: str, bound: str) -> str:
    key = derive_key(current_app.config["SETTINGS"].jwt_secret, purpose.value)
    return signature(key, f"{said}\n{bound}".encode())[:_MARK]


def _written(part: str) -> str:
    """As it is; what would not stand between dots in an address, encoded behind a tilde."""
    if part and re.fullmatch(r"[A-Za-z0-9_-]+", part):
        return part
    return "~" + urlsafe_b64encode(part.encode()).decode().rstrip("=")


def _read(part: str) -> str:
    if not part.startswith("~"):
        return part
    try:
        return urlsafe_b64decode(part[1:] + "=" * (-(len(part) - 1) % 4)).decode()
    except (NotBase64, ValueError):
        raise LinkNotFound from None


def _base() -> str:
    base: str = current_app.config["SETTINGS"].base_url
    return base
