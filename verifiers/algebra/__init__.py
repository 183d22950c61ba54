"""Text to exact values and back: characters, grammar, trees, equality. Knows nothing of responses or verdicts."""
