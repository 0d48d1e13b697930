"""From a bearer token, an operator key or the console's cookie to one principal."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import current_app, request
from flask import session as cookie
from flask_login import LoginManager, UserMixin, current_user, login_user, logout_user
from sqlalchemy.orm import Session

from mealquest.core.crypto import same
from mealquest.core.errors import Unauthenticated
from mealquest.core.principal import ANONYMOUS, Principal, Role
from mealquest.identity import service as identity
from mealquest.identity.service import Claims

OPERATOR = Principal(Role.OPERATOR, "operator")
PERSON = "person"  # who signed in here last; stays when their sign-in ends
login_manager = LoginManager()


class ConsoleUser(UserMixin):  # type: ignore[misc]  # the library has no types
    """The cookie holds a token like an app's; it is proved against the database every time."""

    def __init__(self, token: str, claims: Claims) -> None:
        self.token = token
        self.claims = claims

    def get_id(self) -> str:
        return self.token


@login_manager.user_loader  # type: ignore[untyped-decorator]
def _load(token: str) -> ConsoleUser | None:
    try:
        return ConsoleUser(token, identity.read_token(token))
    except Unauthenticated:
        return None  # expired: the page asks to sign in again


@dataclass(frozen=True, slots=True)
class Machine:
    """A key that a feature gave out. `name` is the key's own, and no secret.

    `prove` raises Unauthenticated unless the key is one of the merchant's.
    """

    merchant_id: str
    name: str
    prove: Callable[[Session], Principal]


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential as presented: nothing of it is proved but its signature."""

    claims: Claims | None = None
    operator: bool = False
    by_cookie: bool = False
    machine: Machine | None = None

    @property
    def merchant_id(self) -> str | None:
        if self.machine:
            return self.machine.merchant_id
        return self.claims.merchant_id if self.claims else None

    @property
    def merchants(self) -> tuple[str, ...]:
        """What a transaction that proves it has to see."""
        return (self.merchant_id,) if self.merchant_id else ()

    @property
    def name(self) -> str:
        """Who is counted by the throttle of API calls."""
        if self.machine:
            return f"machine:{self.machine.name}"
        if self.claims is None:
            return "operator"
        return f"{self.claims.merchant_id}:{self.claims.role}:{self.claims.subject}"


def presented() -> Credential | None:
    """The credential of this request, None without one.

    Raises Unauthenticated when there is one but it is malformed, forged or expired.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if api_key := request.headers.get("X-Api-Key", ""):
        return _operator(api_key)
    if header:
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Authorization must be a bearer token")
        return _bearer(token.strip())
    if current_user.is_authenticated:
        return Credential(claims=current_user.claims, by_cookie=True)
    return None


def bearer(token: str) -> Credential:
    """The credential of a token that came in some other way than its header."""
    return _bearer(token)


def prove(session: Session, credential: Credential) -> Principal:
    """The principal behind a credential, if the person it names is still who it says."""
    if credential.operator:
        return OPERATOR
    if credential.machine:
        return credential.machine.prove(session)
    if credential.claims is None:
        return ANONYMOUS
    principal = identity.principal_of(session, credential.claims)
    if principal.session and principal.session.is_stale and request.method in {"GET", "HEAD"}:
        identity.mark_seen(session, principal)  # never while money moves
    return principal


def person(who: Principal | Claims) -> str:
    """Somebody at one merchant, whatever role they have there at the moment."""
    return f"{who.merchant_id or ''}:{who.subject}"


def start_session(token: str) -> None:
    """Sign the browser in with a token that the product just issued."""
    claims = identity.read_token(token)
    login_user(ConsoleUser(token, claims))
    cookie[PERSON] = person(claims)


def start_session_anew(token: str) -> None:
    """The same, and nothing is left of what this browser did before.

    Forms that it was given still count when they were given to the same person, who may have
    signed in again beside them.
    """
    before, csrf = cookie.get(PERSON), cookie.get("csrf_token")
    cookie.clear()
    start_session(token)
    if csrf and before == cookie[PERSON]:
        cookie["csrf_token"] = csrf


def end_session() -> None:
    logout_user()


def _bearer(token: str) -> Credential:
    if is_operator_key(token):
        return Credential(operator=True)
    return Credential(claims=identity.read_token(token))


def _operator(api_key: str) -> Credential:
    if not is_operator_key(api_key):
        raise Unauthenticated("invalid api key")
    return Credential(operator=True)


def is_operator_key(text: str) -> bool:
    """Nothing is the key while none is configured."""
    key = current_app.config["SETTINGS"].admin_api_key
    return bool(key) and same(text, key)
