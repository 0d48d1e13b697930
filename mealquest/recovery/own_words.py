"""A merchant's own words for a reminder: what they may hold, and how they are filled.

Words are HTML of a few plain elements. They are cleaned when they are stored, and again once the
three tokens are filled in, so that nothing that a value brings is ever more than text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import nh3
from markupsafe import Markup, escape
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mealquest.core.mail import one_line
from mealquest.recovery.case_models import EmailTemplate
from mealquest.recovery.domain import new_number
from mealquest.recovery.gateway import https

ATTEMPTS = (1, 2, 3)
SUBJECT_LENGTH, BODY_LENGTH = 200, 20_000
CUSTOMER_NAME, AMOUNT, UPDATE_URL = "customer_name", "amount", "update_url"
_INLINE = ("a", "b", "br", "em", "i", "s", "small", "span", "strong", "sub", "sup", "u")
_BLOCKS = ("blockquote", "h1", "h2", "h3", "hr", "li", "ol", "p", "ul")
TAGS = frozenset((*_INLINE, *_BLOCKS))
_TOKEN = re.compile(r"\{\{(customer_name|amount|update_url)\}\}")
_URL_TOKEN = "{{update_url}}"
_BLOCK = re.compile(r"<(?:p|h[1-3]|ul|ol|blockquote|hr|br)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Words:
    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Filled:
    """Words with their values. `body` is clean HTML; `text` says the same without any."""

    subject: str
    body: Markup
    text: str


def clean(body: str) -> str:
    """What may be stored of a body: its plain elements, and links by https, mailto or the token."""
    return _cleaned(body, _may_link)


def harmless(body: str) -> str:
    """Filled words as a page of ours may show them: as mails do, but links lead nowhere."""
    return _cleaned(body, lambda url: False)


def tidy_subject(subject: str) -> str:
    """One line, at most as long as subjects are."""
    return one_line(subject)[:SUBJECT_LENGTH].rstrip()


def words_of(session: Session, merchant_id: str, attempt: int) -> Words | None:
    """A merchant's own words for an attempt (from the third on, those of the third); None: the
    product's."""
    found = session.scalar(
        select(EmailTemplate).where(
            EmailTemplate.merchant_id == merchant_id,
            EmailTemplate.retry_attempt == min(max(attempt, ATTEMPTS[0]), ATTEMPTS[-1]),
        )
    )
    return None if found is None else Words(found.subject, found.body)


def fill(words: Words, values: Mapping[str, str]) -> Filled:
    """The words with `customer_name`, `amount` and `update_url`; other tokens stay as they are."""
    in_html = {name: str(escape(value)) for name, value in values.items()}
    link = values.get(UPDATE_URL, "")

    def may_link(url: str) -> bool:
        return url == link or url.startswith("mailto:") or https(url) is not None

    body = _cleaned(_with(_paragraphs(words.body), in_html), may_link)
    return Filled(
        subject=tidy_subject(_with(words.subject, values)),
        body=Markup(body),  # noqa: S704 - cleaned in the line above
        text=_plain(body),
    )


def store(session: Session, merchant_id: str, attempt: int, words: Words) -> EmailTemplate:
    """Write words, already clean, over those there were."""
    fresh = insert(EmailTemplate).values(
        merchant_id=merchant_id,
        id=new_number(),
        retry_attempt=attempt,
        subject=words.subject,
        body=words.body,
    )
    stored = session.scalar(
        fresh.on_conflict_do_update(
            index_elements=["merchant_id", "retry_attempt"],
            set_={"subject": words.subject, "body": words.body, "updated_at": func.now()},
        )
        .returning(EmailTemplate)
        .execution_options(populate_existing=True)
    )
    if stored is None:
        raise RuntimeError("an upsert answers the row")
    return stored


def all_of(session: Session, merchant_id: str) -> list[EmailTemplate]:
    query = select(EmailTemplate).where(EmailTemplate.merchant_id == merchant_id)
    return list(session.scalars(query.order_by(EmailTemplate.retry_attempt)))


def forget(session: Session, merchant_id: str, attempt: int | None = None) -> int:
    """Go back to the product's words, for one attempt or for all; returns how many were there."""
    query = delete(EmailTemplate).where(EmailTemplate.merchant_id == merchant_id)
    if attempt is not None:
        query = query.where(EmailTemplate.retry_attempt == attempt)
    return len(session.scalars(query.returning(EmailTemplate.id)).all())


def _may_link(url: str) -> bool:
    return url == _URL_TOKEN or url.startswith(("https://", "mailto:"))


def _cleaned(body: str, may_link: Callable[[str], bool]) -> str:
    def attribute(tag: str, name: str, value: str) -> str | None:
        return value if (tag, name) == ("a", "href") and may_link(value) else None

    return nh3.clean(
        body,
        tags=set(TAGS),
        attributes={"a": {"href"}},
        attribute_filter=attribute,
        url_schemes={"https", "http", "mailto"},  # of these `may_link` decides
        link_rel=None,
    )


def _with(text: str, values: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda token: values.get(token[1], token[0]), text)


def _paragraphs(body: str) -> str:
    """A body that was typed as lines of text keeps its lines."""
    if _BLOCK.search(body):
        return body
    parts = [part.strip() for part in re.split(r"\n\s*\n", body.replace("\r\n", "\n"))]
    return "".join("<p>{}</p>".format(part.replace("\n", "<br>")) for part in parts if part)


def _plain(body: str) -> str:
    """The text of clean HTML: a link is followed by its address, an element by a new line."""
    linked = re.sub(r'<a href="([^"]*)"[^>]*>(.*?)</a>', r"\2 (\1)", body, flags=re.DOTALL)
    lined = re.sub(r"</(?:p|h[1-3]|blockquote|ul|ol)>|<hr>", "\n\n", linked)
    lined = re.sub(r"<br>|</li>", "\n", lined).replace("<li>", "- ")
    said = Markup(re.sub(r"<[^>]+>", "", lined)).unescape()  # noqa: S704 - only to take it apart
    return re.sub(r"\n{3,}", "\n\n", said).strip()
