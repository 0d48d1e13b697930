"""What recovery writes to people: HTML and text out of the same parts, in the reader's language.

Everything that is put in is escaped, links are https (or this product's own), and nothing of a
merchant's reaches a header but one line of printable characters.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from email.utils import parseaddr

import css_inline
from flask import current_app
from flask_babel import force_locale, gettext
from markupsafe import Markup

from mealquest.core.mail import one_line
from mealquest.recovery.gateway import https

PLAIN_COLOR = "#000000"
LONGEST_SUBJECT = 200
LONGEST_NAME = 70


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it goes out. `sender` and `headers` are header values."""

    to: str
    subject: str
    html: str
    text: str
    sender: str
    reply_to: str | None
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose mail it is, and how that looks."""

    merchant_id: str
    name: str
    color: str = PLAIN_COLOR
    logo_url: str | None = None
    support_email: str | None = None
    locale: str = "en"  # of the shop: `en`, `zh-Hans`


@dataclass(frozen=True, slots=True)
class Parts:
    """The words of a letter, one source for both of its forms.

    `own_body` is a merchant's sanitised HTML, which with `own_text` stands in place of heading,
    amount and paragraphs; `text_url` is where the text leads, the same place without tracking.
    """

    subject: str
    heading: str
    shop: str = ""
    amount: str = ""
    paragraphs: tuple[str, ...] = ()
    notice: str = ""
    button: str = ""
    button_url: str | None = None
    text_url: str | None = None
    small: tuple[str, ...] = ()
    invoice_id: str = ""
    invoice_url: str | None = None
    invoice: str = ""  # the word for it
    own_body: Markup = field(default_factory=Markup)
    own_text: str = ""
    logo_url: str | None = None
    pixel_url: str | None = None
    unsubscribe: str = ""
    unsubscribe_url: str | None = None


@contextmanager
def in_language_of(brand: Brand) -> Iterator[None]:
    with force_locale(brand.locale.replace("-", "_")):
        yield


def written(
    brand: Brand, parts: Parts, to: str, *, task_id: int, unsubscribe_url: str | None = None
) -> Letter:
    """The letter, with what every mail of recovery carries.

    `unsubscribe_url`: of a mail that is not transactional; it takes a POST without a question.
    """
    with in_language_of(brand):
        refuse, invoice = gettext("Unsubscribe"), gettext("Bill")
    parts = replace(
        parts,
        subject=one_line(parts.subject)[:LONGEST_SUBJECT],
        shop=brand.name,
        logo_url=_link(https(brand.logo_url)),
        button_url=_link(parts.button_url),
        text_url=_link(parts.text_url),
        invoice_url=_link(parts.invoice_url),
        invoice=invoice,
        unsubscribe=refuse,
        unsubscribe_url=unsubscribe_url,
    )
    headers = {"X-Entity-Ref-ID": brand.merchant_id, "X-Citadel-Task": str(task_id)}
    if unsubscribe_url:
        headers["List-Unsubscribe"] = f"<{unsubscribe_url}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return Letter(
        to=to,
        subject=parts.subject,
        html=html_of(brand, parts),
        text=text_of(parts),
        sender=sender_of(brand.name),
        reply_to=address_of(brand.support_email),
        headers={name: one_line(value) for name, value in headers.items()},
    )


def _link(url: str | None) -> str | None:
    """An address that stays one wherever it is put; None for what is none."""
    return url if url and re.fullmatch(r"https?://[!#-;=?-~]+", url) else None


def html_of(brand: Brand, parts: Parts) -> str:
    """The HTML with its style in the tags, as mail programs want it."""
    templates = current_app.jinja_env
    color = color_of(brand.color)
    style = templates.get_template("recovery/mail/style.css").render(
        color=color, on_color=on_color(color)
    )
    page = templates.get_template("recovery/mail/letter.html").render(
        lang=brand.locale, letter=parts
    )
    inliner = css_inline.CSSInliner(extra_css=style, load_remote_stylesheets=False)
    return inliner.inline(page)


def text_of(parts: Parts) -> str:
    said = [parts.heading, parts.amount, *parts.paragraphs]
    lines = [parts.own_text] if parts.own_text else [one_line(line) for line in said if line]
    said = [parts.notice]
    if parts.text_url:
        said.append(f"{parts.button}: {parts.text_url}")
    if parts.invoice_id:
        said.append(f"{parts.invoice}: {parts.invoice_id} {parts.invoice_url or ''}")
    said += [*parts.small, parts.shop]
    if parts.unsubscribe_url:
        said.append(f"{parts.unsubscribe}: {parts.unsubscribe_url}")
    return "\n\n".join([*lines, *(one_line(line) for line in said if line)])


def sender_of(name: str) -> str:
    """`"Noodle House" <mail@example.org>`: the merchant's name before the platform's address."""
    _, address = parseaddr(current_app.config["SETTINGS"].email_from)
    shown = re.sub(r'["\\<>]', "", one_line(name))[:LONGEST_NAME].strip()
    return f'"{shown}" <{address}>' if shown else address


def address_of(email: str | None) -> str | None:
    """An address that may stand in a header; None for what is none."""
    found = email and re.fullmatch(r"[^\s<>,;:\"@]+@[^\s<>,;:\"@]+", email)
    return email if found else None


def color_of(said: str) -> str:
    return said if re.fullmatch(r"#[0-9A-Fa-f]{6}", said) else PLAIN_COLOR


def on_color(color: str) -> str:
    """Black or white, whichever is read more easily on a colour."""
    red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    light = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#000000" if light > 0.179 else "#ffffff"
