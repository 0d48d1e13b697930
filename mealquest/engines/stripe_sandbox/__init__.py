"""A payment service for development and tests that speaks Stripe's API; no money moves.

A process of its own with a SQLite file, or a thread over memory. Standard library only.
"""
