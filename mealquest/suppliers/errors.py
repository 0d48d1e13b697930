from mealquest.core.errors import Conflict, Forbidden, NotFound, Unauthenticated


class PartnerNotFound(NotFound):
    code = "PARTNER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("partner not found")


class PartnerExists(Conflict):
    code = "PARTNER_EXISTS"

    def __init__(self) -> None:
        super().__init__("partner already exists")


class PartnerKeyInvalid(Unauthenticated):
    code = "PARTNER_KEY_INVALID"

    def __init__(self) -> None:
        super().__init__("invalid partner key")


class PartnerScopeDenied(Forbidden):
    code = "PARTNER_SCOPE_DENIED"

    def __init__(self) -> None:
        super().__init__("partner scope denied")


class OrderNotFound(NotFound):
    code = "PARTNER_ORDER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("partner order not found")


class ImportNotFound(NotFound):
    code = "IMPORT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("import not found")


class OrderUsed(Conflict):
    """The shop has relied on the amount."""

    code = "PARTNER_ORDER_USED"

    def __init__(self, order_id: str) -> None:
        super().__init__("a verified order keeps its amount", orderId=order_id)


class StatusRefused(Conflict):
    code = "PARTNER_ORDER_STATUS"

    def __init__(self, order_id: str, current: str, target: str) -> None:
        super().__init__(
            "status cannot change like this", orderId=order_id, **{"from": current, "to": target}
        )
