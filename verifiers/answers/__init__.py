"""The final answer of a response: its text, its position, and the rule that found it. Depends on no verdict."""

from restem.verifiers.answers.expressions import find_expression
from restem.verifiers.answers.final_answer import READER_VERSION, Answer, asked_variable, find
from restem.verifiers.answers.general import Reading, read_answer
from restem.verifiers.answers.words import find_word

__all__ = [
    "READER_VERSION",
    "Answer",
    "Reading",
    "asked_variable",
    "find",
    "find_expression",
    "find_word",
    "read_answer",
]
