"""Where a new merchant begins: in the database that the settings name for its id, else at home."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.orm import Session

from mealquest.core import directory
from mealquest.core.db import directory_transaction, transaction
from mealquest.tenancy import queries
from mealquest.tenancy.models import Merchant
from mealquest.tenancy.replies import ExistsView


@contextmanager
def opening(merchant_id: str) -> Iterator[Session]:
    """The transaction in which a merchant is created.

    One that was left half done is finished, or found to be there, by doing it again.
    """
    directory.reserve(merchant_id)
    try:
        with transaction(merchant_id) as session:
            yield session
    finally:
        directory.follow_now(merchant_id)


def exists(merchant_id: str) -> ExistsView:
    """Whether there is such a merchant, in whichever database."""
    with directory_transaction("a merchant may lie anywhere") as session:
        found = queries.is_there(session, merchant_id)
    return ExistsView(merchant_id=merchant_id, exists=found)


@contextmanager
def claimed(merchant_id: str, **unique: str) -> Iterator[None]:
    """Set columns of `merchants` that no two merchants may share at home first, where all are.

    For the time in which they are set where the merchant lies. IntegrityError: another has it.
    """
    if directory.lies_at_home(merchant_id):
        yield
        return
    with directory_transaction("no two merchants have one account") as session:
        row = session.get(Merchant, merchant_id)
        for name, value in unique.items():
            if row:
                setattr(row, name, value)
    try:
        yield
    finally:
        directory.follow_now(merchant_id)
