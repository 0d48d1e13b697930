"""From a view to an answer: the page, its fragment, or JSON."""

import json
from typing import Any

from flask import (
    Response,
    current_app,
    flash,
    g,
    make_response,
    redirect,
    render_template,
    request,
)

from mealquest.core.errors import (
    AppError,
    Forbidden,
    MerchantUnavailable,
    MethodNotAllowed,
    TooManyRequests,
    Unauthenticated,
    UpgradeRequired,
)
from mealquest.core.wire import Listing, View
from mealquest.web import drafts, problems
from mealquest.web.formstate import FormState
from mealquest.web.frame import Call, Endpoint, Face, Reply
from mealquest.web.wording import error_words, page_words

NEXT = "X-Next-Cursor"  # of a list that is a bare array
COME_BACK_S = "2"  # for a merchant whose database is closed or away
SIGN_IN = "MQ-Sign-In"  # names the page to go to when a part of a page is asked for in vain


def wants_fragment() -> bool:
    """htmx asks for a part of the page: it names a target and is not boosting a link."""
    headers = request.headers
    return "HX-Target" in headers and "HX-Boosted" not in headers


def from_htmx() -> bool:
    return "HX-Request" in request.headers


def answer(endpoint: Endpoint, call: Call, result: View | Reply | Response) -> Response:
    if isinstance(result, Response):
        return result
    reply = result if isinstance(result, Reply) else Reply(result, endpoint.status)
    if call.face is Face.API:
        return _json(reply, endpoint)
    return _page(endpoint, call, reply)


def problem(
    error: AppError, face: Face, come_back: str = "", sign_in: str = "identity.sign_in_page"
) -> Response:
    """An error that no form is shown for; `come_back`: the page to be on after a sign-in, which
    the endpoint `sign_in` asks for."""
    status = problems.status_of(error)
    if status >= 500:
        g.principal = None  # the page shows nobody's name, so that it needs no database
    if face is Face.API:
        response = make_response(json.dumps(problems.as_json(error)), status)
        response.mimetype = "application/problem+json"
    elif isinstance(error, Unauthenticated):
        response = _to_sign_in(come_back, sign_in)
    elif from_htmx():
        page = render_template("web/_problem.html", problem=_in_page_words(error))
        response = make_response(page, status)
        response.headers["HX-Retarget"] = "#problems"
        response.headers["HX-Reswap"] = "innerHTML"
    else:
        page = render_template("web/problem.html", problem=_in_page_words(error))
        response = make_response(page, status)
    return _with_error_headers(response, error)


def _in_page_words(error: AppError) -> dict[str, Any]:
    body = problems.as_json(error) | {"detail": error_words(error)}
    fields = [field | {"message": page_words(field["message"])} for field in body.get("errors", [])]
    return body | {"errors": fields}


def form_again(
    endpoint: Endpoint, call: Call, view: Any, form: FormState, error: AppError
) -> Response:
    """The page of a refused form once more, with what was typed and what is wrong with it.

    Its template sees the error's code as `failed`.
    """
    g.shown_at = endpoint.page  # not where the form was sent to
    page = render_template(
        f"{endpoint.template}.html", view=view, form=form, call=call, failed=error.reason
    )
    response = _with_error_headers(make_response(page, problems.status_of(error)), error)
    if from_htmx():
        response.headers["HX-Retarget"] = "body"
        response.headers["HX-Reswap"] = "innerHTML"
        response.headers["HX-Push-Url"] = "false"
    return response


def _json(reply: Reply, endpoint: Endpoint) -> Response:
    response = make_response(reply.view.as_json(), reply.status)
    response.mimetype = "application/json"
    if reply.view.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    if isinstance(reply.view, Listing) and reply.view.next_cursor:
        response.headers[NEXT] = reply.view.next_cursor
    if not endpoint.mutates:
        response.headers["Cache-Control"] = "private, no-cache"
        response.vary.update(["Authorization", "Cookie"])
        response.add_etag(weak=True)
        response.make_conditional(request)
    return response


def _page(endpoint: Endpoint, call: Call, reply: Reply) -> Response:
    if endpoint.on_page:
        endpoint.on_page(reply.view)
    target = reply.see_other or (endpoint.see_other(reply.view) if endpoint.see_other else None)
    if target:
        return _onward(endpoint, reply, target)
    folder, _, name = (endpoint.template or "").rpartition("/")
    whole = f"{folder}/{name}.html"
    templates = [f"{folder}/_{name}.html", whole] if wants_fragment() else [whole]
    typed = drafts.take(call.principal) if endpoint.roles and not from_htmx() else None
    page = render_template(
        [*templates],
        view=reply.view,
        form=typed or FormState(request.args),
        call=call,
        failed=drafts.SIGNED_OUT if typed else None,
    )
    response = make_response(page, reply.status)
    response.vary.update(["HX-Request", "HX-Target", "Cookie"])
    return response


def _onward(endpoint: Endpoint, reply: Reply, target: str) -> Response:
    if endpoint.flash and not reply.view.replayed:
        flash(endpoint.flash(reply.view), "success")
    if from_htmx():
        response = make_response("", 204)
        response.headers["HX-Redirect"] = target
        return response
    return make_response(redirect(target, code=303))


def _to_sign_in(come_back: str, sign_in: str) -> Response:
    """An expired session leads to the sign-in page, never to a sign-in form inside a fragment.

    A part of a page that is asked for again leaves the page alone: its script either shows what is
    answered, or goes on to the address in the header when nothing was typed there.
    """
    target = current_app.url_for(f"{sign_in}.page", next=come_back or _here() or None)
    if not from_htmx():
        return make_response(redirect(target, code=303))
    if request.method != "GET":
        response = make_response("", 204)
        response.headers["HX-Redirect"] = target
        return response
    response = make_response(render_template("web/_signed_out.html"), 401)
    response.headers[SIGN_IN] = target
    response.headers["HX-Retarget"] = "#problems"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _here() -> str:
    """The page this request comes from, as far as its browser says; empty for another site's."""
    if request.method == "GET" and not from_htmx():
        return request.full_path.rstrip("?")
    sent = request.headers.get("HX-Current-URL") or request.referrer or ""
    if not sent.startswith(request.host_url):
        return ""
    return "/" + sent.removeprefix(request.host_url).partition("#")[0]


def _with_error_headers(response: Response, error: AppError) -> Response:
    if isinstance(error, TooManyRequests):
        response.headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, MerchantUnavailable):
        response.headers["Retry-After"] = COME_BACK_S
    if isinstance(error, UpgradeRequired):
        response.headers["Upgrade"] = "websocket"
        response.headers["Sec-WebSocket-Version"] = "13"
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(error.facts["allowed"])
    if isinstance(error, Unauthenticated) and response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="mealquest"'
    return response


def denied(error: AppError) -> bool:
    return isinstance(error, Forbidden | Unauthenticated)
