"""Moving a merchant to a database of its own, and back: the contract's routes, and one page."""

from flask import url_for
from flask_babel import ngettext
from pydantic import Field

from mealquest.core.principal import Role
from mealquest.core.wire import NoInput
from mealquest.tenancy import service
from mealquest.tenancy.move_forms import MigrationStepForm, NoteForm
from mealquest.tenancy.move_replies import (
    CutoverView,
    MigrationStepView,
    MoveDoneView,
    MoveView,
    PreflightView,
    ReportView,
    RollbackView,
    StatusView,
)
from mealquest.tenancy.moves.domain import FINAL, MoveState, Phase
from mealquest.web.frame import Call, Face, Feature, Scope
from mealquest.web.look import translate as _

feature = Feature("migration")
OWNER = frozenset({Role.OWNER})
URL = "/console/migration"
GOES_ON = "a merchant that is frozen for its move must be able to go on with it"
migrating = service.migrating


class StatusPage(StatusView):
    """The status, and what its page tells beside it."""

    past: list[MoveView] = Field(default_factory=list, exclude=True)

    @property
    def is_live(self) -> bool:
        return self.move is not None and self.move.state not in FINAL

    @property
    def is_working(self) -> bool:
        """Something goes on by itself at the moment: the page looks again."""
        waits = {MoveState.FOLLOWING, MoveState.VERIFIED, MoveState.MOVED}
        return self.is_live and self.move is not None and self.move.state not in waits


def _to_page(_view: object) -> str:
    return url_for("migration.status.page")


@feature.word
def migration_phase(phase: Phase) -> tuple[str, str]:
    """What a phase is called, and the tone of its badge."""
    return {
        Phase.IDLE: (_("no migration"), "neutral"),
        Phase.FROZEN: (_("frozen"), "warning"),
        Phase.RUNNING: (_("running"), "info"),
        Phase.VERIFYING: (_("verifying"), "info"),
        Phase.CUTOVER: (_("cut over"), "success"),
        Phase.ROLLBACK: (_("rolled back"), "neutral"),
    }[phase]


@feature.get(
    api="/api/merchant/migration/status",
    page=URL,
    roles=OWNER,
    scope=Scope.QUERY,
    template="tenancy/migration",
)
def status(call: Call, form: NoInput) -> StatusPage:
    """Where the merchant lies, and how its migration is."""
    found = StatusPage(**dict(migrating.status(call.merchant_id)))
    if call.face is Face.API:
        return found
    return found.model_copy(update={"past": migrating.history(call.merchant_id)})


@feature.get(
    api="/api/merchant/migration/preflight",
    page=f"{URL}/preflight",
    roles=OWNER,
    scope=Scope.QUERY,
    template="tenancy/preflight",
)
def preflight(call: Call, form: NoInput) -> PreflightView:
    """Everything that must be so before the merchant moves, and what to do where it is not."""
    return migrating.preflight(call.merchant_id)


@feature.post(
    api="/api/merchant/migration/step",
    page=f"{URL}/step",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_STEP",
    again="migration.status",
    see_other=_to_page,
    flash=lambda view: _("Noted: %(phase)s.", phase=migration_phase(view.migration.phase)[0]),
)
def step(call: Call, form: MigrationStepForm) -> MigrationStepView:
    """Freeze, realtime or phase by hand; this moves nothing."""
    return migrating.step(call.merchant_id, form.step, form.note, call.principal)


@feature.post(
    api="/api/merchant/migration/prepare",
    page=f"{URL}/prepare",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_STEP",
    again="migration.status",
    see_other=_to_page,
    flash=lambda _view: _("Copying has begun. The shop works as before."),
)
def prepare(call: Call, form: NoInput) -> MoveDoneView:
    """Copy the merchant to its own database, and keep the copy in step."""
    return migrating.prepare(call.merchant_id, call.principal)


@feature.post(
    api="/api/merchant/migration/verify",
    page=f"{URL}/verify",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_STEP",
    again="migration.status",
    see_other=_to_page,
    flash=lambda view: (
        _("The two sides differ: %(tables)s.", tables=", ".join(view.differences))
        if view.differences
        else ngettext(
            "%(num)s row compared, and it is the same.",
            "%(num)s rows compared, all the same.",
            view.rows,
        )
    ),
)
def verify(call: Call, form: NoInput) -> ReportView:
    """Compare both sides row by row."""
    return migrating.verify(call.merchant_id)


@feature.post(
    api="/api/merchant/migration/cutover",
    page=f"{URL}/cutover",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_CUTOVER",
    again="migration.status",
    see_other=_to_page,
    flash=lambda view: _(
        "The shop works in its own database now. Writers waited %(ms)s ms.",
        ms=_whole(view.move.pause_ms),
    ),
)
def cutover(call: Call, form: NoteForm) -> CutoverView:
    """Let the merchant's own database serve it from now on."""
    return migrating.cutover(call.merchant_id, form.note, call.principal)


