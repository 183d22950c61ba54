"""English number words to whole numbers.

Takes words in lower case; gives an integer, or None for anything that is not exactly one numeral ("a dozen", "seven
seven"). Does not read signs, digits or sentences.
"""

from __future__ import annotations

from collections.abc import Sequence


def word_set(text: str) -> frozenset[str]:
    """The words of a text, as a constant set."""
    return frozenset(text.split())


def _listed(words: str, step: int = 1, first: int = 0) -> dict[str, int]:
    return {word: step * number for number, word in enumerate(words.split(), first)}


_SMALL = {
    **_listed("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"),
    **_listed("sixteen seventeen eighteen nineteen", first=16),
    **_listed("twenty thirty forty fifty sixty seventy eighty ninety", step=10, first=2),
}
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
MULTIPLES = {**SCALES, "dozen": 12}
SIGNS = {"minus": -1, "negative": -1, "plus": 1, "positive": 1}
NUMBER_WORDS = frozenset([*_SMALL, *SCALES, *SIGNS])


def numeral(words: Sequence[str]) -> int | None:
    """The whole number that the words spell, or None; scales must decrease, each with a count below 1,000."""
    if len(words) > 1 and words[0] == "a" and words[1] in SCALES:
        words = ["one", *words[1:]]
    total, limit, start = 0, 10**15, 0
    for index, word in enumerate(words):
        scale = SCALES.get(word, 0)
        if scale > 100:
            count = _below_thousand(words[start:index])
            if scale >= limit or not count:
                return None
            total, limit, start = total + scale * count, scale, index + 1
    rest = words[start:]
    if total and rest[:1] == ["and"] and len(rest) > 1:
        rest = rest[1:]
    if total and not rest:
        return total
    last = _below_thousand(rest)
    return None if last is None else total + last


def _below_thousand(words: Sequence[str]) -> int | None:
    """`two hundred and five` -> 205; None for another number of numerals than one."""
    total = 0
    if len(words) > 1 and words[1] == "hundred" and 1 <= _SMALL.get(words[0], 0) <= 9:
        total, words = 100 * _SMALL[words[0]], words[2:]
        if not words:
            return total
        if words[0] == "and":
            words = words[1:]
    if not words or any(word not in _SMALL for word in words):
        return None
    numbers = [_SMALL[word] for word in words]
    two = len(numbers) == 2 and numbers[0] >= 20 and 1 <= numbers[1] <= 9
    return total + sum(numbers) if two or len(numbers) == 1 else None
