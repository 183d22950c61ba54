"""The final answer of a response: its text, its position, and the rule that found it. Depends on no verdict."""
