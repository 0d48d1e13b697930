"""What the chain reads and writes, one merchant at a time except where it says otherwise."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text

from mealquest.audit.models import AuditChain

# Every transaction below this number has ended: no row can slip in below it any more.
_FINAL = "CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)"
# Every transaction that wrote anything here so far; rows of another cluster may be above it.
_GIVEN = _FINAL.replace("pg_snapshot_xmin", "pg_snapshot_xmax")

_CHECK_DUE = (
    "(c.check_wanted_at IS NOT NULL OR c.last_seq > 0"
    " AND coalesce(c.checked_at, c.created_at) < now() - CAST('1 day' AS interval))"
)

_CLUSTER = text("SELECT CAST(system_identifier AS text) FROM pg_control_system()")
_DUE = text(
    f"""
    SELECT m.id
      FROM merchants m LEFT JOIN audit_chains c ON c.merchant_id = m.id
     WHERE {_CHECK_DUE}
        OR EXISTS (SELECT FROM audit_log a
                    WHERE a.merchant_id = m.id AND a.xact < {_FINAL}
                      AND (a.xact, a.id)
                          > (coalesce(c.sealed_xact, -1), coalesce(c.sealed_id, '')))
     ORDER BY m.id LIMIT :limit
    """  # noqa: S608 - constants of this module
)
# A row that came from another cluster is sealed already, whatever its transaction's number.
_UNSEALED = text(
    f"""
    SELECT a.merchant_id, a.id, a.occurred_at, a.action, a.status, a.role, a.operator_id,
           a.details, a.request_id, a.xact,
           EXISTS (SELECT FROM audit_seals s
                    WHERE s.merchant_id = a.merchant_id AND s.audit_id = a.id) AS sealed
      FROM audit_log a
     WHERE a.merchant_id = :merchant AND (a.xact, a.id) > (:xact, :id) AND a.xact < {_FINAL}
     ORDER BY a.xact, a.id LIMIT :limit
    """  # noqa: S608 - constants of this module
)
_UNSEALED_OF_ALL = text(_UNSEALED.text.replace(_FINAL, _GIVEN))
_SEAL = text(
    """
    INSERT INTO audit_seals (merchant_id, seq, audit_id, hash)
    SELECT :merchant, s.seq, s.audit_id, s.hash
      FROM unnest(:seqs, :ids, :hashes) AS s (seq, audit_id, hash)
    """
).bindparams(
    bindparam("seqs", type_=ARRAY(BigInteger)),
    bindparam("ids", type_=ARRAY(Text)),
    bindparam("hashes", type_=ARRAY(Text)),
)
_SEALED = text(
    """
    SELECT s.seq, s.hash, s.merchant_id, a.id, a.occurred_at, a.action, a.status, a.role,
           a.operator_id, a.details, a.request_id
      FROM audit_seals s
      LEFT JOIN audit_log a ON a.merchant_id = s.merchant_id AND a.id = s.audit_id
     WHERE s.merchant_id = :merchant AND s.seq > :after AND s.seq <= :until
     ORDER BY s.seq LIMIT :limit
    """
)
_PASSED_OVER = text(
    """
    SELECT EXISTS (
        SELECT FROM audit_log a
         WHERE a.merchant_id = :merchant AND (a.xact, a.id) <= (:xact, :id)
           AND NOT EXISTS (SELECT FROM audit_seals s
                            WHERE s.merchant_id = a.merchant_id AND s.audit_id = a.id))
    """
)


def due(session: Session, limit: int) -> list[str]:
    """Merchants, of all, that have rows to seal or a chain to check."""
    return list(session.scalars(_DUE, {"limit": limit}))


def merchants(session: Session) -> list[str]:
    """Everybody who has a chain."""
    return list(session.scalars(select(AuditChain.merchant_id).order_by(AuditChain.merchant_id)))


def cluster(session: Session) -> str:
    """Names the PostgreSQL installation that gives transactions their numbers."""
    return str(session.scalar(_CLUSTER))


def lock(session: Session, merchant_id: str) -> AuditChain:
    """The merchant's chain, begun on first use. One sealer at a time."""
    here = cluster(session)
    first = insert(AuditChain).values(merchant_id=merchant_id, cluster=here)
    session.execute(first.on_conflict_do_nothing())
    mine = select(AuditChain).where(AuditChain.merchant_id == merchant_id)
    found = session.scalars(mine.with_for_update()).one()
    if found.cluster != here:  # moved: its rows are looked through once
        found.cluster, found.sealed_xact, found.sealed_id = here, -1, ""
    return found


def read(session: Session, merchant_id: str) -> AuditChain | None:
    mine = select(AuditChain).where(AuditChain.merchant_id == merchant_id)
    return session.scalars(mine).one_or_none()


def unsealed(
    session: Session, known: AuditChain, limit: int, *, only_final: bool = True
) -> Sequence[Row[Any]]:
    """The next rows behind the chain's end; `sealed` marks those that have their place already.

    Not `only_final`: also those that others could still slip in front of, when nobody writes.
    """
    values = {
        "merchant": known.merchant_id,
        "xact": known.sealed_xact,
        "id": known.sealed_id,
        "limit": limit,
    }
    return session.execute(_UNSEALED if only_final else _UNSEALED_OF_ALL, values).all()


def seal(session: Session, merchant_id: str, seals: Sequence[tuple[int, str, str]]) -> None:
    """Write number, audit id and hash of rows."""
    seqs, ids, hashes = ([seal[part] for seal in seals] for part in range(3))
    values = {"merchant": merchant_id, "seqs": seqs, "ids": ids, "hashes": hashes}
    session.execute(_SEAL, values)


def sealed(
    session: Session, merchant_id: str, after: int, until: int, limit: int
) -> Sequence[Row[Any]]:
    """Seals by number with the rows they are of; the columns of a row that is gone are null."""
    values = {"merchant": merchant_id, "after": after, "until": until, "limit": limit}
    return session.execute(_SEALED, values).all()


def passed_over(session: Session, known: AuditChain) -> bool:
    """Whether a row stands before the chain's end and has no place in it."""
    values = {"merchant": known.merchant_id, "xact": known.sealed_xact, "id": known.sealed_id}
    return bool(session.scalar(_PASSED_OVER, values))


_IS_CHECK_DUE = text(
    f"SELECT EXISTS (SELECT FROM audit_chains c WHERE c.merchant_id = :merchant AND {_CHECK_DUE})"  # noqa: S608 - constants of this module
)


def check_is_due(session: Session, merchant_id: str) -> bool:
    """Somebody asked for a check, or the last one is a day old."""
    return bool(session.scalar(_IS_CHECK_DUE, {"merchant": merchant_id}))


def note_check(session: Session, merchant_id: str, **found: Any) -> None:
    session.execute(update(AuditChain).where(AuditChain.merchant_id == merchant_id).values(**found))


_BROKEN = text("SELECT count(*) FROM audit_chains WHERE broken_why IS NOT NULL")


def broken(session: Session) -> int:
    """How many merchants' chains, of all, did not hold."""
    return int(session.execute(_BROKEN).scalar_one())
