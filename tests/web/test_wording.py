"""No page shows a refusal in the bare words of the wire contract, in any language."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from mealquest.core import errors
from mealquest.core.errors import AppError, Conflict, FieldError, Invalid, TooManyRequests
from mealquest.identity.domain import Verdict
from mealquest.wallet.domain import REFUSALS
from mealquest.wallet.errors import VoucherNotUsable
from mealquest.web.formstate import FormState
from mealquest.web.refusals import MESSAGES
from mealquest.web.wording import FIELD_MESSAGES, error_words, page_words

ROOT = Path(__file__).parents[2]
KINDS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, AppError)
}
# No page can be refused with these: programming errors, edges, sockets, webhooks, workers of
# others, and the model's.
BEHIND_THE_PAGES = (
    "mealquest/core/crypto.py",
    "mealquest/core/places.py",
    "mealquest/identity/gateway.py",
    "mealquest/payments/gateway.py",
    "mealquest/realtime/errors.py",
    "mealquest/realtime/views.py",
    "mealquest/recovery/endpoints.py",
    "mealquest/recovery/events.py",
    "mealquest/recovery/worker_acts.py",
    "mealquest/recovery/worker_views.py",
    "mealquest/sandbox/model.py",
    "mealquest/strategy/agent/",
    "mealquest/tenancy/moves/domain.py",
)


@pytest.fixture(autouse=True)
def _request(app):
    with app.test_request_context():
        yield


def messages() -> Iterator[tuple[str, str]]:
    """(file, message) of every refusal in the code; what is filled in reads `x` or `1`."""
    for path in sorted((ROOT / "mealquest").rglob("*.py")):
        if "engines" in path.parts:
            continue
        tree = ast.parse(path.read_text())
        kinds = KINDS | {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (text := _refusal(node, kinds)):
                yield str(path.relative_to(ROOT)), text


def _refusal(call: ast.Call, kinds: set[str]) -> str | None:
    name = ast.unparse(call.func)
    if name == "Refusal":
        return _text(call.args[1])
    says = name in kinds or name in {"refuse", "super().__init__"}
    return _text(call.args[0]) if says and call.args else None


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        parts = [p.value if isinstance(p, ast.Constant) else "1" for p in node.values]
        return "".join(map(str, parts))
    return None


def every_message() -> set[str]:
    said = {
        text for path, text in messages() if not path.startswith(BEHIND_THE_PAGES) and " " in text
    }
    said |= {verdict.value for verdict in Verdict if not verdict.proves}
    said -= {VoucherNotUsable("1").message}
    return said | {VoucherNotUsable(why).message for why in REFUSALS.values()}


def test_a_page_has_its_own_words_for_every_refusal():
    assert len(every_message()) > 40
    bare = sorted(text for text in every_message() if page_words(text) == text)
    assert not bare, f"add page words to mealquest/web/refusals.py: {bare}"


def test_there_are_no_words_for_refusals_that_nobody_says():
    said = every_message() | {text for path, text in literals() if not path.endswith("refusals.py")}
    said |= {VoucherNotUsable(why).message for why in said}
    assert sorted(set(MESSAGES) - said) == []


def literals() -> Iterator[tuple[str, str]]:
    for path in (ROOT / "mealquest").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path.relative_to(ROOT / "mealquest").as_posix(), node.value


def test_the_words_of_a_field_do_not_depend_on_its_name():
    assert page_words("orderAmount is too large") == str(FIELD_MESSAGES["is too large"])
    assert page_words("users.0.name is too large") == str(FIELD_MESSAGES["is too large"])


def test_a_throttle_says_how_long_to_wait():
    def waits(seconds: int) -> str:
        return error_words(TooManyRequests("too many requests", retry_after=seconds))

    assert waits(1) == "Too many tries. Wait 1 second, then try again."
    assert waits(60) == "Too many tries. Wait 60 seconds, then try again."
    assert waits(3500) == "Too many tries. Wait 59 minutes, then try again."


def test_each_error_stands_beside_the_field_the_form_has():
    wrong = Invalid("wrong", fields=(FieldError("orderAmount", "orderAmount is too large"),))

    on_a_page = FormState.refused({"amount": "9e99"}, wrong)
    by_an_app = FormState.refused({"orderAmount": "9e99"}, wrong)

    assert on_a_page.error("amount") == "This is more than is possible."
    assert by_an_app.error("orderAmount") == "This is more than is possible."
    assert on_a_page.summary is None


def test_a_refusal_that_names_no_field_is_summed_up():
    assert FormState.refused({}, Conflict("user already exists")).summary == (
        "This customer exists already."
    )
    silent = FormState.refused({}, Invalid("Invalid JSON body"))
    assert silent.summary == "This did not work. Please send it once more."
