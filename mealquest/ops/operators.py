"""How an operator is signed in with a browser: the key is proved once, a signed cookie stands for
it for half a day, and only under the operators' own addresses.

The cookie names the key it was made with, so that another key ends every sign-in. Nothing of it is
stored, and it opens no route of the API.
"""

from flask import current_app
from itsdangerous import BadSignature, URLSafeTimedSerializer

from mealquest.core.crypto import derive_key, keyed_hash, same

LIFE_S = 12 * 3600


def is_set_up() -> bool:
    return bool(current_app.config["SETTINGS"].admin_api_key)


def issue() -> str:
    """What stands for the key in a browser."""
    return str(_serializer().dumps(_fingerprint()))


def holds(token: str) -> bool:
    """Whether a cookie is ours, made with the key of now, and at most half a day old."""
    try:
        found = _serializer().loads(token, max_age=LIFE_S)
    except BadSignature:
        return False
    return is_set_up() and isinstance(found, str) and same(found, _fingerprint())


def _serializer() -> URLSafeTimedSerializer:
    secret = current_app.config["SETTINGS"].jwt_secret
    return URLSafeTimedSerializer(derive_key(secret, "operator session"), salt="operator")


def _fingerprint() -> str:
    settings = current_app.config["SETTINGS"]
    return keyed_hash(derive_key(settings.jwt_secret, "operator key"), settings.admin_api_key)
