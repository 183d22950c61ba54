"""Verifiers by a language model: prompts, the grammar of replies, and the rules that need no request."""
