"""The value that one sentence states, and how surely.

Takes a sentence and what is wanted; gives an `Answer`. In this order: a value in bold; a name or another word; the
value in the last clause ("..., so there are 2 left"). There: the last side of a chain of equalities, the only formula,
or a number. Where a clause holds several numbers, one is chosen by the asked noun ("the slope is 2", "24 apples"), and
because the others stand in adjuncts ("after 3 hours") or in the question. Such a choice is weak: good enough to accept
a response, not to refuse it.
"""

from __future__ import annotations

import re
from typing import NamedTuple, TypeAlias

from restem.verifiers.answers import sentence_patterns as p
from restem.verifiers.answers.naming import named, subject_of_question
from restem.verifiers.answers.numerals import covered, numeral_at, numerals, spelled
from restem.verifiers.answers.patterns import NOT_SIGN, RANGE_SIGN, words_of
from restem.verifiers.answers.question import Asked
from restem.verifiers.answers.reader import Answer, no_answer

Span: TypeAlias = tuple[int, int]

MAX_BOLD_WORDS = 6
MAX_NUMBERS = 40  # of a sentence; one with more of them states none
REACH = 100  # characters before a number that may tell what it is
RULE, LINE_RULE, WEAK_RULE = "last_sentence", "last_line", "one_of_several"  # with words, a value alone, a choice

_WORDS = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_NAMES = re.compile(r"\\(?:text|mathrm)\{[^{}]*\}|\\[A-Za-z]+")


class Wanted(NamedTuple):
    """What is looked for.

    Attributes:
        asked: What the question asks.
        wordy: Whether it may be words.
        formula: Whether it may be more than a number.
    """

    asked: Asked
    wordy: bool
    formula: bool

    @property
    def names(self) -> bool:
        """Whether it is words and nothing else."""
        return self.wordy and not self.formula


def holds_value(text: str, wanted: Wanted) -> bool:
    """Whether a text may hold what is wanted."""
    if re.search(r"[0-9]", text) or (wanted.wordy and len(text.strip()) > 1) or spelled(text, 0, len(text)):
        return True
    if not wanted.wordy and not wanted.formula and wanted.asked.nouns and p.NONE.search(text):
        return True
    signs = r"[$=\\\u221a\u03c0\u221e]" if wanted.formula else r"[\u221a\u03c0]|\\(?:d?frac|pi|sqrt)"
    return re.search(signs, text) is not None


def statement(text: str, lo: int, hi: int, wanted: Wanted) -> Answer:
    """The answer that the sentence between two offsets states."""
    return _Statement(text, lo, hi, wanted).answer()


