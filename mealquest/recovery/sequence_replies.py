"""What the sequence of reminders answers."""

from typing import Self

from pydantic import Field

from mealquest.core.wire import Listing, Timestamp, View
from mealquest.recovery.case_models import EmailTemplate


class StepView(View):
    """The reminder of one attempt, so many seconds after it failed."""

    attempt: int
    delay_s: int
    is_enabled: bool


class SequenceView(View):
    """`is_own`: false while everything is as the product has it. Hours are of the shop's clock."""

    steps: list[StepView]
    quiet_from: int | None
    quiet_until: int | None
    gap_hours: int
    most_mails: int
    holdout_percent: int
    is_paused: bool
    is_own: bool


class WordsView(View):
    id: int
    merchant_id: str
    retry_attempt: int
    subject: str
    body: str
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: EmailTemplate) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class AllWordsView(Listing):
    items: list[WordsView]


class ForgottenView(View):
    """`forgotten`: how many of the merchant's own words there were."""

    forgotten: int


class LetterView(View):
    """A reminder as a payer would get it, in the shop's language.

    `own_body` is clean HTML of the merchant's own words.
    """

    retry_attempt: int
    subject: str
    heading: str
    amount: str
    paragraphs: list[str]
    button: str
    small: list[str]
    own_body: str
    brand_color: str
    shop: str
    locale: str


class TestMailView(View):
    __test__ = False  # pytest takes the name for a test of its own

    to: str
    retry_attempt: int


class SequencePage(SequenceView):
    """The page's: the settings, the words, and how each reminder reads now."""

    words: list[WordsView] = Field(default_factory=list, exclude=True)
    letters: list[LetterView] = Field(default_factory=list, exclude=True)
    test_address: str | None = Field(None, exclude=True)
    may_edit: bool = Field(False, exclude=True)
