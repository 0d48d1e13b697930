"""What identity answers."""

from mealquest.core.principal import Role
from mealquest.core.wire import Page, Timestamp, View


class CodeRequestedView(View):
    """Says nothing of whether the phone is known, and never the code."""

    phone: str
    expires_in_sec: int


class Profile(View):
    """Who signed in. Without a merchant the role is OWNER, for what they may become."""

    role: Role
    merchant_id: str | None
    phone: str
    operator_id: str | None = None
    name: str | None = None


class MerchantChoice(View):
    merchant_id: str
    name: str
    role: Role


class SignedInView(View):
    """`token` is null only while `merchants` asks at which of them to sign in."""

    token: str | None
    profile: Profile
    merchants: list[MerchantChoice] | None = None


class CustomerProfile(View):
    """A customer who signed in; `phone` is null when none of theirs is known."""

    role: Role = Role.CUSTOMER
    merchant_id: str
    user_id: str
    phone: str | None


class CustomerSignedInView(View):
    """`is_new_user`: this sign-in made the customer."""

    token: str
    profile: CustomerProfile
    is_new_user: bool


class CustomerView(View):
    uid: str
    display_name: str
    phone_masked: str | None
    tags: list[str]
    created_at: Timestamp


class OwnProfileView(View):
    """What the shop knows about a customer, for themselves; `birthday` as MM-DD."""

    merchant_id: str
    user_id: str
    display_name: str
    phone_masked: str | None
    birthday: str | None


class BirthdayView(View):
    user_id: str
    birthday: str | None  # MM-DD


class CustomersPage(Page):
    merchant_id: str
    items: list[CustomerView]


class CustomerCodeView(View):
    """A new code is due in `expires_in_sec`; the old one still counts for one minute more."""

    code: str
    expires_in_sec: int
    qr_svg: str


class StaffView(View):
    """Somebody of the team; `sessions` counts where they are signed in at the moment."""

    staff_id: str
    role: Role
    name: str
    phone_masked: str | None
    created_at: Timestamp
    last_seen_at: Timestamp | None
    sessions: int


class StaffListView(View):
    merchant_id: str
    items: list[StaffView]


class StaffRemovedView(View):
    staff_id: str
    removed: bool = True


class SessionView(View):
    """One sign-in. `device` may be empty; `current` marks the one that asks."""

    session_id: str
    device: str
    created_at: Timestamp
    last_seen_at: Timestamp
    expires_at: Timestamp
    current: bool


class SessionsView(View):
    merchant_id: str
    staff_id: str
    items: list[SessionView]


class SessionEndedView(View):
    staff_id: str
    session_id: str
    ended: bool = True


class PersonView(StaffView):
    """Somebody of the team with their sign-ins, newest first."""

    signed_in: list[SessionView]
    is_self: bool
