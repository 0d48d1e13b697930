"""What can go wrong with balances and vouchers, in the words of the wire contract."""

from mealquest.core.errors import (
    Conflict,
    Invalid,
    MerchantUnavailable,
    NotFound,
    PolicyBlocked,
    Unavailable,
)


class WalletBusy(Unavailable):
    """Another movement held the wallet for longer than the lock timeout."""

    code = "WALLET_BUSY"

    def __init__(self) -> None:
        super().__init__("the wallet is busy, try again")


class VoucherNotFound(NotFound):
    code = "VOUCHER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("voucher not found")


class VoucherNotUsable(Conflict):
    """`why` completes the sentence, as in `it has expired`."""

    code = "VOUCHER_NOT_USABLE"

    def __init__(self, why: str) -> None:
        super().__init__(f"voucher cannot be used: {why}")


class EntryNotFound(NotFound):
    """Also an entry of somebody else: that it exists is not told."""

    code = "LEDGER_ENTRY_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("ledger entry not found")


class KeeperAway(MerchantUnavailable):
    """The store that keeps a wallet lies in another database by now."""


class KeeperFrozen(PolicyBlocked):
    """Nothing moves in the wallets of a frozen store, also where another one shares them."""

    def __init__(self) -> None:
        super().__init__("the store that keeps this wallet is read-only at the moment")


class WalletNotShared(Conflict):
    code = "WALLET_NOT_SHARED"

    def __init__(self) -> None:
        super().__init__("this store keeps its wallets itself: there is no other to move into")


class NothingToMove(Conflict):
    code = "NOTHING_TO_MOVE"

    def __init__(self) -> None:
        super().__init__("nothing is free in this store's own wallet of the customer")


class CurrenciesDiffer(Conflict):
    """One of two stores that share a wallet has changed its currency since they agreed."""

    code = "ALLIANCE_CURRENCIES_DIFFER"

    def __init__(self) -> None:
        super().__init__("the stores that share this wallet keep different currencies")


class ExposureExceeded(Conflict):
    """Stores that share a wallet would owe each other more than one of them allows.

    `debtor` would owe `creditor` too much; the store that acts is one of the two.
    """

    code = "ALLIANCE_EXPOSURE_EXCEEDED"

    def __init__(self, debtor: str, creditor: str) -> None:
        super().__init__(
            "this would pass the limit of what stores that share a wallet may owe each other:"
            " take the money another way, or settle between the stores first",
            debtor=debtor,
            creditor=creditor,
        )


class NothingOwed(Conflict):
    """Only the store that is owed can say that it was paid, or give up what it is owed."""

    code = "SETTLEMENT_NOTHING_OWED"

    def __init__(self) -> None:
        super().__init__("this store owes you nothing: only the store that is owed can settle")


class OwedLess(Invalid):
    code = "SETTLEMENT_OWED_LESS"

    def __init__(self) -> None:
        super().__init__("amount exceeds what the store owes")


class PartnerNotFound(NotFound):
    """No wallet was ever shared with it, and no limit set for it."""

    code = "SETTLEMENT_PARTNER_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("there is nothing between you and this store")


class BalancesDiffer(Exception):
    """The wallet's row, its lots and a checkout computed from them disagree: a programming error.

    It ends the transaction, so nothing moves; `doctor` tells which wallet it is.
    """
