from mealquest.core.errors import Conflict, Invalid, NotFound


class ProposalNotFound(NotFound):
    code = "PROPOSAL_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("proposal not found")


class ProposalHandled(Invalid):
    """It was approved or rejected before."""

    code = "PROPOSAL_ALREADY_HANDLED"

    def __init__(self) -> None:
        super().__init__("proposal already handled")


class ProposalChanged(Conflict):
    """What is to be approved is not what was shown."""

    code = "PROPOSAL_CHANGED"

    def __init__(self) -> None:
        super().__init__("the proposal is not the one that was shown")


class ProposalUnsafe(Conflict):
    """A risk rule that held when it was drafted, or was not there then, does not hold now."""

    code = "PROPOSAL_BLOCKED"

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("the proposal breaks the limits as they are now", reasons=reasons)


class CandidateNotFound(NotFound):
    code = "PROPOSAL_CANDIDATE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("candidate not found")


class TemplateNotFound(NotFound):
    """A template was asked for that the library does not have."""

    code = "STRATEGY_TEMPLATE_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("template not found")


class PlanNotFound(NotFound):
    code = "STRATEGY_PLAN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("strategy plan not found")


class ReviewMismatch(Invalid):
    code = "PROPOSAL_REVIEW_MISMATCH"

    def __init__(self) -> None:
        super().__init__("proposal review mismatch with current pending proposal")


class SessionNotFound(NotFound):
    code = "STRATEGY_SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("strategy chat session not found")


class TurnNotFound(NotFound):
    code = "STRATEGY_TURN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("message not found")


class TurnRunning(Conflict):
    """The last message is still being answered."""

    code = "STRATEGY_TURN_RUNNING"

    def __init__(self) -> None:
        super().__init__("the last message is still being answered")
