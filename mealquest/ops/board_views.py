"""The operators' page of queues and tasks, behind a sign-in of its own."""

from flask import Response, current_app, make_response, redirect, request, url_for

from mealquest.core.errors import Forbidden
from mealquest.core.principal import Role
from mealquest.core.wire import Input, Key, NoInput, Str
from mealquest.ops import board, operators
from mealquest.ops.replies import BoardView, DoneView, OperatorPage
from mealquest.recovery import service as recovery
from mealquest.web import credentials
from mealquest.web.credentials import OPERATOR, Credential
from mealquest.web.frame import Call, Feature
from mealquest.web.look import translate as _
from mealquest.web.throttle import Throttle

feature = Feature("board")
OPERATORS = frozenset({Role.OPERATOR})
COOKIE = "mq_operator"
HOME = "/ops"
SIGN_IN = "board.sign_in_page"
NO_MERCHANT = "operators stand outside every merchant's policy"


class NotSetUp(Forbidden):
    """There is no key that anybody could have."""

    code = "OPERATOR_KEY_UNSET"

    def __init__(self) -> None:
        super().__init__("operator access is not configured")


class KeyForm(Input):
    key: Str = ""


class JobForm(Input):
    queue: Key
    job_id: Key


class ParkedForm(Input):
    merchant_id: Key
    task_id: Key

    @property
    def number(self) -> int:
        is_number = self.task_id.isascii() and self.task_id.isdigit() and len(self.task_id) < 19
        return int(self.task_id) if is_number else 0


def _presented() -> Credential | None:
    """The operators' own cookie, or their key in a header; a merchant's session is nothing here."""
    if not operators.is_set_up():
        raise NotSetUp
    if "X-Api-Key" in request.headers or "Authorization" in request.headers:
        return credentials.presented()
    if operators.holds(request.cookies.get(COOKIE, "")):
        return Credential(operator=True, by_cookie=True)
    return None


def _address(_: Input) -> str:
    return request.remote_addr or "unknown"


@feature.get(page="/ops/sign-in", template="ops/sign_in")
def sign_in_page(call: Call, form: NoInput) -> OperatorPage:
    """Ask for the operators' key."""
    return OperatorPage(is_set_up=operators.is_set_up())


@feature.post(
    page="/ops/sign-in",
    ungated=NO_MERCHANT,
    throttles=(Throttle("operator-sign-in", ("5/minute", "30/hour"), _address),),
    template="ops/sign_in",
    again=SIGN_IN,
)
def sign_in(call: Call, form: KeyForm) -> Response:
    """Prove the operators' key."""
    if not operators.is_set_up():
        raise NotSetUp
    if not credentials.is_operator_key(form.key):
        raise Forbidden("invalid api key")
    response = make_response(redirect(url_for("board.queues.page"), code=303))
    response.set_cookie(
        COOKIE,
        operators.issue(),
        max_age=operators.LIFE_S,
        path=HOME,
        httponly=True,
        samesite="Strict",
        secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
    )
    return response


@feature.post(
    page="/ops/sign-out",
    roles=OPERATORS,
    ungated=NO_MERCHANT,
    presented=_presented,
    sign_in=SIGN_IN,
    template="ops/sign_in",
)
def sign_out(call: Call, form: NoInput) -> Response:
    """End this browser's operator session."""
    response = make_response(redirect(url_for("board.sign_in_page.page"), code=303))
    response.delete_cookie(COOKIE, path=HOME)
    return response


@feature.get(
    api="/api/ops/queues",
    page="/ops/queues",
    roles=OPERATORS,
    presented=_presented,
    sign_in=SIGN_IN,
    template="ops/queues",
)
def queues(call: Call, form: NoInput) -> BoardView:
    """Queues, workers, failed jobs, and tasks by type and merchant."""
    return board.look()


@feature.post(
    page="/ops/jobs/<queue>/<job_id>/requeue",
    roles=OPERATORS,
    ungated=NO_MERCHANT,
    presented=_presented,
    sign_in=SIGN_IN,
    again="board.queues",
    see_other=lambda view: url_for("board.queues.page"),
    flash=lambda view: _("The job is put back."),
)
def requeue(call: Call, form: JobForm) -> DoneView:
    """Put a failed job back into its queue."""
    return board.requeue(form.queue, form.job_id)


@feature.post(
    page="/ops/jobs/<queue>/<job_id>/delete",
    roles=OPERATORS,
    ungated=NO_MERCHANT,
    presented=_presented,
    sign_in=SIGN_IN,
    again="board.queues",
    see_other=lambda view: url_for("board.queues.page"),
    flash=lambda view: _("The job is deleted."),
)
def delete_job(call: Call, form: JobForm) -> DoneView:
    """Delete a failed job."""
    return board.delete(form.queue, form.job_id)


@feature.post(
    page="/ops/tasks/<merchant_id>/<task_id>/retry",
    roles=OPERATORS,
    ungated=NO_MERCHANT,
    presented=_presented,
    sign_in=SIGN_IN,
    again="board.queues",
    see_other=lambda view: url_for("board.queues.page"),
    flash=lambda view: _("The task is taken up again."),
)
def retry_parked(call: Call, form: ParkedForm) -> DoneView:
    """Take a parked task up again."""
    recovery.retry_task(form.merchant_id, form.number, OPERATOR)
    return DoneView()


@feature.word
def seconds(value: int | None) -> str:
    """A while in the unit that fits: `40 s`, `5 min`, `3 h`, `2 d`."""
    if value is None:
        return "—"
    if value < 120:
        return _("%(count)s s", count=value)
    if value < 7200:
        return _("%(count)s min", count=value // 60)
    if value < 172_800:
        return _("%(count)s h", count=value // 3600)
    return _("%(count)s d", count=value // 86_400)
