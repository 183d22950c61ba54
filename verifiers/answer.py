"""Finds the final answer in a response: its text, where it stands, and the rule that found it; or says there is none.

Takes a response and, where the question names one, the asked variable. Gives an `Answer`. Does not know the
reference, so it cannot prefer a right reading to a wrong one, and never takes a number out of text that does not parse.

The rules, in order:
1. Text in a `<think>` block is not an answer; one that is never closed leaves none.
2. What stands before the last correction ("wait", "no,", "that is wrong") is dead; with nothing after it, retracted.
3. Marks of a final answer: box, <answer> tag, JSON key, `####`, "answer is" / "Answer:" in several languages.
   Assignments: `x = 14/2 = 7`, `7 = x`, "x is 7". Results: "which gives 7". A mark outranks what stands before it.
4. Without any of these: the last line, a leading value with a remark after it, the last sentence.
5. The last candidate is the answer. It is refused where it is hedged, negated or unfinished, or where another
   candidate that is still alive has another value.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re

from verifiers.rational import NUMBER_WORDS, Unreadable, canonical, fraction, is_literal, parse

MAX_TAIL = 8000
MAX_MARKS = 400


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    Attributes:
        text: The final answer as written, or None where there is none.
        span: Its (start, end) offsets in the response.
        rule: The rule that found it, or the one that refused it.
        reason: Why there is none, or None: no_answer, not_found, two_answers, hedged, negated, retracted, range,
            wrong_variable, unsolved, unfinished, too_long; `unread` where there is a text that says more than a value.
    """

    text: str | None
    span: tuple[int, int] | None
    rule: str
    reason: str | None = None


@dataclasses.dataclass(slots=True)
class _Candidate:
    start: int
    end: int
    rule: str
    text: str
    strong: bool = False
    refused: str | None = None
    dead: bool = False  # a supposition: "if x = 8"


def _none(rule: str, reason: str) -> Answer:
    return Answer(None, None, rule, reason)


# -- The asked variable ------------------------------------------------------------------------------------------------

_ASKED = re.compile(
    r"\bfor ([A-Za-z])\s*[.?!]?\s*$"
    r"|\b(?:what is|what's|find|calculate|determine|evaluate|compute|give)"
    r"(?: the)?(?: value of| solution for)? ([A-Za-z])\s*[.?!]?\s*$"
    r"|\b[Ss]olve\b.*\bfor ([A-Za-z])\b"
    r"|\b(?:value of|find) ([A-Za-z])\b",
    re.IGNORECASE,
)


@functools.lru_cache(maxsize=4096)
def asked_variable(question: str) -> str | None:
    """The variable a question asks for, or None: `Solve 3*x = 6 for x.`, `What is x?`."""
    match = _ASKED.search(question[-400:].strip())
    return next(filter(None, match.groups())) if match else None


# -- The fast path: a worked solution ----------------------------------------------------------------------------------

_STEPS = re.compile(r"(?:[0-9 =+*/\n().-]|(?<![A-Za-z])[a-z](?![A-Za-z]))*")
_LAST_STEP = re.compile(r"([a-z]) ?= ?(-?[0-9]{1,18})")


def _worked_solution(response: str, variable: str | None) -> Answer | None:
    """The answer of lines such as `5*w = 15`, `w = 15/5`, `w = 3`; None for anything less plain."""
    body = response.rstrip()
    head = body.rfind("\n") + 1
    match = _LAST_STEP.fullmatch(body, head)
    if match is None or match[1] != variable or len(body) > 4000 or not _STEPS.fullmatch(body, 0, head):
        return None
    if head and not _agree(body[:head], match[1], match[2]):
        return None
    return Answer(match[2], match.span(2), "assignment")


def _agree(steps: str, variable: str, answer: str) -> bool:
    """Whether no earlier line gives the variable another written-out number."""
    for line in steps.split("\n"):
        left, _, right = line.rpartition("=")
        right = right.strip()
        if left.partition("=")[0].strip() == variable and right.lstrip("-").isdecimal() and right != answer:
            return False
    return True


# -- The view: the same text, same length, with markup blanked ---------------------------------------------------------

_EMPHASIS = re.compile(
    r"(?<![\w)\]}*\\^])(\*{1,3}|_{1,2})(?=[^\s*_])([^*_\n]{1,300}?)(?<=\S)\1(?![\w*(])"
    r"|~~[^~\n]{1,300}~~"
)
_MARKUP = re.compile(
    r"`{3}[A-Za-z]{0,12}|`|</?(?:b|i|u|em|strong|p|span|div|br|code|pre)\s?/?>|&nbsp;"
    r"|^[ ]{0,3}[*\u2022]\s|\\(?:begin|end)\{[a-z]{1,12}\*?\}|(?<!\\)\\[()\[\]]",
    re.IGNORECASE | re.MULTILINE,
)


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _unwrap(match: re.Match[str]) -> str:
    if match[1] is None:
        return " " * len(match[0])
    return " " * len(match[1]) + match[2] + " " * len(match[1])


