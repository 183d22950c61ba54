"""run.db: records, schema, reading and writing, provenance. No JAX."""
