"""What stands in the way of a move, in the contract's words where it has some."""

from mealquest.core.errors import Conflict, Invalid
from mealquest.tenancy.moves.domain import Requirement


class MoveBlocked(Invalid):
    """A requirement is not met; `requirements` are those that are not."""

    code = "MIGRATION_BLOCKED"

    def __init__(self, requirements: list[Requirement]) -> None:
        wanting = "; ".join(f"{one.name}: {one.found}. {one.remedy}" for one in requirements)
        super().__init__(f"the merchant cannot move: {wanting}")
        self.requirements = requirements


class NoDedicatedRoute(Invalid):
    code = "NO_DEDICATED_ROUTE"

    def __init__(self) -> None:
        super().__init__("merchant has no dedicated route")


class AlreadyApart(Invalid):
    code = "ALREADY_ON_DEDICATED_DATABASE"

    def __init__(self) -> None:
        super().__init__("merchant has its own database already")


class RollbackDiffers(Invalid):
    code = "ROLLBACK_VERIFY_FAILED"

    def __init__(self) -> None:
        super().__init__("rollback snapshot verify failed")


class CopyDiffers(Invalid):
    code = "MIGRATION_VERIFY_FAILED"

    def __init__(self, tables: list[str]) -> None:
        super().__init__(f"migration snapshot verify failed: {', '.join(tables)}")


class NoWayBack(Conflict):
    """The old copy is gone, or did not get every change."""

    code = "ROLLBACK_NOT_POSSIBLE"

    def __init__(self, why: str) -> None:
        super().__init__(f"rollback is not possible: {why}")


class MoveNotReady(Invalid):
    """It goes on in the background; the same request may work later."""

    code = "MIGRATION_NOT_READY"

    def __init__(self, why: str) -> None:
        super().__init__(f"migration is not ready: {why}")


class NoMove(Conflict):
    code = "NO_MIGRATION_UNDER_WAY"

    def __init__(self) -> None:
        super().__init__("no migration is under way")


class StepRefused(Conflict):
    """A step by hand that says something else than what is so."""

    code = "MIGRATION_STEP_REFUSED"


class UnknownStep(Invalid):
    code = "UNSUPPORTED_MIGRATION_STEP"

    def __init__(self, step: str) -> None:
        super().__init__(f"unsupported migration step: {step}")


class DriverBusy(Conflict):
    code = "MIGRATION_BUSY"

    def __init__(self) -> None:
        super().__init__("another step of this migration is being taken, try again")


class PauseDenied(Exception):
    """The merchant could not be paused within a moment: somebody is inside for longer."""


class BehindStill(Exception):
    """The other side did not show a mark in time."""


class MoveBroken(Exception):
    """The move cannot go on, however often it is tried."""