def _view(response: str) -> str:
    view = canonical(response)
    if "*" in view or "_" in view or "~~" in view:
        view = _EMPHASIS.sub(_unwrap, view)
    if "`" in view or "<" in view or "\\" in view or "* " in view or "\u2022" in view:
        view = _MARKUP.sub(_blank, view)
    if "$" in view and view.count("$") % 2 == 0:
        view = view.replace("$", " ")
    return view.replace("&=", " =") if "&=" in view else view


_THOUGHT = re.compile(r"<(/?)(?:think|thinking|thought|reasoning|scratchpad)>", re.IGNORECASE)


def _after_thought(view: str) -> int | None:
    """Where the text after the last thought begins; None where a thought is not closed."""
    start = 0
    for match in _THOUGHT.finditer(view):
        start = match.end() if match[1] else -1
    return None if start < 0 else start


# -- Words that change what a candidate is worth -----------------------------------------------------------------------

_NEGATIONS = frozenset(
    "not never no nope false wrong incorrect incorrectly except neither nor cannot can't isn't doesn't don't won't "
    "aren't wasn't couldn't shouldn't doubt impossible untrue anything fails fail hardly opposite reject rejected "
    "excluded excluding without cant isnt doesnt".split()
)
_HEDGES = frozenset(
    "maybe perhaps probably possibly possible might could may guess guessing guessed about approximately approx around "
    "roughly nearly almost somewhere likely unlikely unsure uncertain either or between close near circa ish least "
    "most more less unless otherwise estimate estimated suspect approaches approaching within depends random".split()
)
_SUPPOSITIONS = frozenset("if suppose supposing assume assuming supposed imagine plug plugging substitute".split())
_TRIALS = frozenset(
    "let try trying tried when for with at say test testing setting set consider check checking taking take whether "
    "thought were where substituting putting guess".split()
)
_UNITS = frozenset(
    "half halves third thirds quarter quarters percent mod modulo remainder dozen times squared degrees base".split()
)
_CORRECTING = frozenset(
    "wait correction actually sorry oops hmm scratch strike reflection thought hold edit mistake error wrong incorrect "
    "no nope recheck rechecking reconsider instead revised bad apologies mind disregard ignore forget kidding retract "
    "false true right correct mean not isn't doesn't can't cannot redo recompute rather update updated lie lied back".split()
)
_CONTRASTS = frozenset({"not", "rather", "instead", "unlike", "no"})
_SUSPECT = _NEGATIONS | _HEDGES | _SUPPOSITIONS | _TRIALS | _UNITS | _CORRECTING
_WORDS = re.compile(r"[a-z']+")

_CORRECTION = re.compile(
    r"\b(?:wait|hold on|oops|hmm+|correction|scratch that|strike that|on reflection|on second thought|edit|"
    r"i mean|i meant|my bad|apolog\w+|sorry|let me (?:re\w+|check|think|correct)|not quite|never mind|updated?|revised|"
    r"i take (?:that|it) back|just kidding|(?:disregard|forget|ignore|retract) (?:that|this|it|my|the (?:above|previous))"
    r"|(?:made|is|was|by) an? (?:\w+ )?(?:mistake|error|lie)|(?:sign|arithmetic) (?:error|mistake)"
    r"|(?:(?:is|was|are|be|seems|looks|that's|it's|i'm|am|were)(?: \w+ly| all| just| still)? |^|[.,;!] ?)"
    r"(?:wrong|incorrect|false|untrue|impossible|not (?:right|correct|true|it|so|valid|the (?:right|correct|answer)))"
    r"|(?:is not|isn't|not|was not|wasn't) (?:a|the|my) (?:\w+ )?(?:answer|solution|root|value)"
    r"|(?:that|this|it|which|answer) (?:\w+ )?(?:does not|doesn't|can't|cannot|isn't|is not|won't|fails)(?! change| matter))\b"
    r"|(?:^|[.,;!?:-] ?|\n)(?:no|nope|not|actually|rather)\b(?! (?:other|more|doubt|further|solution|need|problem)\b)",
    re.IGNORECASE | re.MULTILINE,
)
_DENIES = re.compile(r"wrong|incorrect|false|untrue|impossible|n't|not\b|cannot|fails", re.IGNORECASE)
_CLAUSE = re.compile(r"[.;,:!?\n](?=\s|$)|\b(?:but|so|instead|hence|therefore|thus)\b", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[\s,:;.!?)]{0,60}")
_SOFT = re.compile(r"(?:[.,;!?:-] ?|\n)?(?:wait|hold on|hmm+|let me \w+|actually|edit)", re.IGNORECASE)
_CONFIRMS = re.compile(
    r"\b(?:yes|correct|right|true|indeed|confirmed|works|holds|ok|okay|good|matches|fine)\b|[\u2713\u2714\u2705]", re.I
)
_MAYBE = re.compile(r"\b(?:or|maybe|perhaps|possibly|might|could|either|may)\b[^.!?\n]{0,40}[0-9]", re.IGNORECASE)
_UNSURE = re.compile(
    r"\b(?:not (?:\w+ )?(?:sure|certain|confident|know)|unsure|uncertain|no idea|don't know|do not know|can't tell|"
    r"just a guess|a guess|(?:cannot|can't|could not|couldn't) (?:find|determine|solve|be determined)|who knows|"
    r"double.check (?:it|this|that)|i give up)\b",
    re.IGNORECASE,
)
_GIVES_UP = re.compile(
    r"\s*(?:n/?a|none|null|unknown|\?+|\.+|-+|skip|pass|nothing|i give up\W*|(?:i )?(?:do not|don't) know\W*|"
    r"(?:no|there is no) (?:solution|answer)s?\W*)\s*",
    re.IGNORECASE,
)
_OTHER = r"(?:and not|not|rather than|instead of|unlike)\s+(?:the\s+)?(?:[A-Za-z]\s*=\s*)?-?[0-9][0-9.,/]{0,20}(?<![.,])"
_OTHER_NUMBER = re.compile(
    rf"\(\s*{_OTHER}\s*\)|(?:,\s*)?\b{_OTHER}(?=[\s.,;!)]|$)(?:\s*,?\s*but\b(?:\s+rather\b)?)?"
    r"|\bno (?:other|more|further|doubt|need)\b|\bnot only\b",
    re.IGNORECASE,
)
_NOT_SIGN = re.compile(r"[\u2260\u00ac\u2209]|!=|<>|\\ne(?:q|g)?(?![a-z])|\\not(?![a-z])|\\lnot")
_RANGE_SIGN = re.compile(
    r"[<>\u2264\u2265\u2248\u223c\u2243\u2245\u00b1~]|\\(?:leq?|geq?|approx|sim|pm|infty|lt|gt)(?![a-z])|\u221e"
)


