"""Everything about a customer for themselves, and a customer who is erased. The door to this
package: `exports` and `making` write files, `register` says where the schema keeps what concerns
a customer, `leaving` erases.
"""

from mealquest.privacy.exports import ask, document, export_of, exports, take
from mealquest.privacy.leaving import cancel_account, delete_user, what_goes
from mealquest.privacy.making import has_due, make_due, purge_expired

__all__ = [
    "ask",
    "cancel_account",
    "delete_user",
    "document",
    "export_of",
    "exports",
    "has_due",
    "make_due",
    "purge_expired",
    "take",
    "what_goes",
]
