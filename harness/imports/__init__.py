"""Rollouts of other tools -> records of run.db. One file a format; none depends on JAX or on the tool itself."""
