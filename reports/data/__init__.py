"""run.db to arrays."""
