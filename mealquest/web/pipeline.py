"""What happens to every request of a declared handler, in this order.

credential -> throttle -> principal and tenant policy (one short transaction) -> CSRF -> role ->
merchant scope -> signature -> gate -> idempotency key -> input -> handler -> answer. A refusal of
somebody who is known, and a failure of an act that is audited, leave an audit row.

What a merchant limits is counted at the gate, and counts no more when nothing came of it: when it
was refused or failed, or only repeats an answer that was given before.
"""

from dataclasses import dataclass
from typing import Any

from flask import Response, current_app, flash, g, request
from flask_babel import gettext

from mealquest.core.db import transaction
from mealquest.core.errors import (
    AppError,
    Forbidden,
    Invalid,
    MerchantUnavailable,
    NotFound,
    TooLarge,
    Unauthenticated,
)
from mealquest.core.principal import ANONYMOUS, Principal, Role
from mealquest.core.wire import Input, View
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import TenantPolicy
from mealquest.web import audited, credentials, drafts, inputs, keys, problems, respond
from mealquest.web.credentials import Credential
from mealquest.web.formstate import FormState
from mealquest.web.frame import Call, Endpoint, Face, Reply, Scope, Signature
from mealquest.web.policy import QuotaExceeded, pass_gate, quotas
from mealquest.web.quota import Place
from mealquest.web.security import require_csrf
from mealquest.web.throttle import Throttles

API_LIMIT = ("1200/minute",)
WRONG_KEYS = ("30/minute",)  # of machines, from one address


@dataclass(slots=True)
class Known:
    """What is known of a request so far; an error that comes later is told in these terms."""

    path: dict[str, Any]
    principal: Principal = ANONYMOUS
    policy: TenantPolicy | None = None
    values: dict[str, Any] | None = None
    credential: Credential | None = None
    place: Place | None = None  # what is counted of the merchant's limit for it
    is_replay: bool = False


def run(endpoint: Endpoint, face: Face, path: dict[str, Any]) -> Response:
    known = Known(path)
    try:
        call, form = _admit(endpoint, face, known)
        result = _handle(endpoint, call, form)
        known.is_replay = _replays(result)
        answer = respond.answer(endpoint, call, result)
    except MerchantUnavailable as closed:
        answer = _while_closed(endpoint, face, known, closed)
    except Exception as failure:  # noqa: BLE001 - the one place where errors become answers
        answer = _refuse(endpoint, face, known, problems.as_app_error(failure))
    if known.place and (known.is_replay or answer.status_code >= 400):
        quotas().give_back(known.place)
    return answer


def require_somebody() -> None:
    """For paths that nobody declared. Unauthenticated: no credential, or one that is no good."""
    credential = credentials.presented()
    if credential is None:
        raise Unauthenticated("Authorization is required")
    _count(credential)
    with transaction(*credential.merchants) as session:
        credentials.prove(session, credential)


def _admit(endpoint: Endpoint, face: Face, known: Known) -> tuple[Call, Input]:
    known.credential = credential = _credential(endpoint)
    if credential:
        _identify(endpoint, credential, known)
    g.principal = known.principal
    if _needs_csrf(endpoint, face, credential, known.principal):
        require_csrf()
    _require_role(endpoint, known.principal)
    known.values = values = _values(endpoint, known)
    if endpoint.own_user and known.principal.role is Role.CUSTOMER:
        values["userId"] = known.principal.subject
    merchant_id = _merchant(endpoint, known.principal, values)
    if endpoint.signed and not endpoint.signed.is_first:
        _prove(endpoint.signed)
    if endpoint.gate and merchant_id:
        known.place = _pass_gate(endpoint, known, merchant_id)
    sent_key = keys.sent_key(endpoint, values)
    form = inputs.checked(endpoint.input, values)
    for throttle in endpoint.throttles:
        _throttles().take(throttle, form)
    key = keys.keyed(endpoint, known.principal, sent_key, form) if sent_key else None
    return Call(known.principal, merchant_id, face, key), form


def _handle(endpoint: Endpoint, call: Call, form: Input) -> Any:
    return endpoint.handler(call, form)


