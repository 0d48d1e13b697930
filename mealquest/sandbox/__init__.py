"""Stand-ins for outside parties, so that development shows the whole flow. Not in production."""
