"""Candidates: every span of a response that may be its final answer, with what the words around it imply.

Takes the view of a response (see `final_answer.py`) and the asked variable; gives `Candidate`s in order. Does not
choose between them (see `reader.py`), and does not depend on the reference.
"""

from __future__ import annotations

import re

from restem.verifiers.algebra.grammar import fraction
from restem.verifiers.answers.clauses import CUT, Candidate, Clauses
from restem.verifiers.answers.denials import before_mark, behind_mark
from restem.verifiers.answers.patterns import (
    AFTER_BOX,
    ARROW_TO,
    BEFORE_BOX,
    BEFORE_VARIABLE,
    HEDGES,
    INSIDE,
    LEFT_SIDE,
    LETTERS,
    NAMED,
    NEGATIONS,
    NOT_SIGN,
    RANGE_END,
    SKIP,
    SKIP_IN_LINE,
    SKIP_QUOTE,
    STEPS,
    SUPPOSITIONS,
    TAG,
    TRIALS,
    markers,
    words_of,
)
from restem.verifiers.answers.spans import closing_brace, skip

MAX_MARKERS = 160
# With more than FEW_MARKERS markers each clause is scanned for at most REACH characters, so that the whole is O(n); a
# longer number is refused as `unread`.
FEW_MARKERS = 40
REACH = 300
ENCLOSED = frozenset({"box", "tag", "hashes", "json"})
_RULES = {
    **{"key": "json", "final": "answer", "set": "answer", "cell": "assignment"},
    **{"foreign": "answer", "assign": "assignment", "verb": "result"},
}
_SKIPS = {"assign": SKIP_IN_LINE, "key": SKIP_QUOTE}
_CORRECTING_VERBS = ("actually", "correction", "edit", "sorry", "meant", "mean")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DIVIDED = re.compile(r"-?[0-9]{1,18} : -?[0-9]{1,18}(?![0-9])")
_LISTED = re.compile(r"[0-9]{1,2}[.)]\s{1,4}\S")
_CONCLUSION = re.compile(
    r"\s{0,4}(?:and\s)?(?:so|thus|therefore|hence|finally|consequently|in conclusion)\b[^=\n]{0,60}\Z", re.IGNORECASE
)
_ENUMERATED = re.compile(r"(?:^|[\s;.])\(?(?:[0-9]{1,2}|[ivx]{1,4}|[a-h])[).]$")
_FOR_VARIABLE = re.compile(r"\s{0,4}for\s{1,4}([A-Za-z])\b(?!\s{0,4}=)")
_WORD_START = re.compile(r"[^\W\d_]{2}")


