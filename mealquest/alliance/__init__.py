"""Stores that act together: what each has set, whom it agreed with, whose wallets it uses."""
