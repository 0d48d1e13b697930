"""Measurements of a running product; `docs/performance.md` has the figures."""
