"""Answers in words: numbers in words with their nouns, names, yes and no, "no solution".

Takes words; gives a tree, or None where the words have no such meaning. Does not depend on the grammar of formulas.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from restem.verifiers.algebra.nodes import Many, Node, Number, Quantity, Words
from restem.verifiers.algebra.number_words import NUMBER_WORDS, SIGNS, numeral, word_set
from restem.verifiers.algebra.regions import REALS
from restem.verifiers.algebra.units import unit_of

MAX_WORDS = 30
MAX_NOUN = 12

EMPTY = Many("{", ())
_ARTICLES = frozenset({"a", "an", "the"})
_NOTHING = re.compile(
    r"(?:there (?:is|are) )?(?:(?:no|0|zero) (?:\w+ ){0,2}(?:solutions?|roots?|values?|intersections?)(?: exists?)?"
    r"|none|empty set|no such \w+(?: \w+){0,2}|(?:no|not) possible|impossible|null set)"
)
_EVERYTHING = re.compile(r"(?:all |any |set of )?(?:all )?real(?:s| numbers?)|\(-infinity, infinity\)")
_YES_OR_NO = re.compile(r"(yes|no)[,.;:] ")
_ORDINAL = re.compile(r"^([0-9]+)(?:st|nd|rd|th)$")
_YES_OR_NO_WORD = re.compile(r"\b(?:yes|no|but|or)\b")
_WORDY = re.compile(r"[A-Za-z\u00c0-\u024f0-9 '\"().,!?/&-]+")
_WORD = re.compile(r"[A-Za-z\u00c0-\u024f0-9']+")
_PARTS = {
    **dict.fromkeys(("half", "halves"), 2),
    **{
        word + end: number
        for word, number in (
            ("third", 3),
            ("quarter", 4),
            ("fourth", 4),
            ("fifth", 5),
            ("sixth", 6),
            ("seventh", 7),
            ("eighth", 8),
            ("ninth", 9),
            ("tenth", 10),
            ("twelfth", 12),
            ("hundredth", 100),
        )
        for end in ("", "s")
    },
}
# Words behind a number that change it: the number alone is then not the value.
_CHANGES = word_set(
    "not about approximately roughly around minus plus divided between to nearly almost remainder over"
    " than or if below least most squared cubed factorial hundredths tenths thousandths choose mod modulo root"
    " is are was were isn't wrong incorrect might maybe probably possibly perhaps unless but except guess think should"
)


def wordy(text: str) -> Node | None:
    """The value of a text in words that is no expression: "no solution", "all real numbers", "twenty-four apples"."""
    if not text[:1].isalpha() or "\\" in text or len(text) > 200:
        return None
    lower = " ".join(text.lower().strip(" .!").split())
    if lower.startswith("the "):
        lower = lower[4:]
    verdict = _YES_OR_NO.match(lower)
    if verdict and not _YES_OR_NO_WORD.search(lower[verdict.end() :]):
        return Words((verdict[1],))
    if _NOTHING.fullmatch(lower):
        return EMPTY
    if _EVERYTHING.fullmatch(lower):
        return REALS
    return counted(text.replace("-", " ").split()) if _WORDY.fullmatch(text) else None


def counted(texts: Sequence[str]) -> Node | None:
    """The value of a number in words, with the noun or unit behind it; None for other words."""
    words = [text.lower().strip(".,!") for text in texts if text.strip(".,!-")]
    sign = SIGNS.get(words[0], 0) if words else 0
    rest = words[1:] if sign else words
    if not rest or rest[0] not in NUMBER_WORDS | {"a", "half"} or rest[0] in SIGNS:
        return None
    number, count = _longest_numeral(rest)
    if number is None:
        return None
    if rest[count : count + 1] == ["dozen"]:
        number, count = 12 * number, count + 1
    if rest[count : count + 3] == ["and", "a", "half"]:
        number, count = number + Fraction(1, 2), count + 3
    noun = rest[count:]
    if any(word in NUMBER_WORDS for word in noun) or (noun and not is_noun(noun)):
        return None
    value = Number(number * (sign or 1))
    unit = unit_of(" ".join(noun)) if noun else None
    return value if unit is None else Quantity(value, unit)


def _longest_numeral(words: Sequence[str]) -> tuple[Fraction | None, int]:
    """The number that the first words spell, and how many words that are."""
    if words[0] == "half" and words[1:2] in (["a"], ["an"]) and len(words) > 2:
        return Fraction(1, 2), 2
    if words[0] in ("half", "a") and len(words) <= 2 and words[-1] in ("half", "third", "quarter"):
        return Fraction(1, _PARTS[words[-1]]), len(words)
    if words[1:2] == ["hundred"] and 10 < (numeral(words[:1]) or 0) < 100:
        return Fraction(100 * (numeral(words[:1]) or 0)), 2  # fifteen hundred
    for count in range(min(len(words), MAX_NOUN), 0, -1):
        if words[count - 1] not in NUMBER_WORDS:
            continue
        number = numeral(words[:count])
        if number is not None:
            under = _PARTS.get(words[count]) if count < len(words) else None
            return (Fraction(number, under), count + 1) if under else (Fraction(number), count)
    return None, 0


def is_noun(texts: Sequence[str]) -> bool:
    """Whether words behind a number leave it as it is."""
    words = [text.lower() for text in texts]
    if len(words) > MAX_NOUN or any(word in NUMBER_WORDS and word not in SIGNS for word in words):
        return False
    if _CHANGES.isdisjoint(words):
        return True
    # "24 pieces of cake", "5 apples to eat": only behind a noun.
    return words[0] not in _CHANGES and _CHANGES.isdisjoint(set(words) - {"to", "over", "around", "between"})


def words_of(text: str) -> Words | None:
    """The words of a text that is no mathematics; None for any other text."""
    if not _WORDY.fullmatch(text):
        return None
    words = [_ORDINAL.sub(r"\1", word.casefold().replace("'", "")) for word in _WORD.findall(text)]
    words = [word for word in words if word not in _ARTICLES] or words
    words = words[1:] if words[:1] and words[0] in ("on", "at", "in") and len(words) > 1 else words
    if not 1 <= len(words) <= MAX_WORDS or not any(len(word) > 1 and word.isalpha() for word in words):
        return None
    if any(character.isdigit() for character in text) and (len(words) > 6 or not words[0].isalpha()):
        return None
    return Words(tuple(words))
