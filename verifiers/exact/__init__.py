"""Verifiers that compare the final answer with a reference or an equation, by value or by text."""
