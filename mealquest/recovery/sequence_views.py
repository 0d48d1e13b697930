"""The sequence of reminders and a merchant's own words: managers read, the owner edits."""

from flask import request, url_for
from markupsafe import Markup

from mealquest.core.principal import MANAGEMENT, Role
from mealquest.core.wire import NoInput
from mealquest.recovery import own_words, sequence, words
from mealquest.recovery.sequence_forms import (
    DAY_S,
    AttemptForm,
    AttemptPathForm,
    SequenceForm,
    SequencePageForm,
    WordsForm,
)
from mealquest.recovery.sequence_replies import (
    AllWordsView,
    ForgottenView,
    LetterView,
    SequencePage,
    SequenceView,
    TestMailView,
    WordsView,
)
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature, Scope
from mealquest.web.look import translate as _
from mealquest.web.throttle import Throttle

feature = Feature("sequence")
OWNER = frozenset({Role.OWNER})
PAGE = "/console/recovery/sequence"
GATE = Operation.RECOVERY_SEQUENCE_SET


def _page_again(_view: object) -> str:
    return url_for("sequence.page.page")


def _at_words(view: WordsView) -> str:
    return url_for("sequence.page.page", _anchor=f"words-{view.retry_attempt}")


# Per person: a merchant's own address is not to be flooded by its own staff.
_TESTS = Throttle("recovery-test-mail", ("10/hour",), lambda _form: request.remote_addr)


@feature.get(page=PAGE, roles=MANAGEMENT, scope=Scope.QUERY, template="recovery/sequence")
def page(call: Call, form: NoInput) -> SequencePage:
    """When reminders go out, and what they say."""
    found = words.page(call.merchant_id)
    return found.model_copy(update={"may_edit": call.principal.role in OWNER})


@feature.get(api="/api/recovery/sequence", roles=MANAGEMENT, scope=Scope.QUERY)
def show(call: Call, form: NoInput) -> SequenceView:
    """When reminders go out."""
    return sequence.sequence(call.merchant_id)


@feature.patch(api="/api/recovery/sequence", roles=OWNER, scope=Scope.BODY, gate=GATE)
def change(call: Call, form: SequenceForm) -> SequenceView:
    """Change any of the settings; a field that is none of them is refused."""
    return sequence.change(call.merchant_id, form, call.principal)


@feature.post(
    page=PAGE,
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="sequence.page",
    see_other=_page_again,
    flash=lambda _view: _("The sequence is saved. Reminders that wait already keep their time."),
)
def save(call: Call, form: SequencePageForm) -> SequenceView:
    """Change the settings from their page."""
    return sequence.change(call.merchant_id, form, call.principal)


@feature.post(
    api="/api/recovery/sequence/reset",
    page=f"{PAGE}/reset",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    see_other=_page_again,
    flash=lambda _view: _("The sequence is as MealQuest has it again."),
)
def reset(call: Call, form: NoInput) -> SequenceView:
    """Go back to the product's own sequence."""
    return sequence.reset(call.merchant_id, call.principal)


@feature.get(api="/api/email-templates", roles=MANAGEMENT, scope=Scope.QUERY)
def all_words(call: Call, form: NoInput) -> AllWordsView:
    """The merchant's own words, by attempt."""
    return words.all_words(call.merchant_id)


@feature.post(
    api="/api/email-templates",
    page=f"{PAGE}/words",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="sequence.page",
    see_other=_at_words,
    flash=lambda _view: _("Your words are saved."),
    status=201,
)
def write(call: Call, form: WordsForm) -> WordsView:
    """Write the merchant's own words for an attempt, over those there were."""
    return words.write(call.merchant_id, form, call.principal)


@feature.post(
    page=f"{PAGE}/preview",
    roles=MANAGEMENT,
    scope=Scope.BODY,
    ungated="shows a letter, changes nothing",
    template="recovery/letter",
)
def preview(call: Call, form: WordsForm) -> LetterView:
    """How a reminder would read with these words."""
    return words.preview(call.merchant_id, form)


@feature.delete(
    api="/api/email-templates/<retry_attempt>", roles=OWNER, scope=Scope.BODY, gate=GATE
)
def forget(call: Call, form: AttemptPathForm) -> ForgottenView:
    """Go back to the product's words for an attempt."""
    return words.forget(call.merchant_id, form.retry_attempt, call.principal)


@feature.post(
    page=f"{PAGE}/words/<retry_attempt>/reset",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    see_other=_page_again,
    flash=lambda _view: _("This reminder has MealQuest’s words again."),
)
def forget_by_page(call: Call, form: AttemptPathForm) -> ForgottenView:
    """Go back to the product's words, from the page, where a browser can only post."""
    return words.forget(call.merchant_id, form.retry_attempt, call.principal)


@feature.post(
    api="/api/recovery/sequence/test",
    page=f"{PAGE}/test",
    roles=OWNER,
    scope=Scope.BODY,
    gate=GATE,
    again="sequence.page",
    see_other=_page_again,
    flash=lambda view: _("A test mail is on its way to %(to)s.", to=view.to),
    throttles=(_TESTS,),
)
def send_test(call: Call, form: AttemptForm) -> TestMailView:
    """Send a reminder with sample values to the merchant's own address."""
    return words.send_test(call.merchant_id, form.retry_attempt, call.principal)


@feature.word
def delay_in_days(delay_s: int) -> str:
    """`3`, `0.5`: as few decimals as say it."""
    return f"{delay_s / DAY_S:.4f}".rstrip("0").rstrip(".")


@feature.word
def quiet_hour_choices() -> list[tuple[int, str]]:
    return [(hour, f"{hour:02d}:00") for hour in range(24)]


@feature.word
def longest_subject() -> int:
    return own_words.SUBJECT_LENGTH


@feature.word
def letter_body(view: LetterView) -> Markup:
    """A merchant's own words, cleaned once more right where they stand in a page."""
    return Markup(own_words.harmless(view.own_body))  # noqa: S704


@feature.word
def attempt_title(attempt: int) -> str:
    titles = {
        1: _("After the first failed attempt"),
        2: _("After the second failed attempt"),
        3: _("After the third and every later one"),
    }
    return titles[attempt]
