"""Why the limits stand against a draft, in the language of the moment.

The wire keeps the reasons in its own words (`risk`, `gifts`, `patches`); people read these.
"""

import re
from collections.abc import Mapping
from typing import Any

from flask_babel import gettext, lazy_gettext

_WORDS: Mapping[str, Any] = {
    "missing trigger event": lazy_gettext("nothing is said about when it takes hold"),
    "invalid trigger event": lazy_gettext("when it takes hold cannot be read"),
    "invalid budget cap": lazy_gettext("its budget cannot be read"),
    "invalid cost per hit": lazy_gettext("what a hit costs cannot be read"),
    "cost per hit exceeds guardrail": lazy_gettext("a hit takes too many units"),
    "priority out of safe range": lazy_gettext("its priority is not between 40 and 999"),
    "invalid ttl": lazy_gettext("how long it runs cannot be read"),
    "ttl exceeds 72h guardrail": lazy_gettext("it would run for more than 72 hours"),
    "too many conditions": lazy_gettext("it has more than 10 conditions"),
    "conditions must be a list": lazy_gettext("its conditions cannot be read"),
    "the action gives nothing": lazy_gettext("it gives nothing"),
    "too many actions": lazy_gettext("it gives more than 5 things at once"),
    "principal may not be granted": lazy_gettext("paid-in money is never given away"),
    "bonus exceeds guardrail": lazy_gettext("the bonus is more than 100"),
    "silver exceeds guardrail": lazy_gettext("the change is more than 100"),
    "fragments exceed guardrail": lazy_gettext("it gives more than 100 fragments"),
    "voucher value exceeds guardrail": lazy_gettext("the voucher is worth more than 100"),
    "discount rate below guardrail": lazy_gettext("the card takes off more than half"),
    "invalid discount rate": lazy_gettext("what the card takes off cannot be read"),
    "unsupported action type": lazy_gettext("what it gives is nothing the shop can give"),
    "unsupported voucher type": lazy_gettext("the voucher is of no kind the shop has"),
    "campaignPatch must be an object": lazy_gettext("the draft cannot be read"),
}
_OVER = re.compile(r"(budget cap exceeds|grants exceed) guardrail \(([\d.]+) > ([\d.]+)\)")
_PART = re.compile(r"(?:(.*): )?(?:invalid|unsupported) [a-z ]+: (.+)", re.DOTALL)


def limit_words(reason: str) -> str:
    """A reason for people; one that is not known stays as it is."""
    if reason in _WORDS:
        return str(_WORDS[reason])
    if over := _OVER.fullmatch(reason):
        what, said, limit = over.groups()
        if what == "budget cap exceeds":
            return str(gettext("its budget of %(sum)s is over %(limit)s", sum=said, limit=limit))
        return str(gettext("it gives %(sum)s at once, over %(limit)s", sum=said, limit=limit))
    if part := _PART.fullmatch(reason):
        words = str(gettext("a part of it cannot be taken: %(part)s", part=part[2]))
        return f"{part[1]}: {words}" if part[1] else words
    title, colon, rest = reason.rpartition(": ")
    return f"{title}: {limit_words(rest)}" if colon else reason
