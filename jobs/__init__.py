"""RQ entry points, one module per feature: claim, delegate, report."""
