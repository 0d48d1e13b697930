"""The mover: a merchant changes its database while its shop keeps selling, and can come back."""
