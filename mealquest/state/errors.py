from mealquest.core.errors import Forbidden


class UserScopeDenied(Forbidden):
    code = "USER_SCOPE_DENIED"

    def __init__(self) -> None:
        super().__init__("user scope denied")
