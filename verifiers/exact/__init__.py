"""Verifiers that compare the final answer by value."""