class _Statement:
    """One sentence between two offsets of a text."""

    def __init__(self, text: str, lo: int, hi: int, wanted: Wanted) -> None:
        self.text, self.lo, self.hi = text, lo, hi
        self.wanted, self.asked = wanted, wanted.asked
        self.rest = (hi, hi)  # the reason or detail behind the value
        self.is_weak = False
        self._cut()

    def _cut(self) -> None:
        """Ends the sentence before an approximation of its value, a reason or a detail."""
        about = p.ABOUT.search(self.text, self.lo, self.hi)
        if about and self._is_enough(about.start()) and not p.CLAUSE.search(self.text, about.end(), self.hi):
            self.hi = about.start()  # `5/36 = 13.9 %`, about
        for reason in p.REASON.finditer(self.text, self.lo, self.hi):
            concludes = p.CONCLUDES_LATER.search(self.text, reason.end(), self.hi)
            if self._is_enough(reason.start()) and not concludes:
                self.rest, self.hi = (reason.start(), self.hi), reason.start()
                return

    def _is_enough(self, end: int) -> bool:
        return holds_value(self.text[self.lo : end], self.wanted)

    def answer(self) -> Answer:
        """The answer that the sentence states."""
        name = subject_of_question(self.text, self.lo, self.hi, self.asked) if self.wanted.names else None
        span = self._bold() or name or self._in_last_clause()
        if span is None or not self.text[slice(*span)].strip():
            return no_answer(RULE, "unread")
        if reason := self._refusal(span):
            return no_answer(RULE, reason)
        has_words = len(_WORDS.findall(self.text, self.lo, self.hi)) > 1
        rule = WEAK_RULE if self.is_weak else RULE if has_words else LINE_RULE
        return Answer(self.text[slice(*span)], span, rule)

    # -- Refusals ------------------------------------------------------------------------------------------------------

    def _refusal(self, span: Span) -> str | None:
        """Why other words of the sentence refuse the answer, or None."""
        before = self.text[self.lo : span[0]]
        clause = before[max((match.end() for match in p.CLAUSE.finditer(before)), default=0) :]
        body = self.text[span[1] if self.wanted.wordy else span[0] : self.hi]
        clause = p.RELATIVE.sub("", clause)
        unsure = p.UNSURE.search(clause) or p.UNSURE.search(body) or p.ASIDE_HEDGE.match(self.text, *self.rest)
        if unsure and not (self.asked.is_rounded and not p.TENTATIVE.search(unsure[0])):
            return "hedged"
        near = None if self.wanted.names else p.NEAR.search(before) or p.DENIED.match(self.text, span[1], self.hi)
        if near and not self._is_asked_bound(near[0]):
            return "hedged"
        if re.search(r"\bor\b", self.text[span[1] : self.hi], re.IGNORECASE) or p.TAKES_BACK.search(self.text, span[1]):
            return "hedged"
        return "given" if not self.wanted.wordy and self._is_given(self.text[slice(*span)]) else None

    def _is_asked_bound(self, near: str) -> bool:
        """Whether "at least" or "about" belongs to what is asked: the least number, a rounded value."""
        if re.match(r"at (?:least|most)", near, re.IGNORECASE):
            return not self.asked.words.isdisjoint(p.BOUNDS)
        return self.asked.is_rounded and near.lower().startswith(("about", "close"))

    def _is_given(self, text: str) -> bool:
        """Whether a quantity stands in the question, in another unit than the asked one: "6 days" for hours."""
        quantity = text.strip(" $*.").lower()
        unit = quantity.split()[-1] if quantity else ""
        if " " not in quantity or not unit.isalpha() or unit in self.asked.nouns:
            return False
        return re.search(rf"(?<![\w.,]){re.escape(quantity)}\b", self.asked.text.lower()) is not None

    # -- Bold, and the last clause -------------------------------------------------------------------------------------

    def _bold(self) -> Span | None:
        """The last value in bold; None without one, or where several differ and no clause singles out the last."""
        spans = list[Span]()
        for match in p.BOLD.finditer(self.text, self.lo, self.hi):
            start, end = match.span(match.lastindex or 0)
            label = p.LABEL.match(self.text, start, end)
            start = label.end() if label else start
            content = self.text[start:end].strip()
            if content and len(words_of(content)) <= MAX_BOLD_WORDS and holds_value(content, self.wanted):
                spans.append((start, end))
        if not spans:
            return None
        if len({self.text[slice(*span)].strip().lower() for span in spans}) > 1:
            between = self.text[spans[-2][1] : spans[-1][0]]
            if not (p.CLAUSE.search(between) or "=" in between):
                return None
        start, end = spans[-1]
        if self.wanted.names and len(words_of(self.text[start:end])) > 3:
            return named(self.text, start, end, self.asked)
        number = None if self.wanted.wordy or self.wanted.formula else self._number(start, end)
        self.is_weak = False
        return self._last_side(start, end) or number or (start, end)

    def _in_last_clause(self) -> Span | None:
        """The value in the last clause that holds one."""
        starts = [self.lo, *(match.end() for match in p.CLAUSE.finditer(self.text, self.lo, self.hi))]
        clauses = list(zip(starts, [*starts[1:], self.hi], strict=True))
        restated = len(clauses) > 1 and p.RESTATES.search(self.text, clauses[-1][0] - 9, clauses[-1][0])
        if len(clauses) > 1 and self._is_other_unit(clauses[-2], clauses[-1], bool(restated)):
            clauses.pop()
        for start, end in reversed(clauses):
            if self.wanted.names:
                return named(self.text, start, end, self.asked)
            if not holds_value(self.text[start:end], self.wanted):
                continue
            if self.wanted.formula:
                return self._last_formula(start, end)
            span = self._number(start, end)
            concludes = p.CONCLUDING.search(self.text, max(self.lo, start - 12), start) is not None
            self.is_weak = self.is_weak or bool(restated) or not (concludes or self._is_only_number())
            return span
        return None

    def _is_only_number(self) -> bool:
        """Whether the sentence holds one number, or a chain of equalities."""
        if "=" in self.text[self.lo : self.hi]:
            return True
        digits = numerals(self.text, self.lo, max(self.hi, self.rest[1]))
        if len(digits) > 1:
            return False
        words = [span for span in spelled(self.text, self.lo, self.hi) if not any(a <= span[0] < b for a, b in digits)]
        return len(digits) + len(words) < 2

    def _is_other_unit(self, before: Span, last: Span, restated: bool) -> bool:
        """Whether the last clause gives in another unit, or of another thing, what the one before it gives."""
        if self.wanted.wordy or self.wanted.formula:
            return False
        numbers = numerals(self.text, *last)
        other = r"[0-9]\s(?!has|is|was|needs|remains)[A-Za-z]{3,}s\Z"
        has_other_noun = len(numbers) == 1 and re.search(other, self.text[slice(*numbers[0])]) is not None
        if not (restated or has_other_noun) or self._of_noun(*last, numbers):
            return False
        return self._of_noun(*before, numerals(self.text, *before)) is not None

    # -- Chains and formulas -------------------------------------------------------------------------------------------

    def _last_side(self, lo: int, hi: int) -> Span | None:
        """The last side of a chain of equalities whose left side is asked or holds numbers alone; None without one."""
        at = max(self.text.rfind("=", lo, hi), self.text.rfind("\u2243", lo, hi))
        if at < 0 or self.text[at - 1 : at] in ("<", ">", "!", ":", "/") or not self._is_asked(self.text[lo:at]):
            return None
        if self.wanted.formula:
            return at + 1, hi
        number = numeral_at(self.text, at + 1, hi)
        if number is not None and not p.MORE_NUMBERS.match(self.text, number[1], hi):
            self.is_weak = self.is_weak or re.search(r"[0-9]", self.text[number[1] : hi]) is not None
            return number
        if power := p.POWER_OF_TEN.match(self.text, at + 1, hi):
            return power.span(1)
        typeset = p.TYPESET.match(self.text, at + 1, hi)
        return typeset.span(1) if typeset and "\\" in typeset[1] else None

    def _is_asked(self, left: str) -> bool:
        """Whether the last side but one of a chain is the asked expression, holds numbers alone, or names a total."""
        last = p.BEHIND_WORDS.split(left.strip(" $*").rpartition("=")[2])[-1].strip(" $*\n")
        last = _NAMES.sub(" ", last).strip()
        if not re.search(r"[A-Za-z]", last) or p.ARITHMETIC.search(last) or p.MEASURED.search(last):
            return True
        plain = re.sub(r"[\s$*\\]", "", last)
        expression = re.sub(r"[\s$*\\]", "", self.asked.expression or "")
        if plain == self.asked.variable or (expression and plain.endswith(expression)):
            return True
        if self.asked.is_open and len(plain) == 1:
            return True
        if re.fullmatch(r"[A-Za-z](?:\(.*\))?", plain) and plain[0].lower() in {noun[0] for noun in self.asked.nouns}:
            return True  # `A = 24` for "What is the area?"
        words = re.findall(r"[A-Za-z]{2,}", last)
        return bool(words) and words[-1].lower() in (p.TOTALS | self.asked.words) and not p.SYMBOLIC.search(last)

    def _last_formula(self, lo: int, hi: int) -> Span | None:
        """The last formula of a clause, or the text behind its copula; the whole clause where it holds no words."""
        formulas = [match.span(match.lastindex or 0) for match in p.FORMULA.finditer(self.text, lo, hi)]
        if formulas:
            return self._last_of(formulas)
        copulas = list(p.COPULA.finditer(self.text, lo, hi))
        start = copulas[-1].end() if copulas else lo
        start += len(self.text[start:hi]) - len(self.text[start:hi].lstrip(" :"))
        words = _WORDS.findall(self.text, start, hi)
        return (start, hi) if all(word.lower() in p.IN_FORMULAS for word in words) else None

    def _last_of(self, formulas: list[Span]) -> Span | None:
        """The last formula with those that it is listed with: `$x = 2$ or $x = 3$`; None where it may be another's."""
        first = len(formulas) - 1
        while first and p.LISTS.fullmatch(self.text[formulas[first - 1][1] : formulas[first][0]]):
            first -= 1
        if first in (0, len(formulas) - 1) and len(formulas) > 1 and first:
            between = self.text[formulas[-2][1] : formulas[-1][0]]
            return formulas[-1] if p.LEADS_TO.search(between) else None
        return formulas[first][0], formulas[-1][1]

    # -- Numbers -------------------------------------------------------------------------------------------------------

    def _number(self, lo: int, hi: int) -> Span | None:
        """The number that a clause gives, with its unit."""
        body = self.text[lo:hi]
        if RANGE_SIGN.search(body) or NOT_SIGN.search(body) or "==" in body:
            return None
        if "ratio" in self.asked.words:
            ratios = list(p.RATIO.finditer(self.text, lo + body.rfind("=") + 1, hi))
            if len(ratios) == 1:
                return ratios[0].span()
        if not self.asked.words.isdisjoint(p.CHANCES) and (chance := p.CHANCE.search(self.text, lo, hi)):
            return chance.span()
        if "=" in body:
            return self._number_of_chain(lo, hi)
        words = re.findall(r"(?<![\\A-Za-z])[A-Za-z]+", body)
        if len(words) < 2 and not (words and words_of(self.text[self.lo : lo])):
            return self._value_alone(lo, hi, words)
        formulas, given = self._formulas(lo, hi)
        inside = [*formulas, *given]
        spans = [span for span in numerals(self.text, lo, hi) if not any(a <= span[0] < b for a, b in inside)]
        if len(formulas) == 1 and not spans:
            return formulas[0]
        if formulas or len(spans) > MAX_NUMBERS or not covered(self.text, lo, hi, [*spans, *given]):
            return None
        if not spans:
            numbers = spelled(self.text, lo, hi)
            if not numbers and (none := p.NONE.search(self.text, lo, hi)):
                return none.span(none.lastindex or 0)
            return numbers[0] if len(numbers) == 1 else None
        return spans[0] if len(spans) == 1 else self._chosen(lo, hi, spans)

    def _number_of_chain(self, lo: int, hi: int) -> Span | None:
        """The last side of a chain; the number behind a later verb: `7 * 4.5 = 31.5`, plus 2 gives 33.5."""
        body = self.text[lo:hi]
        last = numerals(self.text, lo + body.rindex("=") + 1, hi)
        if len(last) > 1 and p.LAST_VERB.search(self.text[lo : last[-1][0]]):
            self.is_weak = True
            return last[-1]
        between = body[body.index("=") : body.rindex("=")]
        self.is_weak = self.is_weak or p.LISTED.search(between) is not None  # two chains
        return self._last_side(lo, hi)

    def _value_alone(self, lo: int, hi: int, words: list[str]) -> Span | None:
        """A clause that is a value, which the grammar reads or refuses as a whole; the number of "floor 10"."""
        body = self.text[lo:hi]
        if words and words[0].lower() in self.asked.words and len(numbers := numerals(self.text, lo, hi)) == 1:
            return numbers[0]
        if (label := p.LABEL.match(body)) and not self._is_asked(label[0].rstrip(": ")):
            return None
        return lo + (label.end() if label else len(body) - len(body.lstrip())), hi

    def _formulas(self, lo: int, hi: int) -> tuple[list[Span], list[Span]]:
        """The formulas of a clause that are more than a number, and those that stand in the question."""
        matches = [match for match in p.FORMULA.finditer(self.text, lo, hi) if not p.PROSE.search(match[0])]
        given = [match.span() for match in matches if self.asked.holds(match[0])]
        formulas = [
            match.span(match.lastindex or 0)
            for match in matches
            if p.IS_FORMULA.search(_bare(match)) and match.span() not in given
        ]
        return formulas, given

    def _chosen(self, lo: int, hi: int, spans: list[Span]) -> Span | None:
        """The one of several numbers that the clause states, as far as its form shows it; None where it does not."""
        self.is_weak = True
        kinds = (
            ("year" in self.asked.words, lambda text: p.YEAR.fullmatch(text.split()[0]) and not self._is_old(text)),
            (self.asked.is_percent, lambda text: re.search(r"%|percent", text)),
            ("time" in self.asked.words, lambda text: ":" in text),
        )
        for applies, fits in kinds:
            spans = [span for span in spans if applies and fits(self.text[slice(*span)])] or spans
        if opening := p.OPENING.match(self.text, lo, hi):
            spans = [span for span in spans if span[0] >= opening.end()] or spans
        if len(spans) > 1 and (details := self.text.find(": ", spans[0][1], spans[1][0])) >= 0:
            spans = [span for span in spans if span[1] <= details]
        main = [span for span in spans if not p.ADJUNCT.search(self.text[max(lo, span[0] - REACH) : span[0]])]
        if (of_noun := self._of_noun(lo, hi, main)) or len(main) == 1:
            return of_noun or main[0]
        if p.LAST_VERB.search(self.text[max(lo, spans[-1][0] - REACH) : spans[-1][0]]):
            return spans[-1]  # "64 - 15 leaves 49"
        behind = [span for span in main if p.STATES.search(self.text, lo, span[0])]
        if len(behind) == 1:
            return behind[0]  # "the 35 coins are worth $4.90"
        new = [span for span in main or spans if not self._is_old(self.text[slice(*span)])]
        return new[0] if len(new) == 1 else None

    def _is_old(self, text: str) -> bool:
        """Whether a number stands in the question."""
        return re.sub(r"[^0-9./,].*|[.,]\Z", "", text.lstrip(" $-")) in self.asked.numbers

    def _of_noun(self, lo: int, hi: int, spans: list[Span]) -> Span | None:
        """The value of the asked noun, or of the name that is asked about; None where it is not single."""
        own = [span for span in spans if self._belongs(lo, hi, span)]
        if not own and self.asked.subjects:
            subjects = "|".join(map(re.escape, self.asked.subjects))
            of_subject = re.compile(rf"\b(?:{subjects})\b(?:\s[a-z]+){{1,4}}\s[\s*$]*\Z")
            own = [span for span in spans if of_subject.search(self.text[max(lo, span[0] - REACH) : span[0]])]
        return own[0] if len(own) == 1 else None

    def _belongs(self, lo: int, hi: int, span: Span) -> bool:
        """Whether a number counts or measures one of the asked nouns."""
        before = self.text[max(lo, span[0] - REACH) : span[0]].lower()
        after = self.text[span[0] : min(hi, span[0] + REACH)].lower()
        for noun in self.asked.nouns:
            stem = re.escape(noun.removesuffix("s"))
            value_of = rf"{stem}\w{{0,2}}(?:\s\w+){{0,3}}\s(?:is|are|was|equals|of)\s[\s*$]*(?:[a-z]\s?=\s?)?\Z"
            if re.search(value_of, before) or re.match(rf"\S+\s(?:\w+\s)?{stem}", after):
                return True
        return False


def _bare(match: re.Match[str]) -> str:
    """The inside of a formula without signs that belong to numbers: `\\$15.50`, `30\\%`, `5\\text{ km}`."""
    return re.sub(r"\\[$%,;! ]|\\(?:text|mathrm)\{[^{}]*\}|\^\\circ", "", match[match.lastindex or 0])
