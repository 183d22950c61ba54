"""A policy behind OpenAI's HTTP routes, and the embedded judge that uses it."""
