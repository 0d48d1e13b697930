from mealquest.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamTimedOut,
)


class UserNotFound(NotFound):
    code = "USER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("user not found")


class UserScopeDenied(Forbidden):
    """A customer asked for what is somebody else's."""

    code = "USER_SCOPE_DENIED"

    def __init__(self) -> None:
        super().__init__("user scope denied")


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


class SocialIdentityInvalid(Unauthenticated):
    """The provider does not know the code, or says nothing of who holds it."""

    code = "SOCIAL_IDENTITY_INVALID"


class SocialNotConfigured(Unavailable):
    code = "SOCIAL_NOT_CONFIGURED"


class SocialProviderBusy(Unavailable):
    """As many sign-ins wait for the provider as may; the others are not to wait as well."""

    code = "SOCIAL_PROVIDER_BUSY"


class SocialProviderAway(Unavailable):
    code = "SOCIAL_PROVIDER_AWAY"


class SocialProviderFailed(UpstreamFailed):
    code = "SOCIAL_PROVIDER_FAILED"


class SocialProviderTimedOut(UpstreamTimedOut):
    code = "SOCIAL_PROVIDER_TIMED_OUT"


class PhoneRequired(Invalid):
    """Somebody new, whose phone nobody has proved."""

    code = "PHONE_REQUIRED"

    def __init__(self) -> None:
        super().__init__("phone is required for customer login")


class PhoneBound(Conflict):
    """The provider's person and the phone are two customers of this merchant."""

    code = "PHONE_BOUND"

    def __init__(self) -> None:
        super().__init__("phone already bound to another user")
