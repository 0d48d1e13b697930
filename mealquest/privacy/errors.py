from mealquest.core.errors import Conflict, FieldError, Invalid, NotFound


class ExportNotFound(NotFound):
    """Not at this merchant, or past its days."""

    code = "EXPORT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("export not found")


class ExportNotReady(Conflict):
    code = "EXPORT_NOT_READY"

    def __init__(self) -> None:
        super().__init__("export is not ready yet")


class ConfirmDeletion(Invalid):
    code = "CONFIRM_DELETION"

    def __init__(self) -> None:
        message = "tick the box to delete for good"
        super().__init__(message, fields=(FieldError("confirm", message),))
