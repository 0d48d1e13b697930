"""News of a merchant to open browsers and apps, after the commit."""
