"""Texts that are stored come in the shop's language, whoever asks."""

from contextlib import AbstractContextManager

from flask_babel import force_locale
from sqlalchemy.orm import Session

from mealquest.tenancy import service as tenancy


def in_shops_words(session: Session, merchant_id: str) -> AbstractContextManager[None]:
    """A context in which texts are translated for the shop; needs no request."""
    locale = tenancy.settings_of(session, merchant_id).locale
    words: AbstractContextManager[None] = force_locale(locale.replace("-", "_"))
    return words