def _credential(endpoint: Endpoint) -> Credential | None:
    if endpoint.roles == frozenset({Role.OPERATOR}) and endpoint.presented is None:
        _require_operators()
    if endpoint.for_monitors or endpoint.signed:
        return None
    try:
        credential = (endpoint.presented or credentials.presented)()
    except Unauthenticated:
        if endpoint.roles is None:
            return None  # a public page stays open to somebody whose session has ended
        raise
    if credential is None and endpoint.roles is not None:
        raise Unauthenticated("Authorization is required")
    if credential:
        _count(credential)
    return credential


def _require_operators() -> None:
    """Forbidden in production without an operators' key: there is nobody who could be one."""
    settings = current_app.config["SETTINGS"]
    if not (settings.admin_api_key or settings.is_development):
        raise Forbidden("operator access is not configured", code="OPERATOR_KEY_UNSET")


def _count(credential: Credential) -> None:
    """People with a browser are not counted, apps are."""
    throttles = _throttles()
    if throttles.enabled and not credential.by_cookie:
        throttles.spend(API_LIMIT, "api", credential.name)


def _identify(endpoint: Endpoint, credential: Credential, known: Known) -> None:
    try:
        with transaction(*credential.merchants) as session:
            known.principal = credentials.prove(session, credential)
            if endpoint.gate and credential.merchant_id:
                known.policy = tenancy.policy_of(session, credential.merchant_id)
    except Unauthenticated:
        throttles = _throttles()
        if credential.machine and throttles.enabled:
            throttles.spend(WRONG_KEYS, "wrong keys", request.remote_addr or "unknown")
        if endpoint.roles is not None:
            raise
    except MerchantUnavailable:
        if endpoint.roles is not None:
            raise  # a public page stays open to somebody whose shop cannot be asked


def _needs_csrf(
    endpoint: Endpoint, face: Face, credential: Credential | None, principal: Principal
) -> bool:
    """What a browser sends of itself: its cookie, and forms of people not signed in yet.

    An Authorization header is never sent unasked, so nobody can forge a request with one.
    """
    if endpoint.by_link:
        return False
    if credential is None or principal is ANONYMOUS:
        return endpoint.mutates and face is Face.PAGE
    return endpoint.mutates and credential.by_cookie


def _require_role(endpoint: Endpoint, principal: Principal) -> None:
    if endpoint.roles is not None and principal.role not in endpoint.roles:
        raise Forbidden("permission denied")


def _values(endpoint: Endpoint, known: Known) -> dict[str, Any]:
    if endpoint.signed:
        inputs.allow_longer()
        if endpoint.signed.is_first:
            _prove(endpoint.signed)
            return dict(known.path)
    return inputs.raw(known.path)


def _prove(signed: Signature) -> None:
    signed.prove(inputs.body(), request.headers.get(signed.header, ""))


def _merchant(endpoint: Endpoint, principal: Principal, values: dict[str, Any]) -> str:
    """The merchant this request is about; see `Scope` for the three rules."""
    if endpoint.scope is Scope.NONE:
        return principal.merchant_id or ""
    if endpoint.scope is Scope.NAMED:
        return _named(principal, request.args.get("merchantId") or values.get("merchantId"))
    named = values.get("merchantId")
    if endpoint.scope is Scope.QUERY:
        named = request.args.get("merchantId") or None
        if named and principal.merchant_id and named != principal.merchant_id:
            raise Forbidden("merchant scope denied", code="MERCHANT_SCOPE_DENIED")
    merchant_id = principal.merchant_id or named
    if not isinstance(merchant_id, str) or not merchant_id:
        raise Invalid("merchantId is required")
    return tenancy.require_merchant_id(merchant_id)


def _named(principal: Principal, named: Any) -> str:
    """The caller's merchant; what an operator names, where nothing stands for every merchant."""
    if named and not isinstance(named, str):
        raise Invalid("merchantId must be text")
    if principal.merchant_id:
        if named and named != principal.merchant_id:
            raise NotFound("merchant not found", code="MERCHANT_NOT_FOUND")
        return principal.merchant_id
    return tenancy.require_merchant_id(named) if named else ""


