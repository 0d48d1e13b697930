from mealquest.core.errors import Conflict, Forbidden, Invalid, NotFound


class UserNotFound(NotFound):
    code = "USER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("user not found")


class StaffNotFound(NotFound):
    code = "STAFF_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("staff not found")


class StaffExists(Conflict):
    code = "STAFF_ALREADY_EXISTS"

    def __init__(self) -> None:
        super().__init__("staff already exists")


class StaffPhoneTaken(Conflict):
    code = "STAFF_PHONE_TAKEN"

    def __init__(self) -> None:
        super().__init__("phone already belongs to another staff member")


class LastOwner(Conflict):
    """Nobody could sign in as the owner afterwards."""

    code = "LAST_OWNER"

    def __init__(self) -> None:
        super().__init__("the last owner cannot leave or take another role")


class ConfirmNeeded(Conflict):
    """The caller's own access is at stake; the same request with `confirm` goes through."""

    code = "CONFIRM_NEEDED"


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("session not found")


class CodeRefused(Invalid):
    """The code does not prove the phone. The message is the wire contract's."""

    code = "CODE_REFUSED"


class CustomerCodeRefused(Invalid):
    """The code that a customer shows does not say who they are, or no longer does."""

    code = "CUSTOMER_CODE_REFUSED"


class MerchantScopeDenied(Forbidden):
    code = "MERCHANT_SCOPE_DENIED"

    def __init__(self) -> None:
        super().__init__("merchant scope denied")


class UserExists(Conflict):
    code = "USER_ALREADY_EXISTS"

    def __init__(self) -> None:
        super().__init__("user already exists")
