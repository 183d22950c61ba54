"""The scores that reasoning-gym tasks give to answers, computed in the killable worker.

Takes a task's entry and texts as JSON; gives a score each. Importing this file imports the package and alters it, so
only the worker imports it.

The package was not written for hostile text: four tasks call `eval` on the answer, one on what stands in the data, and
five call SymPy's `parse_expr`, which evaluates the answer too. Here `eval` of these tasks reads literals alone, and a
text goes to `parse_expr` only where it holds nothing but numbers, operators, single letters and the names of elementary
functions. Neither leaves a text that can call anything.
"""

from __future__ import annotations

import ast
import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from restem.benchmarks.reasoning_gym import dataset, settings, unpacked
from restem.benchmarks.reasoning_gym_package import module, registry
from restem.verifiers.algebra.grammar import fraction

# What `parse_expr` may get: numbers, operators, brackets, single letters that SymPy gives no meaning but E and I, and
# elementary functions. No attribute, index, text or call of anything else can be written with them.
_FUNCTIONS = "exp|log|ln|sqrt|sin|cos|tan|asin|acos|atan|sinh|cosh|tanh|sec|csc|cot|pi|Abs"
_EXPRESSION = re.compile(
    rf"(?:\s|[0-9]++(?:\.[0-9]++)?+|\.[0-9]++|(?<![A-Za-z0-9])(?:{_FUNCTIONS}|[A-MPRT-Za-z])(?![A-Za-z0-9])"
    r"|[-+*/(),])*+"
)
_COMPLEX = re.compile(r"[-+0-9.eij()\s]*", re.IGNORECASE)
_EVALUATING = (  # modules that call `eval` on an answer or on what stands in the data
    *("algorithmic.string_insertion", "algorithmic.spiral_matrix", "algorithmic.binary_matrix"),
    *("algorithmic.number_sorting", "games.n_queens"),
)
_PARSED = ("simple_integration", "intermediate_integration", "polynomial_multiplication", "countdown", "puzzle24")


def scored(item: Sequence[Any]) -> list[float | str]:
    """The task's score of each text, in [0, 1]; or why there is none: `refused`, `unread`, or the exception's name.

    Raises:
        ValueError: There is no such task or regime, or data that would be evaluated are no expression.
    """
    task, regime, question, reference, metadata, texts = item
    entry = {"question": question, "answer": reference, "metadata": unpacked(metadata)}
    if task in _PARSED and not all(map(_EXPRESSION.fullmatch, (reference, entry["metadata"].get("integrand", "")))):
        raise ValueError("data of the problem are no expression")
    scorer = _dataset(task, regime)
    return [_score(scorer, task, text, entry) for text in texts]


def _score(scorer: Any, task: str, text: str, entry: dict[str, Any]) -> float | str:
    if task in _PARSED:
        text = text.replace("^", "**")  # to `parse_expr` it is the exclusive or, which no task asks for
        if not _EXPRESSION.fullmatch(text):
            return "refused"
    check = _CHECKS.get(task)
    passed = True if check is None else check(text, entry)
    if not passed:
        return "unread" if passed is None else 0.0
    try:
        score = float(scorer.score_answer(text, entry))
    except MemoryError:
        raise
    except Exception as problem:  # the task's code can raise anything; the text then has no score
        return f"raised: {type(problem).__name__}"
    return min(max(score, 0.0), 1.0) if math.isfinite(score) else "no number"


def _makes_24(text: str, entry: Mapping[str, Any]) -> bool:
    """Whether an expression uses the four numbers of the puzzle, and is 24 exactly."""
    used = sorted(map(int, re.findall("[0-9]+", text)))
    return used == sorted(entry["metadata"]["numbers"]) and fraction(text.replace("**", "^")) in (24, None)


def _is_near(text: str, entry: Mapping[str, Any]) -> bool:
    """Whether a probability is that of the task, within the task's own tolerance."""
    values = fraction(text.replace(",", "")), fraction(entry["answer"])
    return None in values or abs(values[0] - values[1]) <= 1e-4  # type: ignore[operator]


def _is_equal(text: str, entry: Mapping[str, Any]) -> bool | None:
    number = fraction(text)
    return None if number is None else number == fraction(entry["answer"])


def _is_complex(text: str, _: Mapping[str, Any]) -> bool | None:
    if _COMPLEX.fullmatch(text):
        return True
    return False if re.search("nan|inf", text, re.IGNORECASE) else None


def _is_truth_value(text: str, entry: Mapping[str, Any]) -> bool | None:
    value = text.strip().lower()
    return value == entry["answer"].lower() if value in ("true", "false") else None


# What else an answer has to be, where the score of a task in reasoning-gym 0.1.25 is full without its being right; None
# from a check: it cannot read the text.
_CHECKS: Mapping[str, Callable[[str, Mapping[str, Any]], bool | None]] = {
    "coin_flip": _is_near,  # the full score for a number that only begins like the right one, such as 0
    "complex_arithmetic": _is_complex,  # the full score for "nan"
    "game_of_life_halting": _is_truth_value,  # the full score for every text that is not empty
    "gsm_symbolic": _is_equal,  # the first number of a text, without its sign
    "puzzle24": _makes_24,  # any four numbers, and 24.9
}


@functools.cache
def _dataset(task: str, regime: str) -> Any:
    """A dataset of the task, on whose configuration its score may depend."""
    return dataset(task, settings(task, regime), 0)


registry()  # not at the first answer, whose time limit the import would exceed
for _name in _EVALUATING:
    module(_name).eval = ast.literal_eval
