"""Bearer tokens: HS256 JWTs that anybody who shares the secret may mint as well."""

import warnings
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any

import jwt
from flask import current_app
from jwt.warnings import InsecureKeyLengthWarning

from mealquest.core.clock import utc_now
from mealquest.core.errors import Invalid, Unauthenticated
from mealquest.core.principal import MERCHANT, Principal, Role
from mealquest.identity.domain import APPLICANT_LIFE, TOKEN_LIFE
from mealquest.tenancy.service import require_merchant_id

ALGORITHM = "HS256"
SKEW_S = 60  # how far the clock of another issuer may be ahead of ours
# Clients and operators choose the secret; the settings, not every request, are where to say so.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class InvalidToken(Unauthenticated):
    code = "INVALID_TOKEN"


class TokenExpired(Unauthenticated):
    code = "TOKEN_EXPIRED"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, its signature and age checked, its person not yet.

    `subject` is an operatorId, a userId, or an applicant's phone; `issued_at` and `expires_at` are
    in seconds since 1970; `epoch` and `session_id` are None in a token that another issuer minted.
    """

    role: Role
    subject: str
    merchant_id: str | None
    issued_at: int
    epoch: int | None
    session_id: str | None = None
    expires_at: int = 0


# The claim that names the person, by role. Roles that are not here have no tokens.
_SUBJECT = {
    Role.CUSTOMER: "userId",
    Role.APPLICANT: "phone",
    **dict.fromkeys(MERCHANT, "operatorId"),
}


def mint(principal: Principal, epoch: int, ttl: timedelta | None = None) -> str:
    """A token for `principal`, good for 12 hours, or 10 minutes when it may only onboard."""
    now = int(utc_now().timestamp())
    applicant = principal.role is Role.APPLICANT
    usual = APPLICANT_LIFE if applicant else TOKEN_LIFE
    life = usual if ttl is None else ttl
    claims: dict[str, Any] = {
        "role": principal.role.value,
        _SUBJECT[principal.role]: principal.subject,
        "iat": now,
        "exp": now + int(life.total_seconds()),
    }
    if not applicant:
        claims |= {"merchantId": principal.merchant_id, "ver": epoch}
    if principal.session:
        claims["sid"] = principal.session.id
    return jwt.encode(claims, _secret(), algorithm=ALGORITHM)


def read(token: str) -> Claims:
    """Check a token's signature, age and shape.

    Raises:
        TokenExpired: it was good once.
        InvalidToken: forged, malformed, or it lacks what a token of its role must say.
    """
    try:
        claims = jwt.decode(
            token,
            _secret(),
            algorithms=[ALGORITHM],
            options={"require": ["exp"], "verify_iat": False, "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise TokenExpired("token expired") from None
    except jwt.InvalidSignatureError:
        raise InvalidToken("invalid token signature") from None
    except (jwt.PyJWTError, ValueError):
        raise InvalidToken("invalid token") from None
    return _checked(claims)


def _checked(claims: dict[str, Any]) -> Claims:
    try:
        role = Role(claims["role"])
        subject = _text(claims[_SUBJECT[role]])
        merchant_id = None if role is Role.APPLICANT else _merchant(claims["merchantId"])
        epoch = None if claims.get("ver") is None else _whole(claims["ver"])
        session_id = None if claims.get("sid") is None else _text(claims["sid"])
        issued_at, expires_at = _whole(claims.get("iat", 0)), int(claims["exp"])
    except (KeyError, ValueError, Invalid):
        raise InvalidToken("invalid token") from None
    if issued_at > utc_now().timestamp() + SKEW_S:
        raise InvalidToken("invalid token")
    return Claims(role, subject, merchant_id, issued_at, epoch, session_id, expires_at)


def _merchant(value: Any) -> str:
    return require_merchant_id(_text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError("not a text")
    return value


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and isfinite(value):
        return int(value)
    raise ValueError("not a number")


def _secret() -> str:
    secret: str = current_app.config["SETTINGS"].jwt_secret
    return secret