def _words(text: str) -> set[str]:
    return set(_WORDS.findall(text.lower()))


# -- Marks: where a candidate may begin --------------------------------------------------------------------------------

_FOREIGN = (
    "ответ|решение|відповідь|отговор|答案|答え|答|解|解答|정답|답|respuesta|soluci[oó]n|r[ée]ponse|antwort|l[öo]sung|"
    "ergebnis|risposta|soluzione|resposta|solu[çc][ãa]o|antwoord|svar|vastaus|odpowied[źz]|odpov[ěe][ďd]|cevap|jawaban|"
    "đáp án|đáp số|उत्तर|जवाब|الجواب|الإجابة|תשובה|απάντηση|คำตอบ|răspuns|válasz|resultado|r[ée]sultat|ergebnis"
)
_IS = r"=|:|(?:is|equals|es|ist|est|é|è|ergibt|vaut)\b|равно|равен|равна|는|은|は|是|为|為"
_FILLER = (
    r"(?:\s{0,4}[:=]|\s{1,4}(?:therefore|thus|then|simply|just|exactly|precisely|indeed|clearly|actually|equal to|given by"
    r"|of course|hence|definitely|certainly|obviously|now|always|also|found to be|to be)\b)*"
)


@functools.lru_cache(maxsize=256)
def _marks(variable: str | None) -> re.Pattern[str]:
    """All marks in one pattern; compiled once per variable."""
    name = f"(?-i:{variable})" if variable else "[a-z]"
    return re.compile(
        rf"""
          \\(?P<box>boxed|fbox|framebox)(?![a-z])\s{{0,4}}
        | <(?P<tag>answer|final_answer|final|ans|solution|result)>
        | (?P<key>["'](?:answer|final_answer|final\ answer|result|solution|{name})["']\s{{0,4}}:\s{{0,4}})
        | (?P<hashes>\#{{4}})(?!\#)
        | (?<![A-Za-z])(?P<answer>(?:final\ |correct\ |right\ |only\ |possible\ |my\ |the\ |unique\ )*
            (?:answer|solution|result|ans|root|unknown)(?:\ set)?s?\b
            (?:\ (?:to|of|for)\b[^.\n:]{{0,80}}?\ (?:is|equals)\b
             | \s{{0,4}}(?:[:=]|\.(?=\s?-?[0-9])|\ (?:is|was|equals|must\ be|should\ be|would\ be|will\ be|comes\ out\ to)\b){_FILLER}
             | \s{{0,3}}\n(?=\s{{0,8}}[-+0-9\\(a-z])))
        | (?P<final>(?:^|(?<=\n))\s{{0,4}}(?:final|a)\ ?:)
        | (?<!\w)(?P<foreign>(?:{_FOREIGN})\s{{0,4}}(?:{_IS})\s{{0,4}}:?)
        | (?<![A-Za-z0-9_.\\'"])(?P<assign>{name}\s{{0,4}}
            (?: :?=(?![=<>]) | \u2208 | \\in(?![a-z]) | \u2190 | :(?=\s?[-+0-9\\(])
              | \b(?:is|equals|must\ be|should\ be|will\ be|has\ the\ value|has\ value|comes\ out\ to|turns\ out\ to\ be
                  |es|ist|est|vaut|равно|равен|是|等于)\b{_FILLER}
              | (?:是|等于|は|为) ))
        | (?<![<>!:=~\u2264\u2265])=\s{{0,4}}(?P<reverse>{name})(?=\s{{0,4}}(?:[.,;!)}}]|$|\n|\\\\)|\s+(?:is|so|and|because|since|as)\b)
        | (?<![A-Za-z])(?P<verb>(?:gives|giving|yields|yielding|get|gets|got|obtain|obtained|leaves|equals|find|it\ is|it's|so
            |thus|therefore|hence|be|correction|edit|no|actually|sorry|value\ is|works\ is|that|mean|meant|final\ answer|rather)
            (?:\ (?:us|that|is))?\s{{0,2}}[,:]?(?=\s{{1,4}}(?:[-+.(]{{0,3}}[0-9]|\\[dt]?frac|(?:{"|".join(NUMBER_WORDS)})\b)))
        """,
        re.IGNORECASE | re.VERBOSE,
    )


