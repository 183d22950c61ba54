"""Verifiers that compare the final answer with a reference or an equation, by value or by text.

`math_verify.py` is not imported here: it needs an extra.
"""

from restem.verifiers.exact.substitution import Substitution
from restem.verifiers.exact.sympy_exact import Exact, Sympy

__all__ = ["Exact", "Substitution", "Sympy"]
