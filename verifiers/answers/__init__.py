"""Where the final answer of a response stands, and what it is. Knows nothing of references or verdicts."""
