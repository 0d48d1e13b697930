"""Exports asked for, listed and taken; and everything at once as JSON for apps."""

import json
from collections.abc import Iterator

from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.clock import iso_millis, utc_now
from mealquest.core.db import after_commit_ring, transaction
from mealquest.core.ids import new_id
from mealquest.core.paging import Keyset, cut
from mealquest.core.principal import Principal
from mealquest.identity import service as identity
from mealquest.identity.service import UserNotFound
from mealquest.privacy import archive, making, queries
from mealquest.privacy.domain import AT_ONCE, KEPT, SLICE_S, ExportState
from mealquest.privacy.errors import ExportNotFound, ExportNotReady
from mealquest.privacy.forms import ExportsForm
from mealquest.privacy.models import PrivacyExport
from mealquest.privacy.person import person_of
from mealquest.privacy.replies import ExportsPage, ExportView
from mealquest.privacy.sections import LISTS, RECORDS, Section, count
from mealquest.tenancy.service import Operation

BELL = "privacy"
ACTION = Operation.PRIVACY_EXPORT.value


def document(merchant_id: str, user_id: str, by: Principal) -> Iterator[str]:
    """Everything about a customer as one JSON object, read while it is written.

    The first piece is there when this returns. UserNotFound: not at this merchant, or gone.
    """
    person = person_of(merchant_id, user_id)
    audit.record_alone(merchant_id, ACTION, by, {"userId": user_id}, audit.AuditStatus.SUCCESS)
    head = {
        "merchantId": merchant_id,
        "userId": user_id,
        "exportedAt": iso_millis(utc_now()),
        "user": person,
    }
    return _document(merchant_id, user_id, json.dumps(head, ensure_ascii=False)[:-1])


def _document(merchant_id: str, user_id: str, head: str) -> Iterator[str]:
    yield head
    for section in LISTS:
        yield f',"{section.name}":'
        yield from _array(section, merchant_id, user_id)
    yield ',"records":'
    for at, section in enumerate(RECORDS):
        yield f'{"," if at else "{"}"{section.name}":'
        yield from _array(section, merchant_id, user_id)
    yield "}}"


def _array(section: Section, merchant_id: str, user_id: str) -> Iterator[str]:
    after, begin = None, "["
    while True:
        rows, after = section.read(merchant_id, user_id, after)
        if rows:
            yield begin + ",".join(json.dumps(row, ensure_ascii=False) for row in rows)
            begin = ","
        if after is None:
            break
    yield "[]" if begin == "[" else "]"


# --- files --------------------------------------------------------------------------------


def ask(merchant_id: str, user_id: str, by: Principal) -> ExportView:
    """Begin a file with everything about a customer; a small one is ready with the answer.

    UserNotFound: not at this merchant, or gone.
    """
    with transaction(merchant_id) as session:
        _require_present(session, merchant_id, user_id)
        export = PrivacyExport(
            merchant_id=merchant_id,
            id=new_id("export"),
            customer_id=user_id,
            state=ExportState.WAITING,
            rows_total=1 + count(session, merchant_id, user_id),
            requested_by=by.subject,
            expires_at=queries.moment(session) + KEPT,
        )
        session.add(export)
        session.flush()  # waits for an erasure that is running, which knows nothing of this row
        _require_present(session, merchant_id, user_id)
        details = {"userId": user_id, "exportId": export.id}
        audit.record(session, merchant_id, ACTION, by, details)
        is_small = export.rows_total <= AT_ONCE
        if not is_small:
            after_commit_ring(session, BELL)
    if is_small:
        making.make(merchant_id, export.id, seconds=SLICE_S)
    return export_of(merchant_id, export.id)


def export_of(merchant_id: str, export_id: str) -> ExportView:
    """How far an export is. ExportNotFound: also one whose days are over."""
    return ExportView.of(_one(merchant_id, export_id))


def exports(merchant_id: str, form: ExportsForm) -> ExportsPage:
    """The merchant's exports that are still kept, newest first; Invalid: not a cursor of ours."""
    after = Keyset.decode(form.cursor) if form.cursor else None
    with transaction(merchant_id) as session:
        rows = queries.page(session, merchant_id, form.user_id, after, form.limit + 1)
    shown, following = cut(rows, form.limit, lambda row: Keyset(row.created_at, row.id).encode())
    items = [ExportView.of(row) for row in shown]
    return ExportsPage(merchant_id=merchant_id, items=items, next_cursor=following)


def take(merchant_id: str, export_id: str, by: Principal) -> Iterator[bytes]:
    """The ZIP file, read while it is sent; the audit tells who took it.

    Raises ExportNotFound and ExportNotReady before anything is sent.
    """
    export = _one(merchant_id, export_id)
    if export.state is not ExportState.READY:
        raise ExportNotReady
    details = {"userId": export.customer_id, "exportId": export_id, "taken": True}
    audit.record_alone(merchant_id, ACTION, by, details, audit.AuditStatus.SUCCESS)
    return archive.zipped(making.pieces(export))


def _require_present(session: Session, merchant_id: str, user_id: str) -> None:
    if identity.erased_since(session, merchant_id, user_id, cancelled=False):
        raise UserNotFound
    identity.personal_texts(session, merchant_id, user_id)


def _one(merchant_id: str, export_id: str) -> PrivacyExport:
    with transaction(merchant_id) as session:
        export = queries.one(session, merchant_id, export_id)
    if export is None:
        raise ExportNotFound
    return export
