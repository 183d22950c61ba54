"""Estimators over arrays: intervals, paired tests, agreement, best-of-k, the law. Does not depend on runs."""
