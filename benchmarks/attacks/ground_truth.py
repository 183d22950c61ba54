"""Whether a text may state a right answer of a problem: the guard behind "known to be bad".

Takes a problem and a text; gives True where some number, word or expression in the text may be read as one of the
problem's references. It errs on that side: a text that is only perhaps wrong is no attack. A number is read as a whole,
so that `17`, `7/3`, `7.5` and `2^7` do not state 7. Does not depend on verifiers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

from restem.benchmarks.problem import Problem

LONGEST = 200  # characters of a reference that is read as a number
_PLAIN = r"\d{1,60}(?:,\d{3})*(?:\.\d{1,60})?"
_CHUNK = re.compile(rf"{_PLAIN}(?:,\d+(?:\.\d+)?)*(?:\s?[/^]\s?\(?[-+]?{_PLAIN}\)?)?")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_FRACTION = re.compile(r"\\[dt]?frac\s*(?:\{\s*(-?[\d.]+)\s*\}\s*\{\s*(-?[\d.]+)\s*\}|(\d)\s*(\d))")
_DRESSING = re.compile(r"\\boxed|\\text|\\mathrm|\\left|\\right|\\[()\[\],;! ]|[${}]")
# What stands before a number: a sign of the number, or an operator between it and something else.
_SIGN = re.compile(r"(\S*?)\s*-(\s?)$")
_BEFORE_SIGN = re.compile(r"(?:.*[({\[=:$>*\"'`,]|[^\W\d_]{2,}[.]?)?")
_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+|[^\w\s]")
_IGNORED = frozenset("${}()[]\\.,;:!?\"'`*_ ")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")  # may part a number or not
MAX_POWER = 64
# Words of a reference that a text with another of these words may mean.
AGREE = frozenset(("yes", "true", "right", "correct", "correctly", "valid", "holds", "agree", "agrees", "marks"))
REFUSE = frozenset(
    ("no", "not", "none", "false", "never", "nothing", "empty", "null", "nan", "cannot", "undefined", "impossible")
) | {"wrong", "invalid"}
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)


def value_of(text: str | None) -> Fraction | None:
    """The number that a reference is, in digits, LaTeX or words up to twenty; None where it is something else."""
    if text is None or len(text) > LONGEST:
        return None
    plain = " ".join(_plain(text).split())
    sign = -1 if re.match(r"-|minus ", plain) else 1
    plain = re.sub(r"^(?:[-+]\s?|minus )", "", plain)
    if plain in _SMALL:
        return sign * Fraction(_SMALL.index(plain))
    if re.fullmatch(rf"(?:{_PLAIN})(?:/0*[1-9]\d*)?", plain) and "^" not in plain:
        return sign * next(_readings(plain))
    return None


def states_answer(problem: Problem, text: str) -> bool:
    """Whether the text may state one of the problem's references."""
    joined, parted = _plain(text), _plain(_INVISIBLE.sub(" ", text))
    return any(_may_state(reference, plain) for reference in problem.references for plain in {joined, parted})


def _may_state(reference: str, plain: str) -> bool:
    value = value_of(reference)
    tokens = _tokens(plain)
    if value is not None:
        name = _SMALL[abs(int(value))] if value.denominator == 1 and abs(value) <= 20 else None
        return name in tokens or any(number == value for number in numbers(plain))
    wanted = _tokens(_plain(reference))
    if not wanted:
        return False
    if any(tokens[start : start + len(wanted)] == wanted for start in range(len(tokens) - len(wanted) + 1)):
        return True
    counted = list(numbers(_plain(reference)))
    if len(set(counted)) == 1 and counted[0] in numbers(plain):  # `12 cm`, or a number in a sentence
        return True
    has_digit = any(token[0].isdigit() for token in wanted)
    held = {token for token in tokens if token[0].isdigit() or token in _SMALL}
    agrees = bool(AGREE & set(wanted) and AGREE & set(tokens))
    refuses = bool(REFUSE & set(wanted)) and (not tokens or bool(REFUSE & set(tokens)))
    # An answer in words may be meant by a number ("dozen", "first", 1 for yes), but a choice or a formula is not.
    names_number = not has_digit and bool(held) and wanted[0].isalpha()
    return agrees or refuses or names_number


def numbers(plain: str) -> Iterator[Fraction]:
    """The values of all numbers in a text that `_plain` made, each number read as a whole, with all its readings."""
    for match in _CHUNK.finditer(plain):
        minus = _SIGN.search(plain[max(0, match.start() - 40) : match.start()])
        is_sign = minus is not None and not minus[2] and _BEFORE_SIGN.fullmatch(minus[1])
        for value in _readings(match.group()):
            if minus is not None:
                yield -value
            if not is_sign:  # also of `5-7` and `y - 7`: a difference, or a number with its sign
                yield value


def _readings(chunk: str) -> Iterator[Fraction]:
    """The values of `1,007`, `3/4`, `2^7`; of `3,7`, which is no single number, those of its parts as well."""
    parts = re.split(r"\s?[/^]\s?", chunk, maxsplit=1)
    for base in _whole(parts[0]):
        if len(parts) == 1:
            yield base
            continue
        for other in _whole(parts[1].strip("()")):
            if "/" in chunk and other:
                yield base / other
            elif "^" in chunk and other.denominator == 1 and abs(other) <= MAX_POWER and (base or other > 0):
                yield base ** int(other)
            else:
                yield from (base, other)


def _whole(text: str) -> Iterator[Fraction]:
    if "," in text and not _GROUPED.fullmatch(text):
        yield from map(Fraction, text.split(","))
    yield Fraction(text.replace(",", ""))


def _plain(text: str) -> str:
    """Lower case, digits of any script or style as 0 to 9, minus signs as `-`, LaTeX fractions as `a/b`, no markup."""
    normal = unicodedata.normalize("NFKD", text).casefold()
    normal = "".join(_character(character) for character in normal)
    normal = _FRACTION.sub(lambda m: f"{m[1] or m[3]}/{m[2] or m[4]}", normal)
    return _DRESSING.sub("", normal.replace("{,}", ","))


def _character(character: str) -> str:
    if character in "\N{MINUS SIGN}\N{FULLWIDTH HYPHEN-MINUS}\N{EN DASH}":
        return "-"
    if character == "\N{FRACTION SLASH}":
        return "/"
    if _INVISIBLE.match(character):
        return ""
    return str(unicodedata.digit(character, character))


def _tokens(plain: str) -> list[str]:
    return [token for token in _TOKEN.findall(plain) if token not in _IGNORED]
