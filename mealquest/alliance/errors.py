from mealquest.core.errors import Conflict, Invalid, NotFound


class StoreNotFound(Invalid):
    code = "STORE_NOT_FOUND"

    def __init__(self, store_id: str) -> None:
        super().__init__(f"store not found: {store_id}", storeId=store_id)


class NoInvitation(NotFound):
    """The other store does not list this one, or does no more."""

    code = "ALLIANCE_NO_INVITATION"

    def __init__(self) -> None:
        super().__init__("there is no invitation from this store")


class InvitationChanged(Conflict):
    """What was shown when it was accepted is not what it says by now."""

    code = "ALLIANCE_INVITATION_CHANGED"

    def __init__(self) -> None:
        super().__init__("the invitation has changed since it was shown, look at it again")


class NoSuchPartner(NotFound):
    code = "ALLIANCE_PARTNER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("there is no such store in the alliance")


class NameNotUnique(Conflict):
    code = "ALLIANCE_NAME_NOT_UNIQUE"

    def __init__(self) -> None:
        super().__init__("several stores have this name, use the id")


class InviteSomebodyElse(Invalid):
    code = "ALLIANCE_OWN_STORE"

    def __init__(self) -> None:
        super().__init__("a store cannot invite itself")


class AllianceBusy(Conflict):
    """Other stores of the alliance were changed at the same moment, again and again."""

    code = "ALLIANCE_BUSY"

    def __init__(self) -> None:
        super().__init__("other stores of the alliance are being changed, try again")


class CurrencyShared(Conflict):
    """Stores that share wallets keep one currency."""

    code = "CURRENCY_SHARED"

    def __init__(self) -> None:
        super().__init__("currency cannot change while a wallet is shared")


class StoresApart(Conflict):
    """Books of two databases cannot be written in one transaction."""

    code = "ALLIANCE_STORES_APART"

    def __init__(self) -> None:
        super().__init__("the stores lie in different databases, ask your operator")
