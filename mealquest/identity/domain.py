"""Phones, one-time codes and token revocation: the rules, without a database."""

import re
import unicodedata
from calendar import isleap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from itertools import groupby

from mealquest.core.crypto import same

CODE_LIFE = timedelta(seconds=300)
CODE_TRIES = 5
CHOICE_LIFE = timedelta(minutes=2)
TOKEN_LIFE = timedelta(hours=12)
APPLICANT_LIFE = timedelta(minutes=10)
SEEN_EVERY = timedelta(minutes=5)  # how fine it is noted when a session was last in use

# What a browser's User-Agent contains, the first that fits; most claim to be several others too.
_BROWSERS = {
    "MicroMessenger/": "WeChat",
    "AlipayClient/": "Alipay",
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "OpenHarmony": "HarmonyOS",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}
LONGEST_PREFIX = 10  # characters of a word that a search goes by
_WORD = re.compile(r"[^\W_]+")
_PROGRAM = re.compile(r"(?!Mozilla)[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)


def digits_of(phone: str) -> str:
    """The one form of a phone that is compared: `+86 139…` and `86139…` are the same phone."""
    return phone.strip().removeprefix("+")


def last4_of(phone: str) -> str:
    return digits_of(phone)[-4:]


def masked(last4: str | None) -> str | None:
    return f"****{last4}" if last4 else None


class Provider(StrEnum):
    """What leads to a customer; the first two sign people in."""

    WECHAT_MINIAPP = "WECHAT_MINIAPP"
    ALIPAY = "ALIPAY"
    PHONE = "PHONE"


@dataclass(frozen=True, slots=True)
class SocialPerson:
    """What a provider says of whoever holds a code. `phone` is one that it has verified."""

    provider: Provider
    subject: str
    union: str | None = None
    phone: str | None = None


class Verdict(StrEnum):
    """What a guess at a phone's code amounts to; the values are the wire contract's words."""

    PROVED = "proved"  # right, and used up by this
    CHOSEN = "chosen"  # used before, and good once more to choose a merchant
    NOT_REQUESTED = "code not requested"  # also: used, or out of tries
    EXPIRED = "code expired"
    MISMATCH = "code mismatch"  # costs a try

    @property
    def proves(self) -> bool:
        return self in {Verdict.PROVED, Verdict.CHOSEN}


@dataclass(frozen=True, slots=True)
class PendingCode:
    code_hash: str
    expires_at: datetime
    tries_left: int
    used: bool
    choice_until: datetime | None

    def judge(self, guess_hash: str, now: datetime, *, chooses: bool) -> Verdict:
        """Weigh a guess. `chooses`: the request names the merchant to sign in at."""
        spent = self.used and not (chooses and self.choice_until)
        if spent or self.tries_left <= 0:
            return Verdict.NOT_REQUESTED
        if (self.choice_until or self.expires_at) <= now:
            return Verdict.EXPIRED
        if not same(self.code_hash, guess_hash):
            return Verdict.MISMATCH
        return Verdict.CHOSEN if self.used else Verdict.PROVED


@dataclass(frozen=True, slots=True)
class Validity:
    """Which tokens of a person still count."""

    epoch: int
    valid_after: datetime

    def covers(self, epoch: int | None, issued_at: int) -> bool:
        """A token of ours carries the epoch; one minted elsewhere goes by its time of issue.

        `issued_at` is in whole seconds, so it is compared with the second `valid_after` is in.
        """
        if epoch is not None:
            return epoch == self.epoch
        return issued_at >= int(self.valid_after.astimezone(UTC).timestamp())


def device_of(user_agent: str) -> str:
    """Family of browser and system, `Safari, iPhone`; of an app its own name; or nothing."""
    found = [_first(user_agent, _BROWSERS), _first(user_agent, _SYSTEMS)]
    if any(found):
        return ", ".join(filter(None, found))
    program = _PROGRAM.match(user_agent)
    return program[0] if program else ""


def _first(text: str, names: dict[str, str]) -> str:
    return next((name for sign, name in names.items() if sign in text), "")


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with the owner's role; without a phone nobody can sign in as them."""

    id: str
    can_sign_in: bool


def keeps_an_owner(owners: Iterable[Owner], leaving: str, *, acting: str) -> bool:
    """Whether somebody can still act as the owner when `leaving` no longer is one.

    An owner who cannot sign in counts only as long as nobody is worse off: when it is the one
    who acts, or when the one who leaves cannot sign in either.
    """
    owners = list(owners)
    could_sign_in = any(one.can_sign_in for one in owners if one.id == leaving)
    others = [one for one in owners if one.id != leaving]
    return any(one.can_sign_in or one.id == acting or not could_sign_in for one in others)


def birthdays_on(day: date) -> list[str]:
    """Who celebrates on that day, as `MM-DD`: those of 29 February on the 28th in other years."""
    if (day.month, day.day) == (2, 28) and not isleap(day.year):
        return ["02-28", "02-29"]
    return [f"{day:%m-%d}"]


def is_month_day(text: str) -> bool:
    """Whether it is a day of some year, as `MM-DD`."""
    try:
        return f"{date.fromisoformat(f'2000-{text}'):%m-%d}" == text
    except ValueError:
        return False


def anonymous_name(customer_id: str) -> str:
    """The name of somebody whom the owner deleted; the wire contract's."""
    return f"ANONYMIZED_{customer_id}"


def anonymous_user_id(merchant_id: str, customer_id: str) -> str:
    """What lists show as the id of somebody who cancelled; the wire contract's."""
    return f"DELETED_{merchant_id}_{customer_id}"


def named_user_id(merchant_id: str, shown_id: str) -> str:
    """The id of whoever a list shows by `shown_id`, also of somebody who cancelled."""
    return shown_id.removeprefix(anonymous_user_id(merchant_id, ""))


def terms_of(name: str) -> set[str]:
    """The parts of a name by which it is found: beginnings of words; Chinese characters, pairs."""
    found: set[str] = set()
    for word, is_wide in _words(name):
        if is_wide:
            found |= {*word, *_pairs(word)}
        else:
            found |= {word[:end] for end in range(1, min(len(word), LONGEST_PREFIX) + 1)}
    return found


def terms_wanted(query: str) -> set[str]:
    """The parts that a name must have, all of them, to be found by what somebody typed."""
    found: set[str] = set()
    for word, is_wide in _words(query):
        if is_wide:
            found |= set(_pairs(word)) or {word}
        else:
            found.add(word[:LONGEST_PREFIX])
    return found


def _words(text: str) -> Iterable[tuple[str, bool]]:
    """Words in one form of writing; runs of wide characters, which have no gaps, by themselves."""
    for word in _WORD.findall(unicodedata.normalize("NFKC", text).casefold()):
        for is_wide, run in groupby(word, key=_is_wide):
            yield "".join(run), is_wide


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) == "W"


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(len(word) - 1)]
