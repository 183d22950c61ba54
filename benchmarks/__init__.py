"""Sets of problems. Plain Python: no JAX, nothing of the other packages."""
