"""What migration answers."""

from typing import Any

from mealquest.core.money import Currency, Money
from mealquest.core.wire import Amount, Timestamp, View
from mealquest.tenancy.moves.domain import (
    Migration,
    Move,
    MoveState,
    Outcome,
    Phase,
    Report,
    Requirement,
    Status,
    Summary,
)
from mealquest.tenancy.replies import PolicyView


class MigrationView(View):
    phase: Phase
    step: str
    note: str
    updated_at: Timestamp | None

    @classmethod
    def of(cls, migration: Migration) -> "MigrationView":
        return cls(
            phase=migration.phase,
            step=migration.step,
            note=migration.note,
            updated_at=migration.updated_at,
        )


class ReportView(View):
    """The last comparison of every row of both sides; writers waited `pause_ms` for it."""

    taken_at: Timestamp
    rows: int
    tables: int
    differences: list[str]
    pause_ms: float
    seconds: float

    @classmethod
    def of(cls, report: Report) -> "ReportView":
        return cls(
            taken_at=report.taken_at,
            rows=sum(report.rows.values()),
            tables=len(report.rows),
            differences=[one.table for one in report.differences],
            pause_ms=report.pause_ms,
            seconds=report.seconds,
        )


class MoveView(View):
    """One move. `rows_copied` of `rows_total`; `lag_bytes`: what the copy has not taken over yet.

    `pause_ms`: how long writers waited at the switch; null before it.
    """

    move_id: str
    state: MoveState
    step: str
    source: str
    target: str
    error: str | None
    started_at: Timestamp
    updated_at: Timestamp
    moved_at: Timestamp | None
    ended_at: Timestamp | None
    rows_copied: int
    rows_total: int | None
    lag_bytes: int | None
    pause_ms: float | None
    back_pause_ms: float | None
    feed: str | None
    can_cut_over: bool
    can_roll_back: bool
    report: ReportView | None

    @classmethod
    def of(cls, move: Move, report: Report | None) -> "MoveView":
        figures = move.figures
        whole = figures.get("whole")
        return cls(
            move_id=move.id,
            state=move.state,
            step=move.step,
            source=move.source,
            target=move.target,
            error=move.error,
            started_at=move.started_at,
            updated_at=move.updated_at,
            moved_at=move.moved_at,
            ended_at=move.ended_at,
            rows_copied=sum((figures.get("rows") or {}).values()),
            rows_total=None if whole is None else sum(whole.values()),
            lag_bytes=figures.get("lagBytes"),
            pause_ms=figures.get("pauseMs"),
            back_pause_ms=figures.get("backPauseMs"),
            feed=figures.get("feed"),
            can_cut_over=move.can_be_cut,
            can_roll_back=move.can_go_back,
            report=None if report is None else ReportView.of(report),
        )


class StatusView(View):
    """Where a merchant lies, and how its migration is. The "file path" is server and database."""

    merchant_id: str
    dedicated_db_attached: bool
    dedicated_db_file_path: str | None
    migration: MigrationView
    policy: PolicyView | None  # null while the merchant's database does not answer
    move: MoveView | None

    @classmethod
    def of(cls, status: Status, policy: PolicyView | None, report: Report | None) -> "StatusView":
        return cls(
            merchant_id=status.merchant_id,
            dedicated_db_attached=status.is_apart,
            dedicated_db_file_path=status.address,
            migration=MigrationView.of(status.migration),
            policy=policy,
            move=None if status.move is None else MoveView.of(status.move, report),
        )


class MigrationStepView(View):
    merchant_id: str
    dedicated_db_attached: bool
    migration: MigrationView
    policy: PolicyView


class SummaryView(View):
    """What is compared of one side; the whole comparison is of every row."""

    merchant_exists: bool
    users: int
    payments: int
    invoices: int
    campaigns: int
    proposals: int
    strategy_configs: int
    ledger: int
    audit: int
    bindings: int
    alliance_wallet_shared: bool
    budget_used: Amount
    wallet_checksum: str

    @classmethod
    def of(cls, summary: Summary, currency: Currency) -> "SummaryView":
        values: dict[str, Any] = {
            name: getattr(summary, name) for name in cls.model_fields if name != "budget_used"
        }
        return cls(**values, budget_used=Money(summary.budget_used_minor, currency).major)


class CutoverView(View):
    merchant_id: str
    dedicated_db_attached: bool
    dedicated_db_file_path: str
    source_summary: SummaryView
    dedicated_summary: SummaryView
    migration: MigrationView
    policy: PolicyView
    move: MoveView

    @classmethod
    def of(
        cls, merchant_id: str, done: Outcome, policy: PolicyView, currency: Currency
    ) -> "CutoverView":
        return cls(
            merchant_id=merchant_id,
            dedicated_db_attached=True,
            dedicated_db_file_path=done.address,
            source_summary=SummaryView.of(done.report.source, currency),
            dedicated_summary=SummaryView.of(done.report.target, currency),
            migration=MigrationView.of(done.migration),
            policy=policy,
            move=MoveView.of(done.move, done.report),
        )


class RollbackView(View):
    """The "file path" is the one before: the copy there is gone, or is being removed."""

    merchant_id: str
    dedicated_db_attached: bool
    dedicated_db_file_path: str
    dedicated_summary: SummaryView
    shared_summary: SummaryView
    migration: MigrationView
    policy: PolicyView
    move: MoveView

    @classmethod
    def of(
        cls, merchant_id: str, done: Outcome, policy: PolicyView, currency: Currency
    ) -> "RollbackView":
        return cls(
            merchant_id=merchant_id,
            dedicated_db_attached=False,
            dedicated_db_file_path=done.address,
            dedicated_summary=SummaryView.of(done.report.source, currency),
            shared_summary=SummaryView.of(done.report.target, currency),
            migration=MigrationView.of(done.migration),
            policy=policy,
            move=MoveView.of(done.move, done.report),
        )


class RequirementView(View):
    name: str
    ok: bool
    found: str
    remedy: str

    @classmethod
    def of(cls, one: Requirement) -> "RequirementView":
        return cls(name=one.name, ok=one.ok, found=one.found, remedy=one.remedy)


class PreflightView(View):
    merchant_id: str
    ok: bool
    items: list[RequirementView]


class MoveDoneView(View):
    merchant_id: str
    move: MoveView
