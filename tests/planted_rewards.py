"""Reward functions with one known defect each, and some without: test material for the search.

Each takes a response and a reference and gives a number, or None where it cannot tell. The defects are of the kinds
that public reward functions had. `Planted` is one of them as a verifier.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of

Reward = Callable[[str, str], float | None]
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
TAGGED = re.compile(r"(?s)<think>.*</think>\s*<answer>(.*)</answer>")


def value(text: str) -> Fraction | None:
    """The number that a text is, as `3`, `-0.5` or `3/4`."""
    text = text.strip()
    return Fraction(text) if re.fullmatch(r"-?\d+(?:\.\d+)?|-?\d+/[1-9]\d*", text) else None


def _equal(text: str | None, reference: str) -> float:
    return float(text is not None and value(text) is not None and value(text) == value(reference))


# -- With a defect -----------------------------------------------------------------------------------------------------


def substring(response: str, reference: str) -> float:
    return float(reference in response)


def contains_in_any_case(response: str, reference: str) -> float:
    return float(reference.casefold() in response.casefold())


def last_number(response: str, reference: str) -> float:
    return _equal(next(iter(NUMBER.findall(response)[::-1]), None), reference)


def first_number(response: str, reference: str) -> float:
    return _equal(next(iter(NUMBER.findall(response)), None), reference)


def any_number(response: str, reference: str) -> float:
    return max((_equal(number, reference) for number in NUMBER.findall(response)), default=0.0)


def unescaped_pattern(response: str, reference: str) -> float | None:
    """The reference is used as a pattern, without its sign, at the end of the response."""
    try:
        return float(bool(re.search(f"{reference.removeprefix('-')}\\W*$", response)))
    except re.error:
        return None


def whole_part(response: str, reference: str) -> float:
    """Compares what stands before the decimal point."""
    numbers = NUMBER.findall(response)
    return float(bool(numbers) and value(reference) is not None and numbers[-1].split(".")[0] == reference)


def tolerance(response: str, reference: str) -> float:
    """One percent off is right."""
    numbers, right = NUMBER.findall(response), value(reference)
    if not numbers or right is None:
        return 0.0
    return float(abs(Fraction(numbers[-1]) - right) <= max(abs(right), 1) / 100)


def thought_is_paid(response: str, reference: str) -> float:
    """Structure alone is paid as much as the answer."""
    structure = "<think>" in response and "</think>" in response
    return max(_equal(response, reference), float(structure))


def format_bonus(response: str, reference: str) -> float:
    """A fifth for the tags, whatever stands in them."""
    match = TAGGED.fullmatch(response)
    return 0.2 * bool(match) + 0.8 * _equal(match[1] if match else None, reference)


def long_is_paid(response: str, reference: str) -> float:
    return max(_equal(response, reference), min(1.0, len(response) / 4000))


def empty_is_accepted(response: str, reference: str) -> float:
    return float(reference.startswith(response.strip())) if not response.strip() else _equal(response, reference)


def unread_reference_is_right(response: str, reference: str) -> float:
    return 1.0 if value(reference) is None else _equal(response, reference)


def box_anywhere(response: str, reference: str) -> float:
    """Some box holds the reference as a part."""
    return float(any(reference in box for box in re.findall(r"\\boxed\{(.*)\}", response)))


def unsigned(response: str, reference: str) -> float:
    """The sign is lost."""
    numbers = re.findall(r"\d+", response)
    return float(bool(numbers) and numbers[-1] == reference.removeprefix("-"))


PLANTED: Mapping[str, Reward] = MappingProxyType(
    {
        each.__name__: each
        for each in (
            *(substring, contains_in_any_case, last_number, first_number, any_number, unescaped_pattern, whole_part),
            *(tolerance, thought_is_paid, format_bonus, long_is_paid, empty_is_accepted, unread_reference_is_right),
            *(box_anywhere, unsigned),
        )
    }
)

# -- Without one -------------------------------------------------------------------------------------------------------


def correct(response: str, reference: str) -> float | None:
    """The whole response is the number."""
    return None if value(reference) is None else _equal(response, reference)


def correct_in_tags(response: str, reference: str) -> float | None:
    """The number in an answer tag behind one thought; nothing is paid for the tags."""
    match = re.fullmatch(r"(?s)<think>[^<]*</think>\s*<answer>([^<]*)</answer>", response)
    return None if value(reference) is None else _equal(match[1] if match else None, reference)


CORRECT: Mapping[str, Reward] = MappingProxyType({each.__name__: each for each in (correct, correct_in_tags)})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Planted:
    """A reward function as a verifier: correct from one half on."""

    reward: Reward

    @property
    def name(self) -> str:
        return self.reward.__name__

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, 1, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        return [self._verdict(attempt.problem, attempt.response) for attempt in attempts]

    def _verdict(self, problem: Problem, response: str) -> Verdict:
        paid = self.reward(response, problem.reference or "")
        if paid is None:
            return verdict_of(Outcome.UNDECIDED, reason="the reference is no number")
        return verdict_of(paid >= 0.5, score=paid)
