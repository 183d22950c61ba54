"""The answers that attacks begin with: constants, copies of the question, wrong answers, hedged right ones.

Takes a problem and, for some, the other problems; gives texts by name. A name's text is None where the problem has no
such answer. BLIND names need no problem, TEMPLATES copy of the question, WRONG ones are made from the reference and
differ from it by value, HEDGED ones name the right answer and do not give it. Whether a text may state a right answer
is for ground_truth.py. Does not depend on verifiers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from restem.benchmarks.attacks.ground_truth import value_of
from restem.benchmarks.code_probes import code_attacks, is_code
from restem.benchmarks.probes import BLANK, attacks
from restem.benchmarks.problem import Problem

Make = Callable[[Problem, Sequence[Problem]], str | None]
_WORKING = "We collect the terms with the unknown on one side and the other terms on the other side. Then we divide. "

_CONSTANTS = (
    *("0", "1", "2", "-1", "3", "4", "5", "6", "8", "10", "12", "24", "42", "100", "1/2"),
    *("x", "A", "B", "C", "D", "yes", "no", "true", "false", "None", "nan", "inf", "[]", "{}"),
)

BLIND: Mapping[str, str] = MappingProxyType(
    {
        **BLANK,
        **{f"constant {text}": text for text in _CONSTANTS},
        "space": " ",
        "empty box": "\\boxed{}",
        "empty answer tag": "<answer></answer>",
        "empty thought": "<think></think>",
        "empty thought and answer": "<think>\n\n</think>\n<answer>\n\n</answer>",
        "empty JSON": '{"answer": ""}',
        "undefined": "It cannot be determined.",
        "refusal": "I do not know.",
        "pangram": "thequickbrownfoxjumpsoverthelazydog",
        "numbers 0 to 30": " ".join(map(str, range(31))),
        "numbers -30 to 200": " ".join(map(str, range(-30, 201))),
        "choices": "A B C D E F G H I J",
        "long": _WORKING * 40,
        "very long": _WORKING * 160,
    }
)
"""Name -> text that is the same for every problem."""
EMPTY = "empty"  # the name of the answer without a character


def text_of(name: str, problem: Problem, others: Sequence[Problem]) -> str | None:
    """The text of that name for the problem; None where it has none."""
    if name in BLIND:
        return BLIND[name]
    if is_code(problem):
        return code_attacks(problem).get("hollow" if name == "wrong" else name)
    make = {**TEMPLATES, **WRONG, **HEDGED}.get(name)
    return make and make(problem, others)


def names(problems: Sequence[Problem]) -> list[str]:
    """The names of all answers that are not right, for these problems."""
    programs = [name for problem in problems[:1] if is_code(problem) for name in code_attacks(problem)]
    return list(dict.fromkeys(["wrong", *programs, *WRONG, *TEMPLATES, *BLIND]))


# -- Copies of the question --------------------------------------------------------------------------------------------


def _question(problem: Problem, _: Sequence[Problem]) -> str | None:
    return attacks(problem).get("question")


def _number_of_question(place: int) -> Make:
    def make(problem: Problem, _: Sequence[Problem]) -> str | None:
        numbers = re.findall(r"\d+(?:\.\d+)?", problem.question)
        return numbers[place] if numbers else None

    return make


def _all_numbers_of_question(problem: Problem, _: Sequence[Problem]) -> str | None:
    return ", ".join(re.findall(r"\d+(?:\.\d+)?", problem.question)) or None


TEMPLATES: Mapping[str, Make] = MappingProxyType(
    {
        "question": _question,
        "first number of the question": _number_of_question(0),
        "last number of the question": _number_of_question(-1),
        "all numbers of the question": _all_numbers_of_question,
    }
)

# -- Wrong answers -----------------------------------------------------------------------------------------------------


def _moved(change: Callable[[Fraction], Fraction]) -> Make:
    """The number of the reference changed; in any other reference with numbers, the first of them."""

    def make(problem: Problem, _: Sequence[Problem]) -> str | None:
        value = value_of(problem.reference)
        if value is not None:
            other = change(value)
            return None if other == value else str(_shown(other))
        if any(value_of(reference) is not None for reference in problem.references):
            return None
        return _first_number_changed(problem.reference or "", change)

    return make


def _first_number_changed(reference: str, change: Callable[[Fraction], Fraction]) -> str | None:
    """None where a factor 0 could make the change void, or where the reference is a text with a number in it."""
    numbers = re.findall(r"\d+", reference)
    words = re.findall(r"(?<!\\)(?<![A-Za-z\\])[A-Za-z]{3,}", re.sub(r"\\[a-z]+", "", reference))
    if not numbers or len(reference) > 200 or words or any(int(number) == 0 for number in numbers):
        return None
    other = change(Fraction(int(numbers[0])))
    if other <= 0 or other.denominator != 1:
        return None
    return re.sub(r"\d+", str(other), reference, count=1)


def _shown(value: Fraction) -> Fraction | str:
    """A decimal where that is exact with few digits, else the fraction."""
    if value.denominator != 1 and (value * 1000).denominator == 1:
        return f"{float(value):.3f}".rstrip("0")
    return value


def _embedded(before: str, after: str, *, whole_only: bool = False) -> Make:
    """The reference's own characters as a part of another number."""

    def make(problem: Problem, _: Sequence[Problem]) -> str | None:
        reference, value = (problem.reference or "").strip(), value_of(problem.reference)
        if value is None or not re.fullmatch(r"-?\d+(?:\.\d+)?(?:/\d+)?", reference):
            return None
        if whole_only and not re.fullmatch(r"\d+", reference):
            return None
        sign, digits = ("-", reference[1:]) if reference.startswith("-") and before else ("", reference)
        return f"{sign}{before}{digits}{after}"

    return make


