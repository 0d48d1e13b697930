"""People: staff, customers, how they prove who they are, and what their tokens say.

One module per use case; other features import them from here.
"""

from mealquest.identity import restoring
from mealquest.identity.birthdays import (
    birthday_of,
    born_in,
    born_on,
    own_profile,
    set_birthday,
    set_own_birthday,
)
from mealquest.identity.bringing import Brought, bring_profile
from mealquest.identity.codes import purge_codes, request_code
from mealquest.identity.customer_codes import (
    CODE_TRIES,
    begins_as_code,
    own_code,
    parse_code,
    resolve_code,
)
from mealquest.identity.customers import (
    add_fragments,
    create_customer,
    customer_facts,
    find_or_create_customer,
    fragments_of,
    rename_customer,
)
from mealquest.identity.demo import DEMO_NAMES, DEMO_PEOPLE, DEMO_STAFF, DemoPerson, demo_people
from mealquest.identity.domain import (
    APPLICANT_LIFE,
    TOKEN_LIFE,
    Provider,
    anonymous_user_id,
    birthdays_on,
    digits_of,
    masked,
    named_user_id,
)
from mealquest.identity.erasing import (
    PersonalTexts,
    erase_customer,
    erased_since,
    personal_texts,
)
from mealquest.identity.errors import (
    CodeRefused,
    ConfirmNeeded,
    CustomerCodeRefused,
    LastOwner,
    MerchantScopeDenied,
    SessionNotFound,
    StaffExists,
    StaffNotFound,
    StaffPhoneTaken,
    UserExists,
    UserNotFound,
    UserScopeDenied,
)
from mealquest.identity.forms import CustomersForm
from mealquest.identity.gateway import send_sms
from mealquest.identity.joined import customers, every_customer
from mealquest.identity.names import ShownCustomer, cancelled_among, shown_customers
from mealquest.identity.personal import PersonalKey, personal_key, personal_keys, wrap_again
from mealquest.identity.phones import wrap_lookup_key_again
from mealquest.identity.queries import CustomerFacts, Named, all_staff, people, tags_of_all
from mealquest.identity.replies import (
    CodeRequestedView,
    CustomerCodeView,
    CustomersPage,
    CustomerView,
    MerchantChoice,
    PersonView,
    Profile,
    SessionEndedView,
    SessionsView,
    SignedInView,
    StaffListView,
    StaffRemovedView,
    StaffView,
)
from mealquest.identity.sealing import seal_customers, seal_staff_again
from mealquest.identity.sessions import (
    end_session,
    mark_seen,
    purge_sessions,
    sessions_of,
    start_session,
)
from mealquest.identity.sign_in import sign_in
from mealquest.identity.social import forget_identities, identities_of, sign_in_customer
from mealquest.identity.social_queries import Linked
from mealquest.identity.staff import (
    add_staff,
    has_customers,
    principal_of,
    remove_all_staff,
    remove_staff,
    sign_out,
    staff_principal,
    works_at,
)
from mealquest.identity.standing import standing
from mealquest.identity.team import change_staff, invite, let_go, team, team_member
from mealquest.identity.team_queries import present_staff
from mealquest.identity.tokens import Claims, InvalidToken, TokenExpired, mint
from mealquest.identity.tokens import read as read_token
from mealquest.tenancy.service import Operation

__all__ = [
    "APPLICANT_LIFE",
    "CODE_TRIES",
    "DEMO_NAMES",
    "DEMO_PEOPLE",
    "DEMO_STAFF",
    "TOKEN_LIFE",
    "Brought",
    "Claims",
    "CodeRefused",
    "CodeRequestedView",
    "ConfirmNeeded",
    "CustomerCodeRefused",
    "CustomerCodeView",
    "CustomerFacts",
    "CustomerView",
    "CustomersForm",
    "CustomersPage",
    "DemoPerson",
    "InvalidToken",
    "LastOwner",
    "Linked",
    "MerchantChoice",
    "MerchantScopeDenied",
    "Named",
    "Operation",
    "PersonView",
    "PersonalKey",
    "PersonalTexts",
    "Profile",
    "Provider",
    "SessionEndedView",
    "SessionNotFound",
    "SessionsView",
    "ShownCustomer",
    "SignedInView",
    "StaffExists",
    "StaffListView",
    "StaffNotFound",
    "StaffPhoneTaken",
    "StaffRemovedView",
    "StaffView",
    "TokenExpired",
    "UserExists",
    "UserNotFound",
    "UserScopeDenied",
    "add_fragments",
    "add_staff",
    "all_staff",
    "anonymous_user_id",
    "begins_as_code",
    "birthday_of",
    "birthdays_on",
    "born_in",
    "born_on",
    "bring_profile",
    "cancelled_among",
    "change_staff",
    "create_customer",
    "customer_facts",
    "customers",
    "demo_people",
    "digits_of",
    "end_session",
    "erase_customer",
    "erased_since",
    "every_customer",
    "find_or_create_customer",
    "forget_identities",
    "fragments_of",
    "has_customers",
    "identities_of",
    "invite",
    "let_go",
    "mark_seen",
    "masked",
    "mint",
    "named_user_id",
    "own_code",
    "own_profile",
    "parse_code",
    "people",
    "personal_key",
    "personal_keys",
    "personal_texts",
    "present_staff",
    "principal_of",
    "purge_codes",
    "purge_sessions",
    "read_token",
    "remove_all_staff",
    "remove_staff",
    "rename_customer",
    "request_code",
    "resolve_code",
    "restoring",
    "seal_customers",
    "seal_staff_again",
    "send_sms",
    "sessions_of",
    "set_birthday",
    "set_own_birthday",
    "shown_customers",
    "sign_in",
    "sign_in_customer",
    "sign_out",
    "staff_principal",
    "standing",
    "start_session",
    "tags_of_all",
    "team",
    "team_member",
    "works_at",
    "wrap_again",
    "wrap_lookup_key_again",
]