class Finder(Clauses):
    """Finds candidates between two offsets of a view."""

    def candidates(self, lo: int, hi: int, suspect: bool) -> list[Candidate]:
        """Every candidate between two offsets, in order.

        Args:
            lo: First offset.
            hi: Offset behind the last character.
            suspect: Whether the text holds words that may hedge, deny or suppose a candidate.
        """
        candidates: list[Candidate] = []
        matches = self._matches(lo, hi)
        self.reach = len(self.view) if len(matches) <= FEW_MARKERS else REACH
        blocked, announced = lo, False
        for index, match in enumerate(matches):
            if match.start() < blocked:
                continue
            kind = match.lastgroup or ""
            if kind in ("tag", "box"):
                candidate, blocked = self._enclosed(match, kind, hi)
            elif kind == "reverse":
                candidate = self._reverse(match, lo)
            else:
                start = skip(_SKIPS.get(kind, SKIP), self.view, match.end(), hi)
                if index + 1 < len(matches) and matches[index + 1].start() == start and kind != "assign":
                    # "The answer is x = 7", "Answer: \boxed{7}": the inner marker is the more exact one.
                    announced = kind in ("answer", "final", "foreign", "hashes")
                    continue
                candidate = self._open(match, kind, start, hi)
            if candidate is None:
                continue
            candidate.strong = candidate.strong or announced or self._concludes(match, lo)
            announced = False
            if suspect:
                self._weigh(candidate, match.start(), lo, hi)
            candidates.append(candidate)
        return candidates

    def _concludes(self, match: re.Match[str], lo: int) -> bool:
        """Whether an assignment begins its sentence as a conclusion: `Therefore, x = 7`."""
        if match.lastgroup != "assign":
            return False
        head = max(self.view.rfind(end, lo, match.start()) for end in (".", "!", "\n")) + 1
        return _CONCLUSION.match(self.view, max(head, lo), match.start()) is not None

    def _matches(self, lo: int, hi: int) -> list[re.Match[str]]:
        """The last markers between two offsets."""
        matches = markers(self.variable).finditer(self.view, lo, hi)
        return [m for m in matches if m.lastgroup != "assign" or self._stands_alone(m.start(), lo)][-MAX_MARKERS:]

    def _stands_alone(self, start: int, lo: int) -> bool:
        """Whether the variable at `start` is a whole left side: not `3 x = 21` or `y - x = 7`."""
        before = self.view[max(lo, start - 40) : start].rstrip(" \u2009")
        if before.endswith(("=>", "->", "\\\\")):
            return True
        if before.rpartition("\n")[2].strip() == "-" and self.view[start - 1 : start].isspace():
            return True  # a list item
        if before.endswith(" -"):  # "Final answer - w = 640": a dash, if a word precedes it
            before = before[:-1].rstrip()
            return before[-2:].isalpha() and not BEFORE_VARIABLE.search(before)
        if self.view[start - 1 : start].isspace() and _ENUMERATED.search(before):
            return True  # `3) x = 7`
        if not before or not (before[-1].isalnum() or before[-1] in "*/+-^)}_=<>|'\\"):
            return True
        return before[-2:].isalpha() and len(before) > 1 and not BEFORE_VARIABLE.search(before)

    def _open(self, match: re.Match[str], kind: str, start: int, hi: int) -> Candidate | None:
        """A candidate that extends to the end of its clause; None where the marker introduces no value."""
        rule = _RULES.get(kind, kind)
        end, stop = self._extent(match, kind, start, hi)
        opening = self.view[match.start() - 1 : match.start()]
        if opening in _CLOSING and self.view[start:end].count(opening) < self.view[start:end].count(_CLOSING[opening]):
            if opening == "(" and match.start() > 1 and not self.view[match.start() - 2].isspace():
                return Candidate(start, end, rule, self.view[start:end], refused="unread")  # `f(x = 7)`
            end = self.view.rfind(_CLOSING[opening], start, end)  # `(x = 7)`
        candidate = self.settle(start, end, rule, kind not in ("assign", "cell", "verb"))
        candidate.refused = self._refused_behind(match, candidate, end, stop, hi) or candidate.refused
        is_unread = fraction(candidate.text) is None
        is_wordy = is_unread and _WORD_START.match(candidate.text) is not None
        if kind == "verb":
            return None if is_unread or candidate.refused == "unread_chain" else self._result(candidate, match, start)
        if kind in ("answer", "final", "foreign"):
            return self._announced(candidate, match, start, hi, is_wordy)
        return None if kind == "hashes" and is_wordy else candidate

    def _extent(self, match: re.Match[str], kind: str, start: int, hi: int) -> tuple[int, str]:
        """Where the text behind a marker ends, and what ends it."""
        end, stop = self.json_end(start, hi) if kind == "key" else self.clause_end(start, hi)
        if kind == "assign" and (divided := _DIVIDED.match(self.view, start, hi)):
            end = max(end, divided.end())  # `x = 22 : 11`
        if kind == "cell":
            end = max(start, self.view.find("|", start, hi))
        if stop[:1] == "!" and not LETTERS.search(self.view, self.view.rfind("\n", 0, match.start()) + 1, start):
            end += 1  # `x = 7!` is a factorial, "The answer is 7!" an exclamation
        return end, stop

    def _refused_behind(self, match: re.Match[str], candidate: Candidate, end: int, stop: str, hi: int) -> str | None:
        """Why the end of the clause or the text behind it refuses a candidate, or None."""
        named = _FOR_VARIABLE.match(self.view, end, hi)
        if stop == CUT:
            return "unread"  # the text behind it may belong to the number
        if stop == "?":
            return "hedged"
        if named and self.variable and named[1] != self.variable:
            return "wrong_variable"  # "We get 7 for y."
        if (arrow := ARROW_TO.match(self.view, end, hi)) and fraction(arrow[1]) != fraction(candidate.text):
            return "two_answers"  # `x: 7 -> 8`
        return "unread" if stop == ":" and match[0].rstrip().endswith(":") else None  # `x : 7 : 8`

    def _result(self, candidate: Candidate, match: re.Match[str], start: int) -> Candidate:
        """The candidate behind a verb such as "gives", with what verb and clause imply."""
        clause = max(self.view.rfind(boundary, 0, match.start()) for boundary in ".;!?\n") + 1
        candidate.step = not STEPS.isdisjoint(words_of(self.view[clause:start]))
        candidate.strong = match["verb"].lower().startswith(_CORRECTING_VERBS)
        return candidate

    def _announced(
        self, candidate: Candidate, match: re.Match[str], start: int, hi: int, is_wordy: bool
    ) -> Candidate | None:
        """The candidate behind "answer:" or its like, or the value on the next line; None before a list of steps."""
        if "\n" in self.view[match.end() : start] and _LISTED.match(self.view, start, hi):
            return None  # "Solution:", then the first of several numbered steps
        if not candidate.text and self.view[start:hi].strip():
            return self._next_line(start, hi)
        candidate.tentative = is_wordy and candidate.refused in (None, "unread")
        return candidate

    def _next_line(self, start: int, hi: int) -> Candidate | None:
        """The value on the line after a heading such as `Answer:`."""
        start += len(self.view[start:hi]) - len(self.view[start:hi].lstrip())
        end, _ = self.clause_end(start, hi)
        candidate = self.settle(start, end, "answer", True)
        return candidate if fraction(candidate.text) is not None else None

    def _enclosed(self, match: re.Match[str], kind: str, hi: int) -> tuple[Candidate, int]:
        """The candidate in a box or between tags, and the offset where it ends."""
        start = match.end()
        if kind == "box" and self.view[start : start + 1] != "{":
            end, _ = self.clause_end(start, hi)
            return self.settle(start, end, kind, True), end
        closing = closing_brace(self.view, start, hi) if kind == "box" else self._closing_tag(match["tag"], start, hi)
        if closing is None:
            return Candidate(start, hi, kind, "", True, "unfinished"), hi
        if kind == "box":
            candidate, end = self._boxed(match.start(), start + 1, closing, hi), closing + 1
        else:
            candidate, end = Candidate(start, closing, kind, self.view[start:closing], True), closing
        candidate.refused = candidate.refused or self._led_by(match.start(), candidate)
        return candidate, end

    def _boxed(self, marker: int, start: int, end: int, hi: int) -> Candidate:
        """The candidate in a box; refused where the box is part of a larger expression."""
        candidate = self.settle(start, end, "box", True)
        if candidate.refused == "unread_chain" and LETTERS.search(self.view, start, end):
            candidate = Candidate(start, end, "box", self.view[start:end], True)
        if BEFORE_BOX.search(self.view[max(0, marker - 4) : marker]) or AFTER_BOX.match(self.view, end + 1, hi):
            candidate.refused = candidate.refused or "unread"
        return candidate

    def _led_by(self, marker: int, candidate: Candidate) -> str | None:
        """Why a box or a tag does not hold the answer: `3x = [7]`, `y is [7]`, `x > [7]`, `\\sqrt{[7]}`; or None."""
        lead = self.view[max(0, self.view.rfind("\n", 0, marker) + 1, marker - 80) : marker]
        lead = TAG.sub(" ", lead).rstrip("$ \u2009")
        if RANGE_END.search(lead):
            return "range"
        if INSIDE.search(lead):
            return "unread"
        named = NAMED.search(lead)
        if named and self.variable and named[2] != self.variable:
            return "wrong_variable"
        if named and named[1]:
            return "unsolved"
        if not lead.endswith("="):
            return None
        side = LEFT_SIDE.search(lead[:-1].rstrip("& \u2009"))
        left = side[0].strip("$ \u2009") if side else ""
        if len(left) == 1 and left.isalpha():
            return "wrong_variable" if self.variable and left != self.variable else None
        left_value, value = fraction(left), fraction(candidate.text)
        if left_value is not None:
            return "two_answers" if value is not None and left_value != value else None
        chained = self.variable is not None and re.search(rf"(?<![\w*/^+)-]){self.variable}\s{{0,3}}=", lead[:-1])
        letters = re.search(r"[A-Za-z|]", left) and not re.search(r"(?<!\\)[A-Za-z]{2}", left)  # no word
        return "unsolved" if letters and not chained else None

    def _closing_tag(self, tag: str, start: int, hi: int) -> int | None:
        at = self.view.find(f"</{tag}>", start, hi)
        return at if at >= 0 else None

    def _reverse(self, match: re.Match[str], lo: int) -> Candidate | None:
        """The left side of `7 = x`."""
        end = match.start()
        head = max(self.view.rfind(boundary, lo, end) for boundary in "\n;:,")
        start = max(head + 1, lo)
        words = list(re.finditer(r"(?<![\\A-Za-z])[A-Za-z]{2,}[,.]?\s|[.]\s", self.view[start:end]))
        start += words[-1].end() if words else 0
        candidate = self.settle(start, end, "assignment", False)
        return candidate if fraction(candidate.text) is not None else None

    def _inside(self, candidate: Candidate) -> str | None:
        """Why the words inside a mark refuse it, or None."""
        words = set(words_of(candidate.text))
        if words & NEGATIONS:
            return "negated"
        return ("two_answers" if "or" in words else "hedged") if words & HEDGES else None

    def _weigh(self, candidate: Candidate, marker: int, lo: int, hi: int) -> None:
        """Refuses a candidate that its clause hedges or denies, and makes a supposed one tentative.

        For a box, a tag or `####`, only the words directly before and behind it count.
        """
        if candidate.rule in ENCLOSED:
            refused = before_mark(self.view, marker) or self._inside(candidate) or behind_mark(self.view, candidate.end)
            candidate.refused = candidate.refused or refused
            return
        clause = max(self.view.rfind(boundary, lo, marker) for boundary in ".;!?:\n,") + 1
        before = self.view[max(clause, lo) : marker]
        listed = words_of(before)
        words = {*listed, *words_of(candidate.text)}
        if words & NEGATIONS or NOT_SIGN.search(before):
            candidate.refused = "negated"
        elif words & HEDGES:
            candidate.refused = "two_answers" if "or" in words else "hedged"
        elif words & SUPPOSITIONS or (listed and listed[-1] in TRIALS and not words & {"left", "solving", "solve"}):
            candidate.tentative = True
        candidate.refused = candidate.refused or self.after(candidate.end, hi)