_AND = r"and(?=\s+(?:[A-Za-z]\s*=|the\b|this\b|we\b|so\b|it\b|thus\b|that\b|indeed\b|hence\b|check|verif|therefore\b|done\b))"
_END = re.compile(
    rf"""
      \n | \\\\ | \\q?quad(?![a-z]) | </ | [\u2713\u2714\u2611\u2705\u220e\u25a0\u25a1] | \?
    | [.;!](?=[\s"')\]\}}]|$) | :(?=\s)
    | ,(?=\s+(?!(?:{"|".join(NUMBER_WORDS)})\b)[^\W\d_]) | ,(?=\s+\\(?:text|quad))
    | \s(?=\(\s{{0,3}}(?:[^\W\d_]{{2}}|[0-9]+[*+]))
    | \s(?=-{{1,3}}\s+[^\W\d_]{{2}})
    | \s(?=\[[A-Za-z]{{2}}|<[a-z/])
    | \s(?=(?:because|since|as|so|which|that|but|is|then|thus|hence|therefore|satisf\w+|works|check\w*|verif\w+|not|rather
        |instead|indeed|again|exactly|only|too|solves|holds|makes|due|after|or|{_AND})\b)
    | \s(?=[\u2192\u21d2\u2234]|->|=>|\\(?:Rightarrow|implies|therefore|because|text|checkmark)(?![a-z]))
    """,
    re.IGNORECASE | re.VERBOSE,
)
_SKIP = re.compile(r"[\s\"]{0,40}")
_LETTERS = re.compile(r"[A-Za-z]{2}")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
_OPERATOR_END = re.compile(r"(?:[-+*/^=(\\{]|^)$")


