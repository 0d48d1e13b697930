"""An invoice on A4, as a PDF with its font inside, so that it prints the same everywhere.

The libraries take a third of a second and tens of megabytes to load: import this module where
something is drawn, and not before.
"""

import logging
from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

from flask_babel import gettext
from fpdf import FPDF
from fpdf.enums import Align, TextMode, WrapMode, XPos, YPos
from fpdf.fonts import TTFFont
from pylopdf_fonts_zh_cn import sans_path

from mealquest.invoices import words
from mealquest.invoices.domain import PARTS, InvoiceKind, Language
from mealquest.invoices.replies import InvoiceView

MARGIN = 20  # mm, as all lengths here
LABEL = 48
FIGURES = 50
FONT = "Noto Sans SC"
INK, SOFT, RULE, BRAND = (28, 28, 28), (95, 95, 95), (205, 205, 205), (15, 102, 80)
MISSING = "\u3013"  # stands for a character that the font does not have, as in print
BOLD = 0.25  # the outline, in mm, that makes the one weight of the font bold

logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of each step of each font


class Sheet(FPDF):
    """Our paper, font and lines. Text goes through `known`."""

    def __init__(self, language: Language, title: str) -> None:
        super().__init__(format="A4")
        self.add_font(FONT, fname=sans_path())
        (font,) = (font for font in self.fonts.values() if isinstance(font, TTFFont))
        self.glyphs = font.cmap
        self.set_lang(language.value)
        self.set_title(title)
        self.set_creator("MealQuest")
        self.set_margin(MARGIN)
        self.c_margin = 0  # so that text and rules begin at one edge
        self.set_auto_page_break(auto=True, margin=MARGIN)
        self.add_page()

    def known(self, text: str) -> str:
        """The text with a mark for each character that would be left out."""
        return "".join(c if ord(c) in self.glyphs else MISSING for c in text)

    def pen(self, size: float, *, bold: bool = False, ink: tuple[int, int, int] = INK) -> None:
        self.set_font(FONT, size=size)
        self.set_text_color(*ink)
        self.set_draw_color(*ink)
        self.text_mode = TextMode.FILL_STROKE if bold else TextMode.FILL
        self.set_line_width(BOLD * size / 16)

    def rule(self, *, above: float = 2, below: float = 2, width: float = 0.2) -> None:
        self.set_draw_color(*RULE)
        self.set_line_width(width)
        y = self.get_y() + above
        self.line(self.l_margin, y, self.w - self.r_margin, y)
        self.set_y(y + below)

    def pair(self, label: str, text: str, *, height: float = 6) -> None:
        """A label and what it names, which may take several lines."""
        self.pen(9.5, ink=SOFT)
        self.cell(LABEL, height, self.known(label))
        self.pen(10)
        self.lines(self.epw - LABEL, height, text)

    def sum(self, label: str, figure: str, *, size: float = 10.5, bold: bool = False) -> None:
        """A label on the left, its figure on the right."""
        self.pen(size, bold=bold)
        height, top = size * 0.68, self.get_y()
        self.lines(self.epw - FIGURES, height, label)
        below = self.get_y()
        self.set_xy(self.w - self.r_margin - FIGURES, top)
        self.cell(FIGURES, height, self.known(figure), align=Align.R)
        self.set_y(max(below, top + height))

    def lines(self, width: float, height: float, text: str) -> None:
        self.multi_cell(
            width,
            height,
            self.known(text),
            align=Align.L,
            new_x=XPos.LMARGIN,
            new_y=YPos.NEXT,
            wrapmode=WrapMode.WORD,
        )


def draw(view: InvoiceView, zone: ZoneInfo, language: Language) -> bytes:
    """The same bytes for the same view, zone and language."""
    with words.in_language(language):
        sheet = Sheet(language, f"{words.kind(view.kind)} {view.invoice_no}")
        sheet.set_author(view.shop_name)
        sheet.set_creation_date(view.issued_at.astimezone(UTC))  # whatever zone it was read in
        _head(sheet, view)
        _facts(sheet, view, zone, language)
        _sums(sheet, view, zone, language)
        _parts(sheet, view, language)
        _foot(sheet, view)
    return bytes(sheet.output())


