"""Text to exact values: characters, grammar, trees, equality, exact algebra. Depends on no response and no verdict.

`symbolic.py` is not imported here: it loads SymPy, and runs only in the killable worker.
"""

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.equality import equality
from restem.verifiers.algebra.grammar import exact_value, fraction, parse
from restem.verifiers.algebra.nodes import Many, Node, Number, Operation, Symbol, Unreadable, value

__all__ = [
    "Many",
    "Node",
    "Number",
    "Operation",
    "Symbol",
    "Unreadable",
    "canonical",
    "equality",
    "exact_value",
    "fraction",
    "parse",
    "value",
]
