"""Estimators over arrays: intervals, paired tests, agreement, best-of-k, the predictor. Does not depend on runs."""