def _head(sheet: Sheet, view: InvoiceView) -> None:
    sheet.pen(11, ink=SOFT)
    sheet.lines(sheet.epw, 6, view.shop_name)
    sheet.pen(24, bold=True, ink=BRAND)
    sheet.lines(sheet.epw, 13, words.kind(view.kind))
    sheet.rule(above=2, below=5, width=0.5)


def _facts(sheet: Sheet, view: InvoiceView, zone: ZoneInfo, language: Language) -> None:
    for label, text in _about(view, zone, language):
        sheet.pair(label, text)
    sheet.ln(6)


def _about(view: InvoiceView, zone: ZoneInfo, language: Language) -> Sequence[tuple[str, str]]:
    title = words.erased() if view.title is None else view.title
    said = [
        (gettext("Number"), view.invoice_no),
        (gettext("Date of issue"), words.day(view.issued_at, zone, language)),
    ]
    if view.corrects_invoice_no:
        said.append((gettext("Corrects invoice"), view.corrects_invoice_no))
    said += [
        (gettext("Payment"), view.payment_txn_id),
        (gettext("Paid on"), words.time(view.paid_at, zone, language)),
        (gettext("Made out to"), title),
    ]
    if view.tax_no is None:
        said.append((gettext("Tax number"), words.erased()))
    elif view.tax_no:
        said.append((gettext("Tax number"), view.tax_no))
    return said


def _sums(sheet: Sheet, view: InvoiceView, zone: ZoneInfo, language: Language) -> None:
    def shown(amount: Decimal) -> str:
        return words.money(amount, view.currency, language)

    sheet.pen(9.5, ink=SOFT)
    sheet.cell(sheet.epw / 2, 6, sheet.known(gettext("Description")))
    sheet.cell(
        sheet.epw / 2,
        6,
        sheet.known(gettext("Amount (%(currency)s)", currency=view.currency.value)),
        align=Align.R,
        new_x=XPos.LMARGIN,
        new_y=YPos.NEXT,
    )
    sheet.rule(above=1, below=2)
    day = words.day(view.paid_at, zone, language)
    if view.kind is InvoiceKind.CREDIT_NOTE:
        label = gettext("Refund of the order of %(day)s", day=day)
        sheet.sum(label, shown(-view.order_amount))
    else:
        sheet.sum(gettext("Order of %(day)s", day=day), shown(view.order_amount))
    if view.refunded_amount:
        sheet.sum(gettext("Refunded before this invoice"), shown(-view.refunded_amount))
    sheet.rule()
    sheet.sum(gettext("Total"), shown(view.amount), size=14, bold=True)
    sheet.ln(8)


def _parts(sheet: Sheet, view: InvoiceView, language: Language) -> None:
    sign = -1 if view.kind is InvoiceKind.CREDIT_NOTE else 1
    heading = gettext("The order was paid with")
    if view.kind is InvoiceKind.CREDIT_NOTE:
        heading = gettext("The refund's share of what paid the order")
    sheet.pen(9.5, ink=SOFT)
    sheet.lines(sheet.epw, 6, heading)
    sheet.rule(above=1, below=2)
    for name in PARTS:
        amount = getattr(view.deduction, name)
        if amount:
            sheet.sum(
                words.part(name), words.money(sign * amount, view.currency, language), size=10
            )


def _foot(sheet: Sheet, view: InvoiceView) -> None:
    """Who stands behind the paper, and its proof, at the bottom of the last page."""
    sheet.set_auto_page_break(auto=False)
    sheet.set_y(-MARGIN - 10)
    sheet.pen(7, ink=SOFT)
    sheet.lines(sheet.epw, 4, gettext("Issued by the shop, not by a tax authority."))
    proof = gettext("Proof (SHA-256): %(hash)s", hash=view.content_hash)
    sheet.cell(sheet.epw, 5, sheet.known(proof))
