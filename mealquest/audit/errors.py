from mealquest.core.errors import NotFound


class AuditRowNotFound(NotFound):
    code = "AUDIT_ROW_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("audit row not found")
