"""Merchants that move between two servers."""