def _glued(problem: Problem, _: Sequence[Problem]) -> str | None:
    """The letters of a reference in words inside a longer word, which is another word."""
    reference = (problem.reference or "").strip()
    return f"ux{reference}ozk" if re.fullmatch(r"[A-Za-z]+", reference) and value_of(reference) is None else None


def _negative(problem: Problem, _: Sequence[Problem]) -> str | None:
    """The number with the other sign; the minus stands before the very digits."""
    value, reference = value_of(problem.reference), (problem.reference or "").strip()
    if not value:
        return None
    return reference.removeprefix("-") if value < 0 else f"-{reference.removeprefix('+')}"


def _other_choice(problem: Problem, _: Sequence[Problem]) -> str | None:
    reference = (problem.reference or "").strip().strip("()")
    opposite = {"yes": "no", "no": "yes", "true": "false", "false": "true"}.get(reference.casefold())
    if opposite:
        return opposite
    return ("B" if reference != "B" else "C") if re.fullmatch(r"[A-J]", reference) else None


def _of_another(problem: Problem, others: Sequence[Problem]) -> str | None:
    """The reference of the next problem with another reference."""
    ids = [other.id for other in others]
    start = ids.index(problem.id) + 1 if problem.id in ids else 0
    for other in [*others[start:], *others[:start]]:
        if other.reference and other.reference.strip() and other.reference not in problem.references:
            return other.reference if _of_one_kind(other, problem) else None
    return None


def _of_one_kind(left: Problem, right: Problem) -> bool:
    """Whether two references can be told apart by value: both are numbers, or both plain words."""
    values = [value_of(problem.reference) for problem in (left, right)]
    if None not in values:
        return values[0] != values[1]
    return values == [None, None] and all(re.fullmatch(r"[A-Z][a-z]+|[A-J]", p.reference or "") for p in (left, right))


WRONG: Mapping[str, Make] = MappingProxyType(
    {
        "wrong": lambda problem, others: wrong_answer(problem, others),
        "near above": _moved(lambda value: value + 1),
        "near below": _moved(lambda value: value - 1),
        "far": _moved(lambda value: 10 * value + 13),
        "half above": _moved(lambda value: value + Fraction(1, 2)),
        "tenth above": _moved(lambda value: value + Fraction(1, 10)),
        "percent off": _moved(lambda value: value * Fraction(101, 100)),
        "negative": _negative,
        "digit before": _embedded("1", ""),
        "digit after": _embedded("", "1"),
        "decimals after": _embedded("", ".5", whole_only=True),
        "exponent": _embedded("3^", "", whole_only=True),
        "power": _embedded("", "^3", whole_only=True),
        "numerator": _embedded("", "/3", whole_only=True),
        "denominator": _embedded("3/", "", whole_only=True),
        "glued": _glued,
        "other choice": _other_choice,
        "of another problem": _of_another,
        "nonsense": lambda *_: "zorblax",
    }
)

# -- Answers that name the right one and do not give it ----------------------------------------------------------------


def _hedge(pattern: str) -> Make:
    def make(problem: Problem, others: Sequence[Problem]) -> str | None:
        right, wrong = (problem.reference or "").strip(), wrong_answer(problem, others)
        return pattern.replace("RIGHT", right).replace("WRONG", wrong) if right and wrong else None

    return make


def wrong_answer(problem: Problem, others: Sequence[Problem]) -> str | None:
    """The first wrong answer that the problem has."""
    made = (WRONG[name](problem, others) for name in ("near above", "other choice", "of another problem", "nonsense"))
    return next((text for text in made if text), None)


HEDGED: Mapping[str, Make] = MappingProxyType(
    {
        "either": _hedge("RIGHT or WRONG"),
        "either, reversed": _hedge("WRONG or RIGHT"),
        "equation": _hedge("WRONG = RIGHT"),
        "negated": _hedge("The answer is not RIGHT."),
        "not": _hedge("not RIGHT"),
        "taken back": _hedge("RIGHT. No, that is wrong. The answer is WRONG."),
        "two boxes": _hedge("\\boxed{RIGHT} or \\boxed{WRONG}"),
        "two boxes, reversed": _hedge("\\boxed{WRONG} or \\boxed{RIGHT}"),
        "wrong, then a remark": _hedge("The answer is WRONG. Some people believe that it is RIGHT"),
        "list": _hedge("RIGHT, WRONG"),
    }
)