class Reader:
    """Reads one stretch of the view, `lo` to `hi`."""

    def __init__(self, view: str, variable: str | None) -> None:
        self.view = view
        self.variable = variable

    # Candidates

    def candidates(self, lo: int, hi: int, suspect: bool) -> list[_Candidate]:
        """Every candidate of the stretch, in order, with what the words around it say of it."""
        found: list[_Candidate] = []
        matches = list(self._matches(lo, hi))
        blocked = lo
        for index, match in enumerate(matches):
            if match.start() < blocked:
                continue
            kind = match.lastgroup or ""
            if kind == "tag" or kind == "box":
                candidate, blocked = self._enclosed(match, kind, hi)
            elif kind == "reverse":
                candidate = self._reverse(match, lo)
            else:
                start = _SKIP.match(self.view, match.end(), hi).end()  # type: ignore[union-attr]
                if index + 1 < len(matches) and matches[index + 1].start() == start and kind != "assign":
                    continue  # "The answer is x = 7", "Answer: \boxed{7}": the inner mark is the more exact one
                candidate = self._open(match, kind, start, hi)
            if candidate is None:
                continue
            if suspect:
                self._weigh(candidate, match.start(), lo, hi)
            found.append(candidate)
        return found

    def _matches(self, lo: int, hi: int) -> list[re.Match[str]]:
        matches: list[re.Match[str]] = []
        for match in _marks(self.variable).finditer(self.view, lo, hi):
            if match.lastgroup != "assign" or self._stands_alone(match.start(), lo):
                matches.append(match)
        return matches[-MAX_MARKS:]

    def _stands_alone(self, start: int, lo: int) -> bool:
        """Whether the variable at `start` is a whole left side: not `3 x = 21` or `y - x = 7`."""
        before = self.view[max(lo, start - 40) : start].rstrip(" \u2009")
        if before.endswith(("=>", "->", "\\\\")):
            return True
        if not before or not (before[-1].isalnum() or before[-1] in "*/+-^)}]_=<>|'\\"):
            return True
        return before[-1].isalpha() and before[-2:-1].isalpha()

    def _open(self, match: re.Match[str], kind: str, start: int, hi: int) -> _Candidate | None:
        """A candidate that runs to the end of its clause."""
        end, stop = self._json_end(start, hi) if kind == "key" else self._clause_end(start, hi)
        if stop == "!" and not _LETTERS.search(self.view, self.view.rfind("\n", 0, match.start()) + 1, start):
            end += 1  # `x = 7!` is a factorial, "The answer is 7!" a loud seven
        strong = kind not in ("assign", "verb")
        rule = {"key": "json", "final": "answer", "foreign": "answer", "assign": "assignment", "verb": "result"}.get(
            kind, kind
        )
        candidate = self._settle(start, end, rule, strong)
        if stop == "?":
            candidate.refused = "hedged"
        wordy = bool(re.match(r"[^\W\d_]{2}", candidate.text)) and fraction(candidate.text) is None
        if kind == "verb" and (candidate.refused == "unread_chain" or fraction(candidate.text) is None):
            return None
        if kind == "hashes" and wordy:
            return None
        if kind in ("answer", "final") and not candidate.text and self.view[start:hi].strip():
            return self._next_line(start, hi, rule)
        candidate.dead = wordy and kind in ("answer", "final") and candidate.refused is None
        return candidate

    def _next_line(self, start: int, hi: int, rule: str) -> _Candidate | None:
        """The value on the line after a heading such as `Answer:`."""
        start += len(self.view[start:hi]) - len(self.view[start:hi].lstrip())
        end, _ = self._clause_end(start, hi)
        candidate = self._settle(start, end, rule, True)
        return candidate if fraction(candidate.text) is not None else None

    def _clause_end(self, start: int, hi: int) -> tuple[int, str]:
        match = _END.search(self.view, start, hi)
        return (match.start(), match[0]) if match else (hi, "")

    def _json_end(self, start: int, hi: int) -> tuple[int, str]:
        """A JSON value ends at its quote, or at the comma or brace after it; a list stays whole."""
        ends = '"' if self.view[start - 1] == '"' else "]}\n" if self.view[start : start + 1] == "[" else ",}\n"
        found = [at for at in (self.view.find(mark, start, hi) for mark in ends) if at >= 0]
        return (min(found, default=hi) + (ends[0] == "]"), "")

    def _enclosed(self, match: re.Match[str], kind: str, hi: int) -> tuple[_Candidate | None, int]:
        """What stands in a box or between tags."""
        start = match.end()
        if kind == "tag":
            closing = re.compile(rf"</{match['tag']}>", re.IGNORECASE).search(self.view, start, hi)
            if closing is None:
                return _Candidate(start, hi, "tag", "", True, "unfinished"), hi
            inner = Reader(self.view, self.variable).resolve(start, closing.start())
            span = inner.span or (start, closing.start())
            text = self.view[slice(*span)].strip()
            return _Candidate(*span, "tag", text, True, inner.reason), closing.end()
        if self.view[start : start + 1] != "{":
            end, _ = self._clause_end(start, hi)
            return self._settle(start, end, "box", True), end
        end = _closing_brace(self.view, start, hi)
        if end is None:
            return _Candidate(start, hi, "box", "", True, "unfinished"), hi
        return self._settle(start + 1, end, "box", True), end + 1

    def _reverse(self, match: re.Match[str], lo: int) -> _Candidate | None:
        """The left side of `7 = x`."""
        end = match.start()
        head = max(self.view.rfind(mark, lo, end) for mark in "\n;:,")
        start = max(head + 1, lo)
        words = list(re.finditer(r"[A-Za-z]{2,}[,.]?\s+|[.]\s+", self.view[start:end]))
        if words and self.view[start:end][: words[-1].end()].find("\\") < 0:
            start += words[-1].end()
        candidate = self._settle(start, end, "assignment", False)
        return candidate if fraction(candidate.text) is not None else None

    def _settle(self, start: int, end: int, rule: str, strong: bool) -> _Candidate:
        """The last segment of a chain of equalities, where the earlier ones do not contradict it."""
        view = self.view
        pieces: list[tuple[int, int]] = []
        for piece in re.finditer(r"(?:[^=\u2208\\]|\\(?!in(?![a-z])))+", view[start:end]):
            pieces.append((start + piece.start(), start + piece.end()))
        if view[start:end].rstrip().endswith("="):
            pieces.append((end, end))
        lo, hi = pieces[-1] if pieces else (start, end)
        while lo < hi and view[lo] in ' \n\u2009"':
            lo += 1
        while hi > lo and view[hi - 1] in ' \n\u2009"':
            hi -= 1
        candidate = _Candidate(lo, hi, rule, view[lo:hi], strong)
        if len(pieces) > 1:
            candidate.refused = self._chain([view[slice(*piece)].strip() for piece in pieces])
        if not candidate.text or _OPERATOR_END.search(candidate.text):
            candidate.refused = "unfinished"
        return candidate

    def _chain(self, pieces: list[str]) -> str | None:
        """Why a chain `x = 14/2 = 7` gives no one value."""
        first = pieces[0].strip("$ ")
        if len(first) == 1 and first.isalpha():
            if self.variable and first != self.variable:
                return "wrong_variable"
            pieces = pieces[1:]
        values = [fraction(piece) for piece in pieces]
        if any(value is None for value in values[:-1]):
            return "unread_chain"
        literals = {value for piece, value in zip(pieces, values, strict=True) if is_literal(piece)}
        return "two_answers" if len(literals) > 1 else None

    # What the words around a candidate say

    def _weigh(self, candidate: _Candidate, mark: int, lo: int, hi: int) -> None:
        clause = max(self.view.rfind(boundary, lo, mark) for boundary in ".;!?:\n,") + 1
        before = _OTHER_NUMBER.sub(" ", self.view[max(clause, lo) : mark].lower())
        listed = _WORDS.findall(before)
        words = set(listed)
        region = _words(candidate.text)
        if words & _NEGATIONS or region & _NEGATIONS or _NOT_SIGN.search(before):
            candidate.refused = "negated"
        elif words & _HEDGES or region & _HEDGES:
            candidate.refused = "two_answers" if "or" in region else "hedged"
        elif words & _SUPPOSITIONS or (
            listed and listed[-1] in _TRIALS and "left" not in words and "solv" not in before
        ):
            candidate.dead = True
        candidate.refused = candidate.refused or self._after(candidate.end, hi)

    def _after(self, end: int, hi: int) -> str | None:
        """What the rest of the candidate's sentence takes back."""
        stop = _SENTENCE_END.search(self.view, end, hi)
        rest = _OTHER_NUMBER.sub(" ", self.view[end : stop.start() if stop else hi])
        words = _words(rest)
        if "or" in words or re.match(r"\s*(?:,\s*)?and\s+-?[0-9]", rest):
            return "two_answers"
        if words & _HEDGES or words & {"if", "provided"}:
            return "hedged"
        if words & _NEGATIONS:
            return "negated"
        return "unread_remark" if words & _UNITS else None

    # From candidates to one answer

    def resolve(self, lo: int, hi: int) -> Answer:
        """The answer of one stretch."""
        text = self.view[lo:hi]
        if not text.strip():
            return _none("empty", "no_answer")
        if _GIVES_UP.fullmatch(text):
            return _none("gives_up", "no_answer")
        words = _words(text)
        if not words.isdisjoint(_CONTRASTS) and _OTHER_NUMBER.search(text):
            return self._without_contrast(lo, hi)
        suspect = not words.isdisjoint(_SUSPECT) or _NOT_SIGN.search(text) is not None
        if not words.isdisjoint(_CORRECTING):
            corrected = self._corrected(lo, hi)
            if corrected:
                return corrected
        return self._stretch(lo, hi, suspect)

    def _without_contrast(self, lo: int, hi: int) -> Answer:
        """The answer of `x = 7, not 8` or `not 8 but 7`: what is named only to be denied is blanked."""
        blanked = self.view[:lo] + _OTHER_NUMBER.sub(_blank, self.view[lo:hi]) + self.view[hi:]
        found = Reader(blanked, self.variable).resolve(lo, hi)
        return _none(found.rule, "negated") if found.reason in ("unfinished", "not_found", "no_answer") else found

    def _stretch(self, lo: int, hi: int, suspect: bool) -> Answer:
        if not self.view[lo:hi].strip():
            return _none("empty", "no_answer")
        candidates = self.candidates(lo, hi, suspect)
        live = [candidate for candidate in candidates if not candidate.dead]
        if live:
            return self._chosen(live, hi, suspect)
        bare = self._bare(lo, hi, suspect)
        if bare.reason == "not_found" and candidates:
            last = candidates[-1]
            if last.rule == "answer":
                return Answer(last.text, (last.start, last.end), "answer", "unread")
            return _none(last.rule, "hedged")
        return bare

    def _chosen(self, live: list[_Candidate], hi: int, suspect: bool) -> Answer:
        strong = [index for index, candidate in enumerate(live) if candidate.strong]
        pool = live[strong[0] :] if strong else live
        if strong:
            pool = [c for i, c in enumerate(pool) if c.strong or i > strong[-1] - strong[0]]
        last = pool[-1]
        if last.refused:
            if last.refused.startswith("unread"):
                return Answer(last.text, (last.start, last.end), last.rule, "unread")
            return _none(last.rule, last.refused)
        if any(_differ(other, last) for other in pool[:-1]):
            return _none(last.rule, "two_answers")
        if suspect and (reason := self._taken_back(last.end, hi)):
            return _none(last.rule, reason)
        if not strong and self._broken_off(last, hi):
            return _none(last.rule, "unfinished")
        return Answer(last.text, (last.start, last.end), last.rule)

    def _taken_back(self, end: int, hi: int) -> str | None:
        tail = self.view[end:hi]
        if _UNSURE.search(tail) or _MAYBE.search(tail):
            return "hedged"
        return None

    def _broken_off(self, last: _Candidate, hi: int) -> bool:
        """Whether a line after the answer goes on with the equation, and is cut off or does not hold."""
        number = fraction(last.text)
        for line in self.view[last.end : hi].split("\n")[1:]:
            line = line.strip()
            if not line or self.variable is None or self.variable not in line or _LETTERS.search(line):
                continue
            sides = [fraction(side.replace(self.variable, f"({number})")) for side in line.split("=")]
            cut = len(sides) == 1 or not line.split("=")[-1].strip() or bool(_OPERATOR_END.search(line))
            if cut or (None not in sides and len(set(sides)) > 1):
                return True
        return False

    def _corrected(self, lo: int, hi: int) -> Answer | None:
        """The answer where the response corrects itself; None where it does not."""
        cues = list(_CORRECTION.finditer(self.view[lo:hi]))
        if not cues:
            return None
        cue = cues[-1]
        start = lo + cue.end()
        if _DENIES.search(cue[0]):  # "It is false that x = 7": what is denied ends with its clause
            clause = _CLAUSE.search(self.view, start, hi)
            start = clause.end() if clause else hi
        start = _PUNCTUATION.match(self.view, start, hi).end()  # type: ignore[union-attr]
        after = self._stretch(start, hi, True)
        if after.text is not None or after.reason in ("two_answers", "hedged", "unfinished", "wrong_variable"):
            return after
        inner = self.view[start:hi]
        soft = all(_SOFT.fullmatch(match[0]) for match in cues)
        if not soft or (_words(inner) & _NEGATIONS) or not _CONFIRMS.search(inner):
            before = self._stretch(lo, lo + cue.start(), True)
            hidden = before.text is None and before.reason in ("no_answer", "not_found", "hedged", "unsolved")
            return _none("correction", "negated" if hidden else "retracted")
        return self._stretch(lo, lo + cue.start(), True)

    # Without any mark

    def _bare(self, lo: int, hi: int, suspect: bool) -> Answer:
        """Rules for a response that marks nothing: last line, leading value, last sentence."""
        lines = self._lines(lo, hi)
        start, end = lines[-1]
        last = self._value(start, end)
        leading = self._leading(lines[0][0], hi) if last is None or len(lines) > 1 else None
        if last is None:
            last = leading or self._sentence(start, end)
        if last is None:
            return self._nothing(lo, hi, len(lines) == 1)
        found = fraction(self.view[slice(*last)])
        others = [self._value(*line) for line in lines]
        values = {fraction(self.view[slice(*other)]) for other in others if other and self._is_plain(other)}
        if values - {found}:
            return _none("last_line", "two_answers")
        if suspect and (reason := self._spoilt(lo, last, hi)):
            return _none("last_line", reason)
        rule = "whole" if len(lines) == 1 and last == lines[0] else "leading" if last == leading else "last_line"
        return Answer(self.view[slice(*last)], last, rule)

    def _is_plain(self, span: tuple[int, int]) -> bool:
        return is_literal(self.view[slice(*span)])

    def _lines(self, lo: int, hi: int) -> list[tuple[int, int]]:
        lines: list[tuple[int, int]] = []
        for match in re.finditer(r"[^\n]+", self.view[lo:hi]):
            if not match[0].isspace():
                lines.append((lo + match.start(), lo + match.end()))
        return lines[:1] + lines[1:][-60:]

    def _value(self, start: int, end: int) -> tuple[int, int] | None:
        """The span of a stretch that is nothing but a value."""
        text = self.view[start:end]
        left = len(text) - len(text.lstrip(" \n\u2009\"'"))
        text = text.strip(" \n\u2009\"'")
        if text.startswith("="):
            left += len(text) - len(text[1:].lstrip())
            text = text[1:].lstrip()
        if text[-1:] in ".;," and text[-2:-1] != ".":
            text = text[:-1]
        if not text or len(text) > 5000:
            return None
        first = text[0]
        if not (first.isdigit() or first in "-+.(\\{[\u221a" or first.isalpha()):
            return None
        if fraction(text) is None:
            text = self._repeated(text) or ""
        return (start + left, start + left + len(text)) if text else None

    def _repeated(self, text: str) -> str | None:
        """`7 7 7`, `7, 7` -> `7`."""
        if len(text) > 400:
            return None
        pieces = re.split(r"[,;]?\s+", text)
        values = [fraction(piece) for piece in pieces]
        same = len(pieces) > 1 and None not in values and len(set(values)) == 1
        return pieces[0] if same else None

    def _leading(self, start: int, hi: int) -> tuple[int, int] | None:
        """The value that a response opens with, where only a remark follows."""
        end, stop = self._clause_end(start, hi)
        if end == hi or stop in "?:!" and stop:
            return None
        rest = self.view[end:hi]
        if re.match(
            r"\s*(?:and|that|only|but)\b|\s*is\b(?!\s+(?:the|our|my|a)?\s?(?:final |correct |only |right |unique )*"
            r"(?:answer|solution|value of|result|root|correct|right|true)\b)",
            rest,
        ):
            return None
        if not _LETTERS.search(rest) and re.search(r"[0-9]", rest):
            return None
        return self._value(start, end)

    def _sentence(self, start: int, end: int) -> tuple[int, int] | None:
        """The last sentence, where it is a bare value: "What is left? 7."."""
        ends = [match.end() for match in re.finditer(r"[.!?]\s", self.view[start:end].rstrip())]
        return self._value(start + ends[-1], end) if ends else None

    def _spoilt(self, lo: int, span: tuple[int, int], hi: int) -> str | None:
        """Why words elsewhere in an unmarked response take its value back."""
        before = _OTHER_NUMBER.sub(" ", self.view[lo : span[0]])
        last = before[bisect.bisect_left([0], 1) :] if before else ""
        words = _words(last.splitlines()[-1] if last.splitlines() else "")
        if words & _NEGATIONS:
            return "negated"
        if words & (_HEDGES | _SUPPOSITIONS) or _UNSURE.search(before):
            return "hedged"
        return self._after(span[1], hi) or self._taken_back(span[1], hi)

    def _nothing(self, lo: int, hi: int, one_line: bool) -> Answer:
        """Why there is no answer, as far as the text tells."""
        text = self.view[lo:hi]
        stripped = text.strip()
        if _RANGE_SIGN.search(text):
            return _none("none", "range")
        if _NOT_SIGN.search(text):
            return _none("none", "negated")
        words = _words(text)
        if any(len(word) > 1 for word in words):
            reason = "negated" if words & _NEGATIONS else "hedged" if words & _HEDGES else "not_found"
            return _none("none", reason)
        if re.search(r"(?<![\w*/^)])[A-Za-z]\s{0,4}=", text) and self.variable:
            return _none("none", "wrong_variable")
        if "=" in text:
            return _none("none", "unsolved")
        if _OPERATOR_END.search(stripped):
            return _none("none", "unfinished")
        if one_line and len(stripped) <= 400 and _parses(stripped):
            start = lo + text.index(stripped)
            return Answer(stripped, (start, start + len(stripped)), "whole")
        return _none("none", "not_found")