def _pass_gate(endpoint: Endpoint, known: Known, merchant_id: str) -> Place | None:
    """What PolicyBlocked and QuotaExceeded are raised for does not begin.

    A limit that is used up does not keep anybody from hearing again what was answered before.
    """
    if endpoint.gate is None:
        return None
    policy = known.policy or _policy_of(merchant_id)
    try:
        return pass_gate(policy, endpoint.gate, merchant_id)
    except QuotaExceeded:
        if not keys.was_answered(endpoint, known.principal, merchant_id, known.values or {}):
            raise
        return None


def _policy_of(merchant_id: str) -> TenantPolicy:
    """Of the merchant that an operator names: no credential of theirs brought its policy."""
    with transaction(merchant_id) as session:
        return tenancy.policy_of(session, merchant_id)


def _replays(result: Any) -> bool:
    view = result.view if isinstance(result, Reply) else result
    return isinstance(view, View) and view.replayed


def _throttles() -> Throttles:
    throttles: Throttles = current_app.extensions["throttles"]
    return throttles


# --- a merchant that is closed for a moment -------------------------------------------------


def _while_closed(
    endpoint: Endpoint, face: Face, known: Known, closed: MerchantUnavailable
) -> Response:
    """Most acts are to be sent again. Some are kept until the merchant is there; see `Endpoint`.

    Who sends one is known by a token whose signature was checked: whether they still are who it
    says is asked when the act is done.
    """
    claims = known.credential.claims if known.credential else None
    if endpoint.kept is None or claims is None or known.credential is None:
        return _refuse(endpoint, face, known, closed)
    try:
        sender = Principal(claims.role, claims.subject, claims.merchant_id)
        if known.credential.by_cookie:
            require_csrf()
        _require_role(endpoint, sender)
        values = _values(endpoint, known)
        call = Call(sender, _merchant(endpoint, sender, values), face)
        view = endpoint.kept(call, inputs.checked(endpoint.input, values), claims)
        if face is Face.PAGE:
            flash(gettext("This is noted, and done as soon as the shop is open again."), "info")
        return respond.answer(endpoint, call, Reply(view, 202))
    except Exception as failure:  # noqa: BLE001 - as in `run`
        return _refuse(endpoint, face, known, problems.as_app_error(failure))


# --- refusals -----------------------------------------------------------------------------


_NO_FORM = (Unauthenticated, TooLarge, MerchantUnavailable)  # the form's page could not be shown


def _refuse(endpoint: Endpoint, face: Face, known: Known, error: AppError) -> Response:
    audited.tell(endpoint, known.principal, known.principal.merchant_id or "", error)
    if face is Face.PAGE and endpoint.again and not isinstance(error, _NO_FORM):
        try:
            return _form_again(endpoint, known, error)
        except Exception as failure:  # noqa: BLE001 - what went wrong first is what is told
            problems.as_app_error(failure)
    come_back = _come_back(endpoint, face, known, error)
    return respond.problem(error, face, come_back, endpoint.sign_in)


def _come_back(endpoint: Endpoint, face: Face, known: Known, error: AppError) -> str:
    """Where to go on after a sign-in, with the form that could not be taken kept until then."""
    if face is not Face.PAGE or not endpoint.again or not isinstance(error, Unauthenticated):
        return ""
    return drafts.keep(current_app.extensions["endpoints"][endpoint.again], known.path)


def _form_again(endpoint: Endpoint, known: Known, error: AppError) -> Response:
    """Run the page the form stands on once more, with what was typed and what is wrong.

    Only for people who may see that page; others than those may be allowed to send the form.
    """
    shown: Endpoint = current_app.extensions["endpoints"][endpoint.again]
    _require_role(shown, known.principal)
    values = inputs.typed(known.path) if known.values is None else known.values
    call = Call(known.principal, known.principal.merchant_id or "", Face.PAGE)
    result = _handle(shown, call, inputs.checked(shown.input, values))
    view = result.view if isinstance(result, Reply) else result
    return respond.form_again(shown, call, view, FormState.refused(values, error), error)
