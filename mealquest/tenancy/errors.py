from mealquest.core.errors import Conflict, NotFound


class MerchantNotFound(NotFound):
    code = "MERCHANT_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("merchant not found")


class MerchantExists(Conflict):
    code = "MERCHANT_ALREADY_EXISTS"

    def __init__(self) -> None:
        super().__init__("merchant already exists")
