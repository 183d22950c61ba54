"""From candidates to one answer, or to the reason why there is none.

Takes the view of a response (see `final_answer.py`) and the asked variable; gives an `Answer`. Does not depend on the
reference.
"""

from __future__ import annotations

import dataclasses
import re
from fractions import Fraction

from restem.verifiers.algebra.grammar import fraction, is_literal
from restem.verifiers.answers.candidates import ENCLOSED, Finder
from restem.verifiers.answers.clauses import Candidate
from restem.verifiers.answers.denials import taken_back
from restem.verifiers.answers.patterns import (
    CLAUSE,
    CONFIRMS,
    CONTRASTS,
    CORRECTING,
    CORRECTION,
    DENIES,
    GIVES_UP,
    HEDGES,
    LETTERS,
    MAYBE,
    NEGATIONS,
    NOT_SIGN,
    OPERATOR_END,
    OTHER_NUMBER,
    PUNCTUATION,
    RANGE_SIGN,
    SOFT,
    SUPPOSITIONS,
    SUSPECT,
    UNSURE,
    blank,
    words_of,
)
from restem.verifiers.answers.spans import parses, skip, trimmed

Span = tuple[int, int]
_OPENING = re.compile(r"=|(?:exactly|precisely|simply|just|only)\b", re.IGNORECASE)
_VALUE_START = re.compile(r"[0-9A-Za-z+.(\\{\[\u221a-]")
_ANSWERING = re.compile(
    r"\s{0,4}is\b(?!\s(?:the |our |my |a )?(?:final |correct |only |right |unique )*"
    r"(?:answer|solution|value of|result|root|correct|right|true)\b)"
    r"|\s{0,4}(?:(?:and|that|only|but|as well as|plus)\b|\u2248|\\approx)",
    re.IGNORECASE,
)
_UNEQUAL = re.compile(r"[0-9]\s{0,3}(?:\u2260|!=|\\neq?(?![a-z]))\s{0,3}-?[0-9]")
_BOXED = re.compile(r"\\f?boxe?d?\s{0,4}\{[^{}\n]{0,80}\}(?!\s*(?:is|isn't|was|\()\b)|\#{4}[^\n]{1,40}(?=\n)")
_BETWEEN_MARKS = re.compile(
    r"(?:[^\w]|\bf?boxe?d?\b|\b(?:the|final|my|correct|answers?|solution|result|is|or|and|else|either|maybe|perhaps"
    r"|alternatively|[a-z]|-?[0-9./]{1,18})\b){0,60}",
    re.IGNORECASE,
)
_LETTER_ASSIGNED = re.compile(r"(?<![\w*/^)])[A-Za-z]\s{0,4}=")


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The final answer of a response, or the reason why it has none.

    Attributes:
        text: The final answer as written, or None where there is none.
        span: Its (start, end) offsets in the response.
        rule: The rule that found the answer or refused it.
        reason: Why there is no answer, or None: no_answer, not_found, two_answers, hedged, negated, retracted, range,
            wrong_variable, unsolved, unfinished, too_long; `unread` where the text is more than a value;
            `contradiction` where it ends a false equation such as `157 = 156`.
    """

    text: str | None
    span: tuple[int, int] | None
    rule: str
    reason: str | None = None


def no_answer(rule: str, reason: str) -> Answer:
    """An `Answer` without text, with the rule and the reason."""
    return Answer(None, None, rule, reason)


class Reader(Finder):
    """Chooses between the candidates of a view."""

    def resolve(self, lo: int, hi: int) -> Answer:
        """The answer between two offsets."""
        text = self.view[lo:hi]
        if not text.strip():
            return no_answer("empty", "no_answer")
        if GIVES_UP.fullmatch(text):
            return no_answer("gives_up", "no_answer")
        words = set(words_of(text))
        if not words.isdisjoint(CONTRASTS) and OTHER_NUMBER.search(text):
            return self._without_contrast(lo, hi)
        suspect = not words.isdisjoint(SUSPECT) or NOT_SIGN.search(text) is not None
        if not words.isdisjoint(CORRECTING):
            corrected = self._corrected(lo, hi)
            if corrected:
                return corrected
        return self._stretch(lo, hi, suspect)

    def _without_contrast(self, lo: int, hi: int) -> Answer:
        """The answer of `x = 7, not 8` or `not 8 but 7`: the denied number is replaced by blanks."""
        blanked = self.view[:lo] + OTHER_NUMBER.sub(blank, self.view[lo:hi]) + self.view[hi:]
        answer = Reader(blanked, self.variable).resolve(lo, hi)
        return (
            no_answer(answer.rule, "negated") if answer.reason in ("unfinished", "not_found", "no_answer") else answer
        )

    def _stretch(self, lo: int, hi: int, suspect: bool) -> Answer:
        """The answer between two offsets, after corrections and contrasts have been handled."""
        if not self.view[lo:hi].strip():
            return no_answer("empty", "no_answer")
        candidates = self.candidates(lo, hi, suspect)
        for candidate in candidates:
            wordy = candidate.rule == "box" and LETTERS.search(candidate.text) and fraction(candidate.text) is None
            if (candidate.rule == "tag" or wordy) and candidate.refused is None:
                self._look_inside(candidate)
        asserted = [candidate for candidate in candidates if not candidate.tentative]
        claims = [candidate for candidate in asserted if candidate.rule != "result" or candidate.strong] or asserted
        if claims and claims[-1].refused == "negated" and asserted[-1].refused is None:
            claims = asserted[-1:]  # "x is not 8, it is 7."
        if claims:
            return self._chosen(claims, lo, hi, suspect)
        bare = self._bare(lo, hi, suspect)
        if bare.reason == "not_found" and candidates:
            last = candidates[-1]
            if last.rule == "answer":
                return Answer(last.text, (last.start, last.end), "answer", "unread")
            return no_answer(last.rule, "hedged")
        return bare

    def _look_inside(self, candidate: Candidate) -> None:
        """Replaces a candidate between tags, or of words in a box, by the final answer of its text."""
        inner = self.resolve(candidate.start, candidate.end)
        if inner.span is not None:
            candidate.start, candidate.end = inner.span
        candidate.text = self.view[candidate.start : candidate.end].strip()
        candidate.refused = inner.reason

    def _chosen(self, claims: list[Candidate], lo: int, hi: int, suspect: bool) -> Answer:
        """The last candidate, if the others agree with it; a strong candidate outranks the weak ones before it."""
        strongest = max((index for index, candidate in enumerate(claims) if candidate.strong), default=-1)
        pool = [
            candidate
            for index, candidate in enumerate(claims)
            if index >= strongest or (candidate.strong and self._together(candidate, claims[strongest], hi))
        ]
        while (
            len(pool) > 1
            and pool[0].rule in ENCLOSED
            and pool[-1].refused in ("negated", "hedged")
            and not pool[-1].strong
        ):
            pool.pop()  # "(The root k = -5 is rejected.)" behind a box
        last = pool[-1]
        if len(pool) > 2 and last.end == hi and all(_cut_short(last, other) for other in pool[:-1]):
            pool, last = (
                pool[:-1],
                pool[-2],
            )  # a repetition that is cut off: "The answer is 1" after "The answer is 14."
        pool = [candidate for candidate in pool if not (candidate.step and last.step)] + [last]
        if last.refused in ("unread", "unread_chain", "unread_remark"):
            return Answer(last.text, (last.start, last.end), last.rule, "unread")
        if last.refused:
            return no_answer(last.rule, last.refused)
        if any(_differ(other, last) for other in pool[:-1]) or self._bare_numbers(lo, hi) - {fraction(last.text)}:
            return no_answer(last.rule, "two_answers")
        if suspect and (reason := self._taken_back(last.end, hi)):
            return no_answer(last.rule, reason)
        if strongest < 0 and self._broken_off(last, hi):
            return no_answer(last.rule, "unfinished")
        return Answer(last.text, (last.start, last.end), last.rule)

    def _together(self, candidate: Candidate, last: Candidate, hi: int) -> bool:
        """Whether two marks of a final answer are presented together: nothing but other marks between them."""
        between = self.view[candidate.end : last.start]
        return candidate.rule == last.rule and len(between) < 400 and _BETWEEN_MARKS.fullmatch(between) is not None

    def _taken_back(self, end: int, hi: int) -> str | None:
        """Why a later sentence refuses the answer, or None."""
        maybe = MAYBE.search(self.view, end, hi)
        if maybe and maybe[0][:2].lower() == "or" and self.repeated_after_or(end, self.view[end:hi]):
            maybe = MAYBE.search(self.view, maybe.end(), hi)
        if UNSURE.search(self.view, end, hi) or maybe:
            return "hedged"
        return "retracted" if _UNEQUAL.search(self.view, end, hi) else None

    def _broken_off(self, last: Candidate, hi: int) -> bool:
        """Whether a line after the answer continues the equation and is cut off or false."""
        number = fraction(last.text)
        for line in self.view[last.end : hi].split("\n")[1:]:
            line = line.strip()
            if not line or self.variable is None or self.variable not in line or LETTERS.search(line):
                continue
            sides = [fraction(side.replace(self.variable, f"({number})")) for side in line.split("=")]
            cut = len(sides) == 1 or not line.split("=")[-1].strip() or bool(OPERATOR_END.search(line))
            if cut or (None not in sides and len(set(sides)) > 1):
                return True
        return False

    def _corrected(self, lo: int, hi: int) -> Answer | None:
        """The answer of a response that corrects itself; None for any other."""
        cues = list(CORRECTION.finditer(self.view[lo:hi]))
        if (boxed := list(_BOXED.finditer(self.view, lo, hi))) and taken_back(self.view[:hi], boxed[-1].end()) is None:
            cues = [cue for cue in cues if lo + cue.start() < boxed[-1].start()]  # what follows speaks of other values
        if not cues:
            return None
        cue = cues[-1]
        start = lo + cue.end()
        if DENIES.search(cue[0]):  # "It is false that x = 7": the denial ends with its clause
            clause = CLAUSE.search(self.view, start, hi)
            start = clause.end() if clause else hi
        start = skip(PUNCTUATION, self.view, start, hi)
        after = self._stretch(start, hi, True)
        if after.text is not None or after.reason in ("two_answers", "hedged", "unfinished", "wrong_variable"):
            return after
        before = self._stretch(lo, lo + cue.start(), True)
        only_checked = all(SOFT.fullmatch(match[0]) for match in cues) and CONFIRMS.search(self.view, start, hi)
        if only_checked and NEGATIONS.isdisjoint(words_of(self.view[start:hi])):
            return before
        hidden = before.text is None and before.reason in ("no_answer", "not_found", "hedged", "unsolved")
        return no_answer("correction", "negated" if hidden else "retracted")

    def _bare(self, lo: int, hi: int, suspect: bool) -> Answer:
        """The answer of a response without markers: its last line, a leading value, or its last sentence."""
        lines = self._lines(lo, hi)
        first, last = lines[0], lines[-1]
        leading = None
        span = self._value(*last)
        if span is None:
            span = leading = self._leading(first[0], hi)
        span = span or self._sentence(*last)
        if span is None:
            return self._nothing(lo, hi, len(lines) == 1)
        if self._bare_numbers(lo, hi) - {fraction(self.view[slice(*span)])}:
            return no_answer("last_line", "two_answers")
        if suspect and (reason := self._refusal(lo, span, hi)):
            return no_answer("last_line", reason)
        if len(lines) > 1 and not leading and self._begins_like(lines[-2], span):
            return no_answer("last_line", "unfinished")
        rule = "leading" if leading else "whole" if len(lines) == 1 and span == first else "last_line"
        return Answer(self.view[slice(*span)], span, rule)

    def _begins_like(self, line: Span, span: Span) -> bool:
        """Whether the last line holds only the first digits of an equation that was cut off: `5*w = 15`, then `5`."""
        text = self.view[slice(*line)].strip()
        return "=" in text and text.startswith(self.view[slice(*span)])

    def _bare_numbers(self, lo: int, hi: int) -> set[Fraction | None]:
        """The values of all lines that consist of one literal number; empty for a single line."""
        if "\n" not in self.view[lo:hi]:
            return set()
        spans = [span for line in self._lines(lo, hi) if (span := self._value(*line))]
        return {fraction(self.view[slice(*span)]) for span in spans if is_literal(self.view[slice(*span)])}

    def _lines(self, lo: int, hi: int) -> list[Span]:
        """The spans of the first and of the last sixty lines that are not blank."""
        spans: list[Span] = []
        for line in self.view[lo:hi].split("\n"):
            if line.strip(" "):
                spans.append((lo, lo + len(line)))
            lo += len(line) + 1
        return spans[:1] + spans[1:][-60:]

    def _value(self, start: int, end: int) -> Span | None:
        """The span of the value that a line or clause consists of; None where it holds anything else."""
        start, end = trimmed(self.view, start, end)
        core = self.view[start:end]
        if opening := _OPENING.match(core):
            start, end = trimmed(self.view, start + opening.end(), end)
            core = self.view[start:end]
        if core[-1:] in (".", ";") and core[-2:-1] != ".":
            core = core[:-1]
        if not _VALUE_START.match(core) or core.startswith("{{"):
            return None
        if " " in core or fraction(core) is None:  # "100 100" is a repeat, "100 000" one number
            core = self._repeated(core) or (core if fraction(core) is not None else "")
        return (start, start + len(core)) if core else None

    def _repeated(self, text: str) -> str:
        """`7 7 7`, `7, 7` -> `7`; an empty text for any other text."""
        if len(text) > 400:
            return ""
        pieces = re.split(r"[,;]?\s+", text)
        values = {fraction(piece) for piece in pieces}
        return pieces[0] if len(pieces) > 1 and len(values) == 1 and None not in values else ""

    def _leading(self, start: int, hi: int) -> Span | None:
        """The value at the beginning of a response, if only a remark follows."""
        end, stop = self.clause_end(start, hi)
        if end == hi or stop[:1] in ("?", ":", "!") or _ANSWERING.match(self.view, end, hi):
            return None
        rest = self.view[end:hi]
        if re.search(r"[0-9]", rest) and not LETTERS.search(rest):
            return None
        return self._value(start, end)

    def _sentence(self, start: int, end: int) -> Span | None:
        """The last sentence, if it is a value alone: "What is left? 7."."""
        ends = [match.end() for match in re.finditer(r"[.!?]\s", self.view[start:end].rstrip())]
        if not ends or len(words_of(self.view[start : start + ends[-1]])) < 2:  # "No. 7", "ca. 7"
            return None
        return self._value(start + ends[-1], end)

    def _refusal(self, lo: int, span: Span, hi: int) -> str | None:
        """Why other words of a response without markers refuse its value, or None."""
        words = set(words_of(self.view[max(lo, self.view.rfind("\n", lo, span[0]) + 1) : span[0]]))
        if words & NEGATIONS:
            return "negated"
        if words & (HEDGES | SUPPOSITIONS) or UNSURE.search(self.view, lo, span[0]):
            return "hedged"
        return self.after(span[1], hi) or self._taken_back(span[1], hi)

    def _nothing(self, lo: int, hi: int, one_line: bool) -> Answer:
        """Why there is no answer, as far as the text shows it."""
        text = self.view[lo:hi]
        stripped = text.strip()
        if one_line and len(stripped) <= 400 and not stripped.startswith("{{") and parses(stripped):
            start = lo + text.index(stripped)
            return Answer(stripped, (start, start + len(stripped)), "whole")
        if RANGE_SIGN.search(text):
            return no_answer("none", "range")
        if NOT_SIGN.search(text):
            return no_answer("none", "negated")
        words = {word for word in words_of(text) if len(word) > 1}
        if words:
            return no_answer("none", "negated" if words & NEGATIONS else "hedged" if words & HEDGES else "not_found")
        if self.variable and _LETTER_ASSIGNED.search(text):
            return no_answer("none", "wrong_variable")
        if "=" in text and not re.search(r"[A-Za-z]", text):
            return no_answer("none", "not_found")  # only sums: `23 - 2 = 21`, `21/3 = 7`
        if "=" in text or OPERATOR_END.search(stripped):
            return no_answer("none", "unsolved" if "=" in text else "unfinished")
        return no_answer("none", "not_found")


def _cut_short(last: Candidate, other: Candidate) -> bool:
    """Whether the last candidate is the beginning of another one."""
    return last.rule == other.rule and other.refused is None and other.text.startswith(last.text)


def _differ(other: Candidate, last: Candidate) -> bool:
    """Whether an earlier candidate still counts and has another value."""
    if other.refused in ("hedged", "negated", "wrong_variable") and not (other.strong and other.refused == "hedged"):
        return False
    if other.text == last.text:
        return False
    value, last_value = fraction(other.text), fraction(last.text)
    unread = value is None or (other.refused or "").startswith("unread")
    if other.rule == "answer" and last_value is not None and unread:
        return False  # "Solution: 3*x = 21" begins the working
    if value is not None and value == last_value:
        return False
    # The final number supersedes an expression of the working; two literal numbers contradict each other.
    return other.strong or (value is not None and is_literal(other.text))