def _parses(text: str) -> bool:
    try:
        parse(text)
    except Unreadable:
        return False
    return True


def _differ(other: _Candidate, last: _Candidate) -> bool:
    """Whether an earlier candidate is still alive and says something else."""
    if other.refused in ("hedged", "negated", "wrong_variable") and not (other.strong and other.refused == "hedged"):
        return False
    if other.text == last.text:
        return False
    mine, theirs = fraction(other.text), fraction(last.text)
    if mine is not None and mine == theirs:
        return False
    # An expression in the working is superseded by the number it leads to; two written-out numbers stay two.
    return other.strong or (mine is not None and is_literal(canonical(other.text)))


def _closing_brace(view: str, start: int, hi: int) -> int | None:
    """Where the brace that opens at `start` closes."""
    depth = 0
    for match in re.finditer(r"\\.|[{}]", view[start:hi]):
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
            if not depth:
                return start + match.start()
    return None


def find(response: str, variable: str | None = None) -> Answer:
    """The final answer of a response.

    Args:
        response: Any text.
        variable: The asked variable, where the question names one (see `asked_variable`).
    """
    quick = _worked_solution(response, variable)
    if quick is not None:
        return quick
    lo = _after_thought(response) if "<" in response else 0
    if lo is None:
        return _none("thought", "unfinished")
    lo, hi = _tail(response, lo)
    if hi - lo > MAX_TAIL:
        return _none("none", "too_long")
    found = Reader(_view(response[lo:hi]), variable).resolve(0, hi - lo)
    if found.span is None:
        return found
    span = (found.span[0] + lo, found.span[1] + lo)
    return Answer(response[slice(*span)], span, found.rule, found.reason)


def _tail(response: str, lo: int) -> tuple[int, int]:
    """The part that is read: without blank ends and, where the response is long, its last whole lines."""
    while lo < len(response) and response[lo].isspace():
        lo += 1
    hi = max(lo, len(response.rstrip()))
    if hi - lo > MAX_TAIL:
        line = response.find("\n", hi - MAX_TAIL, hi)
        lo = line + 1 if line >= 0 else lo
    return lo, hi
