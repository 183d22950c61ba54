"""Use cases, where all four packages meet: run, verify, judges, policies."""
