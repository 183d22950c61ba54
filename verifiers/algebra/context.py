"""What a comparison of two values needs: the question, the comparison of single expressions, and itself.

The rooms `wording`, `measures`, `left_sides` and `several` each compare some kinds of values; `comparison.py` calls
them, and they compare the parts of a value with `Context.same`. Does not depend on text or responses.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeAlias

from restem.verifiers.algebra.nodes import Call, Constant, Node, Number, Operation, Symbol
from restem.verifiers.algebra.questions import Question

Result: TypeAlias = bool | str
"""Whether two values are equal, or the reason why that cannot be decided."""
Leaf: TypeAlias = Callable[[Node, Node], Result]
PLAIN = (Number, Symbol, Operation, Constant, Call)


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """What a comparison needs.

    Attributes:
        question: What the question asks for.
        leaf: Compares two single expressions.
        same: Compares two values of any kind.
    """

    question: Question
    leaf: Leaf
    same: Leaf


def both(results: Sequence[Result]) -> Result:
    """Whether all hold: false where one is false, else the first reason."""
    if any(result is False for result in results):
        return False
    return next((result for result in results if result is not True), True)
