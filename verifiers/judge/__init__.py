"""Verifiers by a language model: judge, prompts, reply grammar, openers."""

from restem.verifiers.judge.judge import Judge

__all__ = ["Judge"]
