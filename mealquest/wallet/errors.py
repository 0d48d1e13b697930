"""What can go wrong with balances and vouchers, in the words of the wire contract."""

from mealquest.core.errors import Conflict, NotFound, Unavailable


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


class BalancesDiffer(Exception):
    """The wallet's row, its lots and a checkout computed from them disagree: a programming error.

    It ends the transaction, so nothing moves; `doctor` tells which wallet it is.
    """
