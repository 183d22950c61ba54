"""Clauses: where the text behind a marker ends, its value, and what the rest of its sentence implies.

Takes the view of a response (see `final_answer.py`) and offsets; gives `Candidate`s and reasons to refuse them. Does
not find markers (see `candidates.py`), and does not depend on the reference.
"""

from __future__ import annotations

import dataclasses
import re

from restem.verifiers.algebra.grammar import fraction, is_literal
from restem.verifiers.answers.patterns import (
    ABOUT,
    END,
    HEDGES,
    NEGATIONS,
    NOT_SIGN,
    OPERATOR_END,
    SENTENCE_END,
    UNITS,
    words_of,
)
from restem.verifiers.answers.spans import parses, trimmed

REASON = re.compile(r",?\s(?:since|because)\b", re.IGNORECASE)
CUT = "cut"  # the clause was longer than REACH
_PIECE = re.compile(r"(?:[^=\u2208\\]|\\(?!in(?![a-z])))+")
_OR_NUMBER = re.compile(r"\bor\b[^0-9\n-]{0,30}(-?[0-9]{1,18}(?:[./][0-9]{1,18})?)(?![0-9.]*[0-9])")


@dataclasses.dataclass(slots=True)
class Candidate:
    """A span that may be the final answer.

    Attributes:
        start: Offset of its first character in the view.
        end: Offset behind its last character.
        rule: The rule of the marker before it.
        text: Its text.
        strong: Whether the marker announces a final answer; an assignment or "gives 7" does not.
        refused: Why it cannot be the answer, or None.
        tentative: Whether it is only supposed or announced: "if x = 8", "the answer is easy to find".
        step: Whether it is the result of one step of a solution: "subtracting 2 gives 21".
    """

    start: int
    end: int
    rule: str
    text: str
    strong: bool = False
    refused: str | None = None
    tentative: bool = False
    step: bool = False


class Clauses:
    """The clauses of a view."""

    def __init__(self, view: str, variable: str | None) -> None:
        self.view = view
        self.variable = variable
        self.reach = len(view)  # how many characters of a clause are scanned

    def clause_end(self, start: int, hi: int) -> tuple[int, str]:
        """Where a clause ends, and the text that ends it; CUT where the clause is longer than the reach."""
        stop = min(hi, start + self.reach)
        match = END.search(self.view, start, stop)
        return (match.start(), match[0]) if match else (stop, CUT if stop < hi else "")

    def json_end(self, start: int, hi: int) -> tuple[int, str]:
        """Where a JSON value ends: at its quote, or at the comma or brace after it; a list ends at its bracket."""
        ends = '"' if self.view[start - 1] == '"' else "]}\n" if self.view[start : start + 1] == "[" else ",}\n"
        places = [at for at in (self.view.find(end, start, hi) for end in ends) if at >= 0]
        if not places:
            return start, ""  # cut off: further digits may be missing
        return min(places) + (ends[0] == "]"), ""

    def settle(self, start: int, end: int, rule: str, strong: bool) -> Candidate:
        """A candidate with the last segment of a chain of equalities; refused where the chain has no single value."""
        view = self.view
        pieces = [piece.span() for piece in _PIECE.finditer(view, start, end)]
        if view[start:end].rstrip().endswith("="):
            pieces.append((end, end))
        lo, hi = pieces[-1] if pieces else (start, end)
        lo, hi = trimmed(view, lo, hi)
        candidate = Candidate(lo, hi, rule, view[lo:hi], strong)
        if len(pieces) > 1:
            candidate.refused = self._chain([view[slice(*piece)].strip() for piece in pieces], rule == "assignment")
        if not candidate.text or OPERATOR_END.search(candidate.text):
            candidate.refused = "unfinished"
        return candidate

    def _chain(self, pieces: list[str], assigned: bool) -> str | None:
        """Why a chain such as `x = 14/2 = 7` has no single value, or None; an assignment may contain expressions."""
        first = pieces[0].strip("$ ")
        if len(first) == 1 and first.isalpha():
            if self.variable and first != self.variable:
                return "wrong_variable"
            pieces = pieces[1:]
        values = [fraction(piece) for piece in pieces]
        for piece, value in zip(pieces[:-1], values, strict=False):
            if value is None and not (assigned and parses(piece) and (self.variable or "") not in piece):
                return "unread_chain"
        literals = {value for piece, value in zip(pieces, values, strict=True) if is_literal(piece)}
        return "two_answers" if len(literals) > 1 else None

    def repeated_after_or(self, end: int, rest: str) -> bool:
        """Whether `or` is followed by the same number again: `x = 7, or 7.0 in decimal form`."""
        again = _OR_NUMBER.search(rest)
        number = re.search(r"[-+0-9.,/]+\Z", self.view[max(0, end - 40) : end])
        return bool(again and number and fraction(number[0]) is not None and fraction(number[0]) == fraction(again[1]))

    def after(self, end: int, hi: int) -> str | None:
        """Why the rest of the candidate's sentence refuses it, or None."""
        hi = min(hi, end + self.reach)
        stop = SENTENCE_END.search(self.view, end, hi)
        rest = self.view[end : stop.start() if stop else hi]
        rest = ABOUT.sub("", REASON.split(rest, maxsplit=1)[0], count=1)
        words = set(words_of(rest))
        if "or" in words and self.repeated_after_or(end, rest):
            words.remove("or")
        if "or" in words or re.match(r"\s{0,4},?\s{0,4}(?:and|as well as|plus|&)\s{1,4}-?[0-9]", rest):
            return "two_answers"
        if words & HEDGES or words & {"if", "provided", "suppose"}:
            return "hedged"
        if words & NEGATIONS or NOT_SIGN.search(rest):
            return "negated"
        return "unread_remark" if words & UNITS else None
