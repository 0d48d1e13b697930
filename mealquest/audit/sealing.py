"""Seals: a job gives every row of the audit its number and its hash, and checks them again.

Nothing waits for it: whoever acts only adds a row. Rows of transactions that are older than every
open one are final in their order, so the chain is made of those, up to a second or so behind.
"""

from collections.abc import Iterator

import structlog
from prometheus_client import Gauge
from sqlalchemy.orm import Session

from mealquest.audit import chain, seal_queries
from mealquest.audit.chain import Fault, Link, Verdict
from mealquest.audit.models import AuditChain
from mealquest.audit.replies import ChainView
from mealquest.core.clock import utc_now
from mealquest.core.db import after_commit_ring, platform_transaction, transaction
from mealquest.core.everywhere import everywhere

BELL = "audit"
BATCH = 500
CHECK_BATCH = 2_000
MERCHANTS_AT_ONCE = 200

broken_chains = Gauge(
    "mealquest_audit_chains_broken",
    "Merchants whose audit did not hold at its last check.",
    multiprocess_mode="mostrecent",
)

log = structlog.get_logger(__name__)


def has_due() -> bool:
    with platform_transaction("the tick asks for every merchant at once") as session:
        return bool(seal_queries.due(session, 1))


def tend_due(limit: int = MERCHANTS_AT_ONCE) -> int:
    """Seal what is new and check what is due, at most so many merchants of each database; returns
    how many. One that fails does not stop the rest and stays due.
    """
    tended = sum(everywhere(lambda: _tend_due(limit)))
    broken_chains.set(sum(everywhere(_broken)))
    return tended


def _tend_due(limit: int) -> int:
    with platform_transaction("the audit of every merchant is sealed by one job") as session:
        due = seal_queries.due(session, limit)
    for merchant_id in due:
        try:
            seal(merchant_id)
            _check_if_due(merchant_id)
        except Exception as failure:  # noqa: BLE001 - it stays due and the next run tries again
            log.warning("audit left unsealed", merchant_id=merchant_id, error=repr(failure)[:300])
    return len(due)


def seal(merchant_id: str) -> int:
    """Chain every row that is final, in batches; returns how many were added."""
    total = 0
    while added := _seal_batch(merchant_id):
        total += added
    return total


def check(merchant_id: str) -> Verdict:
    """Walk the merchant's whole chain and keep what was found for the page and the metric."""
    with transaction(merchant_id) as session:
        known = seal_queries.lock(session, merchant_id)
        session.expunge(known)
    verdict = chain.walk(merchant_id, links(merchant_id, known.last_seq))
    if verdict.holds:
        verdict = _with_its_end(known, verdict)
    with transaction(merchant_id) as session:
        seal_queries.note_check(
            session,
            merchant_id,
            check_wanted_at=None,
            checked_at=utc_now(),
            checked_seq=verdict.entries,
            broken_seq=verdict.broken_seq,
            broken_why=verdict.why,
        )
    if not verdict.holds:
        log.error("audit does not hold", merchant_id=merchant_id, why=verdict.why)
    return verdict


def links(merchant_id: str, until: int) -> Iterator[Link]:
    """The chain from its first entry, read in batches of a transaction each."""
    after = 0
    while after < until:
        with transaction(merchant_id) as session:
            rows = seal_queries.sealed(session, merchant_id, after, until, CHECK_BATCH)
        for row in rows:
            entry = chain.entry_of(row, row.seq) if row.id else {"seq": None}
            yield Link(entry, row.hash)
        if not rows:
            return
        after = rows[-1].seq


def merchants() -> list[str]:
    """Whoever has a chain, in every database that answers."""
    return sorted(one for found in everywhere(_merchants) for one in found)


def _merchants() -> list[str]:
    with platform_transaction("operators check every merchant's audit") as session:
        return seal_queries.merchants(session)


def export(merchant_id: str) -> Iterator[str]:
    """The chain as text, an entry a line, for `audit verify` on any machine."""
    with transaction(merchant_id) as session:
        known = seal_queries.read(session, merchant_id)
        until = known.last_seq if known else 0
    return chain.lines(links(merchant_id, until))


def state(merchant_id: str) -> ChainView:
    """How far the audit is sealed, and whether it held when it was looked through last."""
    with transaction(merchant_id) as session:
        known = seal_queries.read(session, merchant_id)
        if known is None:
            return ChainView(entries=0, head=chain.NOTHING)
        return ChainView(
            entries=known.last_seq,
            head=known.last_hash or chain.NOTHING,
            checked_at=known.checked_at,
            checked_entries=known.checked_seq,
            is_checking=known.check_wanted_at is not None,
            broken_at=known.broken_seq,
            broken_why=known.broken_why,
        )


def ask_for_check(merchant_id: str) -> ChainView:
    """Have the job look through the chain now."""
    with transaction(merchant_id) as session:
        seal_queries.lock(session, merchant_id)
        seal_queries.note_check(session, merchant_id, check_wanted_at=utc_now())
        after_commit_ring(session, BELL)
    return state(merchant_id)


def seal_rest(session: Session, merchant_id: str) -> int:
    """Chain every row there is, of a merchant who cannot write at the moment.

    For a merchant that leaves its cluster: numbers of transactions mean nothing elsewhere, so no
    row may wait there for its order to become final. Returns how many were looked at.
    """
    total = 0
    while looked := _seal_some(session, merchant_id, only_final=False):
        total += looked
    return total


def _seal_batch(merchant_id: str) -> int:
    """How many rows were looked at; 0 when none is left."""
    with transaction(merchant_id) as session:
        return _seal_some(session, merchant_id, only_final=True)


def _seal_some(session: Session, merchant_id: str, *, only_final: bool) -> int:
    known = seal_queries.lock(session, merchant_id)
    rows = seal_queries.unsealed(session, known, BATCH, only_final=only_final)
    seals: list[tuple[int, str, str]] = []
    seq, head = known.last_seq, known.last_hash or chain.NOTHING
    for row in rows:
        if not row.sealed:
            seq += 1
            head = chain.hash_after(head, chain.entry_of(row, seq))
            seals.append((seq, row.id, head))
    if seals:
        seal_queries.seal(session, merchant_id, seals)
    if rows:
        _move_end(known, seq, head, rows[-1].xact, rows[-1].id)
        session.flush()
    if seals:  # the log is a witness outside the database
        log.info("audit sealed", merchant_id=merchant_id, entries=seq, head=head)
    return len(rows)


def _move_end(known: AuditChain, seq: int, head: str, xact: int, row_id: str) -> None:
    known.last_seq, known.last_hash = seq, head
    known.sealed_xact, known.sealed_id = xact, row_id


def _with_its_end(known: AuditChain, verdict: Verdict) -> Verdict:
    """Entries that hold may still be too few, or have company that nobody sealed."""
    with transaction(known.merchant_id) as session:
        is_passed_over = seal_queries.passed_over(session, known)
    if verdict.entries != known.last_seq or verdict.head != (known.last_hash or chain.NOTHING):
        why = Fault.CUT_SHORT
    elif is_passed_over:
        why = Fault.SLIPPED_IN
    else:
        return verdict
    return Verdict(verdict.merchant_id, verdict.entries, verdict.head, verdict.entries + 1, why)


def _check_if_due(merchant_id: str) -> None:
    with transaction(merchant_id) as session:
        wanted = seal_queries.check_is_due(session, merchant_id)
    if wanted:
        check(merchant_id)


def _broken() -> int:
    with platform_transaction("one figure for all merchants") as session:
        return seal_queries.broken(session)
