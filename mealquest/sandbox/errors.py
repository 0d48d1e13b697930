from mealquest.core.errors import NotFound, Unavailable


class NoSandbox(NotFound):
    """Outside development there is no such thing; nothing says that there could be."""

    def __init__(self) -> None:
        super().__init__("Not Found")


class ShopRefused(Unavailable):
    """The product did not take the sandbox's callback; `status` is what it answered, 0 for none."""

    code = "SANDBOX_CALLBACK_REFUSED"

    def __init__(self, status: int) -> None:
        super().__init__("the shop did not take the callback", status=status)
