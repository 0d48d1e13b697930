"""Stored value: balances, bonus lots, vouchers, and the double-entry ledger under them."""
