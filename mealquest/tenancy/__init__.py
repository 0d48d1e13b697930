"""Merchants: who they are, their settings, and the policy that may hold their operations back."""
