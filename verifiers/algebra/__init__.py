"""Text to exact values: characters, grammars, trees, equality, exact algebra. Depends on no response and no verdict.

`parse`, `fraction` and `equality` read and compare numbers and expressions strictly. `read_value` and `same_value` read
and compare whatever references of word problems and of mathematics hold. `symbolic.py` and `numeric.py` are not
imported here: they load SymPy, and run only in the killable worker.
"""

from restem.verifiers.algebra.characters import canonical
from restem.verifiers.algebra.comparison import same_value
from restem.verifiers.algebra.equality import NeedsAlgebra, equality
from restem.verifiers.algebra.grammar import exact_value, fraction, parse
from restem.verifiers.algebra.nodes import Many, Node, Number, Operation, Symbol, Unreadable, value
from restem.verifiers.algebra.reading import is_evaluated, read_value

__all__ = [
    "Many",
    "NeedsAlgebra",
    "Node",
    "Number",
    "Operation",
    "Symbol",
    "Unreadable",
    "canonical",
    "equality",
    "exact_value",
    "fraction",
    "is_evaluated",
    "parse",
    "read_value",
    "same_value",
    "value",
]
