"""People: staff, customers, phone codes, tokens."""
