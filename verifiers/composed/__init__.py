"""Verifiers without truth (controls), with noise at known rates, and combinations of others."""
