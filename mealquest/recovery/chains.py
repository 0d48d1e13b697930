"""Chains: tasks that write their successor when they end. One link of each is live at a time.

A link and its successor are one transaction, and the unique key of live tasks keeps a second link
out, so a chain neither dies nor multiplies by itself. One that was parked, deleted, or never begun
is begun at the next round of the janitor.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import select
from sqlalchemy.orm import Session

from mealquest.core.db import apart, databases, platform_transaction
from mealquest.core.errors import MerchantUnavailable
from mealquest.core.places import at
from mealquest.recovery import digest, tasks
from mealquest.recovery.domain import LIVE, PLATFORM, TaskType, chain_key
from mealquest.recovery.models import ScheduledTask
from mealquest.recovery.tasks import NewTask
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.service import MerchantAccount

PAGE = 500  # merchants looked at in one transaction
CHAINS = (TaskType.REPORT_USAGE, TaskType.SEND_WEEKLY_DIGEST, TaskType.RECONCILE)
_KEYS = tuple(chain_key(task_type) for task_type in CHAINS)


def ensure() -> int:
    """Begin every chain that has no live link; returns how many."""
    begun = _begin(_of_platform())
    for accounts in _pages():
        for here in _by_place([task for account in accounts for task in _of(account)]):
            with suppress(MerchantUnavailable):
                begun += _begin(here)
    return begun


def missing() -> list[NewTask]:
    """Chains without a live link, for the doctor."""
    wanted = [*_of_platform(), *(task for page in _pages() for one in page for task in _of(one))]
    live: set[tuple[str, str | None]] = set()
    for here in _by_place(wanted):
        with suppress(MerchantUnavailable), _where_they_are(here) as session:
            live |= _live(session, here)
    return [task for task in wanted if (task.merchant_id, task.dedupe_key) not in live]


def email_was_set(session: Session, merchant_id: str) -> None:
    """A merchant has an address now: its digests begin."""
    digest.begin(session, merchant_id)


def _of_platform() -> list[NewTask]:
    """What reports usage, and what compares the platform's own account with Stripe."""
    types = (TaskType.REPORT_USAGE, TaskType.RECONCILE)
    return [NewTask(type=one, payload={}, dedupe_key=chain_key(one)) for one in types]


def _of(account: MerchantAccount) -> Iterator[NewTask]:
    if account.email:
        yield digest.first_task(account.merchant_id)
    if account.is_connected:
        yield NewTask(
            type=TaskType.RECONCILE,
            payload={},
            merchant_id=account.merchant_id,
            dedupe_key=chain_key(TaskType.RECONCILE),
        )


def _pages() -> Iterator[list[MerchantAccount]]:
    after = None
    while page := tenancy.accounts(after, PAGE):
        yield [one for one in page if one.merchant_id != PLATFORM]
        after = page[-1].created_at, page[-1].merchant_id


def _begin(wanted: list[NewTask]) -> int:
    with _where_they_are(wanted) as session:
        live = _live(session, wanted)
        absent = [task for task in wanted if (task.merchant_id, task.dedupe_key) not in live]
        return sum(tasks.add(session, task) is not None for task in absent)


def _by_place(wanted: list[NewTask]) -> list[list[NewTask]]:
    groups = [set(group) for group in apart(task.merchant_id for task in wanted)]
    return [[task for task in wanted if task.merchant_id in group] for group in groups]


@contextmanager
def _where_they_are(wanted: list[NewTask]) -> Iterator[Session]:
    """The database of these chains, which is one."""
    place = databases().of({task.merchant_id for task in wanted})
    with at(place), platform_transaction("chains of every merchant at once") as session:
        yield session


def _live(session: Session, wanted: list[NewTask]) -> set[tuple[str, str | None]]:
    rows = session.execute(
        select(ScheduledTask.merchant_id, ScheduledTask.dedupe_key).where(
            ScheduledTask.merchant_id.in_({task.merchant_id for task in wanted}),
            ScheduledTask.dedupe_key.in_(_KEYS),
            ScheduledTask.status.in_(LIVE),
        )
    )
    return {(row.merchant_id, row.dedupe_key) for row in rows}