@feature.post(
    api="/api/merchant/migration/rollback",
    page=f"{URL}/rollback",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_ROLLBACK",
    again="migration.status",
    see_other=_to_page,
    flash=lambda view: _(
        "The shop is back, with everything written since. Writers waited %(ms)s ms.",
        ms=_whole(view.move.back_pause_ms),
    ),
)
def rollback(call: Call, form: NoteForm) -> RollbackView:
    """Bring the merchant back, with every write since."""
    return migrating.rollback(call.merchant_id, form.note, call.principal)


@feature.post(
    api="/api/merchant/migration/waive-rollback",
    page=f"{URL}/waive-rollback",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_STEP",
    again="migration.status",
    see_other=_to_page,
    flash=lambda _view: _("The old copy is being removed."),
)
def waive_rollback(call: Call, form: NoInput) -> MoveDoneView:
    """Remove the old copy; there is no way back then but another move."""
    return migrating.waive(call.merchant_id, call.principal)


@feature.post(
    api="/api/merchant/migration/abandon",
    page=f"{URL}/abandon",
    roles=OWNER,
    scope=Scope.BODY,
    ungated=GOES_ON,
    action="MIGRATION_STEP",
    again="migration.status",
    see_other=_to_page,
    flash=lambda _view: _("The move is given up. Nothing has changed."),
)
def abandon(call: Call, form: NoInput) -> MoveDoneView:
    """Give up a move before its switch."""
    return migrating.abandon(call.merchant_id, call.principal)


def _whole(milliseconds: float | None) -> int:
    return round(milliseconds or 0)


@feature.word
def move_state(state: MoveState) -> tuple[str, str]:
    """What a move is doing, and the tone of its badge."""
    return {
        MoveState.PREPARING: (_("Getting ready"), "info"),
        MoveState.COPYING: (_("Copying"), "info"),
        MoveState.FOLLOWING: (_("The copy is in step"), "success"),
        MoveState.VERIFIED: (_("Compared, all the same"), "success"),
        MoveState.CUTTING: (_("Switching over"), "warning"),
        MoveState.MOVED: (_("Moved, with a way back"), "success"),
        MoveState.ROLLING_BACK: (_("Going back"), "warning"),
        MoveState.RETURNED: (_("Back, cleaning up"), "info"),
        MoveState.ROLLED_BACK: (_("Went back"), "neutral"),
        MoveState.WAIVING: (_("Removing the old copy"), "info"),
        MoveState.FINISHED: (_("Finished"), "success"),
        MoveState.UNDOING: (_("Giving up"), "warning"),
        MoveState.UNDONE: (_("Given up"), "neutral"),
        MoveState.FAILED: (_("Failed"), "danger"),
    }[state]


@feature.word
def migration_steps() -> list[tuple[str, str]]:
    """The contract's steps by hand."""
    return [
        ("FREEZE_WRITE", _("Freeze the shop")),
        ("UNFREEZE_WRITE", _("End the freeze")),
        ("DISABLE_WS", _("Turn live events off")),
        ("ENABLE_WS", _("Turn live events on")),
        ("MARK_VERIFYING", _("Note: verifying")),
        ("MARK_CUTOVER", _("Note: cut over")),
        ("MARK_ROLLBACK", _("Note: rolled back")),
    ]


@feature.word
def migration_step(name: str) -> str:
    """What the step that was taken last is called, by hand or by a move."""
    words = dict(migration_steps()) | {"PREPARE": _("Begin to copy")}
    return str(words.get(name, name))


@feature.word
def requirement_side(name: str) -> str:
    """Which of the two databases a requirement is about; empty for those of both."""
    side = name.partition(": ")[0]
    return {"home": _("The common database"), "target": _("Its own database")}.get(side, "")


@feature.word
def requirement_word(name: str) -> str:
    """What must be so, without the database that it is about."""
    bare = name.removeprefix("home: ").removeprefix("target: ")
    return {
        "a database to move to": _("There is a database to move to"),
        "no other move": _("No other move is under way"),
        "no partners to part from": _("Nothing is shared with other stores"),
        "target server": _("The new database can be made"),
        "PostgreSQL 15 or newer": _("The server is new enough"),
        "wal_level": _("The log tells enough to copy from it"),
        "max_replication_slots": _("Places to read the log from are free"),
        "max_wal_senders": _("Processes that send the log are free"),
        "max_logical_replication_workers": _("Processes that take over changes are free"),
        "max_slot_wal_keep_size": _("The log is kept for a slow copy"),
        "what the mover's login may do": _("The login that moves may do all it must"),
        "keys of all tables": _("Every table has a key to copy by"),
        "slots of ended moves": _("Nothing is left of ended moves"),
        "the mover gets in and may look": _("The login that moves gets in"),
        "same migrations": _("Both databases have the same tables"),
        "no rows of the merchant at the target": _("Nothing of this shop lies at the new place"),
        "target reaches the other database and may subscribe there": _(
            "The new database reaches the present one"
        ),
        "source reaches the other database and may subscribe there": _(
            "The present database reaches the new one"
        ),
    }.get(bare, name)
