"""The first time a mail is opened and its link followed: counted once, with its day's figures.

What counts is a person. Programs that look at a mail before its reader does are left out as far as
they tell themselves apart.
"""

import re

import structlog
from sqlalchemy import func, update
from sqlalchemy.orm import Session

from mealquest.core.db import transaction
from mealquest.recovery import payer_links, usage
from mealquest.recovery.domain import BILLABLE
from mealquest.recovery.models import UsageLog

# Mail filters, link previews and crawlers, by what they call themselves.
_MACHINE = re.compile(
    r"bot\b|crawl|spider|preview|scanner|barracuda|proofpoint|mimecast|safelinks|facebookexternal",
    re.IGNORECASE,
)

log = structlog.get_logger(__name__)


def is_machine(user_agent: str, purpose: str) -> bool:
    """Whether a request is a program's own: it says so, or fetches ahead of a person."""
    return "prefetch" in purpose.lower() or bool(_MACHINE.search(user_agent))


def open_once(token: str) -> None:
    """Count a mail as opened; nothing for a token that is not a living one of ours.

    The picture is answered whatever happens here, so a failure is only logged.
    """
    found = payer_links.opened(token)
    if found is None:
        return
    try:
        with transaction(found[0]) as session:
            note_open(session, *found)
    except Exception as failure:
        log.error("opening not counted", merchant_id=found[0], exc_info=failure)


def click_once(merchant_id: str, log_id: int) -> None:
    """Count a mail's link as followed; the reader goes on whatever happens here."""
    try:
        with transaction(merchant_id) as session:
            note_click(session, merchant_id, log_id)
    except Exception as failure:
        log.error("click not counted", merchant_id=merchant_id, exc_info=failure)


def note_open(session: Session, merchant_id: str, log_id: int) -> bool:
    """False: it was counted before, or there is no such mail."""
    is_first = _first(session, merchant_id, log_id, "opened_at")
    if is_first:
        usage.add_to_day(session, merchant_id, total_opens=1)
    return is_first


def note_click(session: Session, merchant_id: str, log_id: int) -> bool:
    """False: it was counted before, or there is no such mail."""
    is_first = _first(session, merchant_id, log_id, "clicked_at")
    if is_first:
        note_open(session, merchant_id, log_id)  # who clicks has read, pictures or none
        usage.add_to_day(session, merchant_id, total_clicks=1)
    return is_first


def _first(session: Session, merchant_id: str, log_id: int, column: str) -> bool:
    marked = session.scalar(
        update(UsageLog)
        .where(
            UsageLog.merchant_id == merchant_id,
            UsageLog.id == log_id,
            UsageLog.metric_type == BILLABLE,
            getattr(UsageLog, column).is_(None),
        )
        .values({column: func.now()})
        .returning(UsageLog.id)
        .execution_options(synchronize_session=False)
    )
    return marked is not None
