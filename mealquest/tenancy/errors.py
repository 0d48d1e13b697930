from mealquest.core.errors import Conflict, NotFound


class MerchantNotFound(NotFound):
    code = "MERCHANT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("merchant not found")


class CurrencyFixed(Conflict):
    """Amounts in the old currency would mean something else from one moment to the next."""

    code = "CURRENCY_FIXED"

    def __init__(self) -> None:
        super().__init__("currency cannot change once money has moved")


class MerchantExists(Conflict):
    code = "MERCHANT_ALREADY_EXISTS"

    def __init__(self) -> None:
        super().__init__("merchant already exists")
