"""Estimators over arrays: intervals, paired tests, agreement, best-of-k, the law. Knows nothing of runs."""
