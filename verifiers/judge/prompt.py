"""The prompt of a judge: a text from a file, with question, reference and response quoted into it as data.

Takes texts; gives one text, or two of one conversation. It does not depend on models, requests or replies.

A prompt is a text file with the places `{question}`, `{response}`, `{reference}` (not for `judge_blind`) and, where it
fences its data, `{fence}`. A line `{commit}` divides it into two turns: the judge answers the first one, which shows
the question alone, before it sees the second one. No response can be read as a part of the prompt:
- Every value is one JSON string on one line, without line breaks, turn markers or invisible characters, so it cannot
  forge a labelled line or end the user's turn. In a prompt with a fence, a value cannot hold a label of the prompt
  either: the colon of `Correct Answer:` or `VERDICT:`, in full-width letters too, is written as its JSON escape.
- The places are filled in one pass, so `{reference}` inside a response is not filled.
- The fence is a marker that occurs in none of the values: a hash of them, hashed again until that holds. The same
  content therefore has the same fence, and a stored call is found again.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from restem.verifiers.verdict import UnknownVerifier

MAX_VALUE = 4_000  # characters of a question, reference or response
MAX_PROMPT = 100_000
FENCE_DIGITS = 16
PROMPTS = Path(__file__).with_name("prompts")
TINY = "tiny"  # the prompt that the embedded judge was trained on
BUILT_IN = ("judge", "rubric", "commit_first", TINY)
COMMIT = "\n{commit}\n"
CUT = "\u2026"  # stands for text that was left out
MARKS_KEPT = 4  # marked answers that are kept of the text before the end of a long response
MARK_BEFORE, MARK_AFTER = 60, 180  # characters that are kept around a mark, within its line

# Controls, line and paragraph separators, halves of surrogate pairs, blank Braille, and invisible characters: the
# Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt (fillers, direction marks, selectors, tags).
_UNSAFE = re.compile(
    "[\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800"
    "\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# First characters of the turn markers of Gemma, Llama, Mistral, ChatML and DeepSeek.
_MARKER = re.compile(
    r"<(?=/?(?:start_of_turn|end_of_turn|bos|eos|s|pad|unk)>|<?/?SYS>|[|\uff5c])"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)
_COLONS = ":\u2236\ua789\ufe13\ufe55\uff1a"  # the ASCII colon, and those that look like it


def _wide(word: str) -> str:
    """A pattern for the word in plain or full-width letters."""
    return "".join(f"[{letter}{chr(ord(letter) + 0xFEE0)}]" for letter in word)


# Values are quoted before, so the only invisible characters left are those that JSON keeps and that look like a space.
_LABEL = re.compile(
    rf"((?:{_wide('question')}|(?:{_wide('correct')}|{_wide('model')})\s*{_wide('answer')}|{_wide('verdict')})[\s*]*)"
    rf"([{_COLONS}])",
    re.IGNORECASE,
)
_MAYBE_A_KEY = re.compile(r"[\w+=-]{20,}")
_FIELD = re.compile(r"\{(question|reference|response|fence)\}")
_MARK = re.compile(
    r"\\(?:boxed|fbox)\b|####|</?answer>|\banswer\b[^\n]{0,20}?(?:\bis\b|[:=])|\bfinal answer\b", re.IGNORECASE
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt whose places are not filled yet.

    Attributes:
        keeps_marks: Whether a long response is shown with its marked answers and a note that text is left out; else
            its end alone is shown.
    """

    text: str
    keeps_marks: bool = True

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def commits_first(self) -> bool:
        """Whether the judge answers a first turn, with the question alone, before it sees the response."""
        return COMMIT in self.text

    @property
    def asks_for_reasons(self) -> bool:
        """Whether the reply ends in a line `VERDICT: 1` or `VERDICT: 0`; else it is the digit alone."""
        return "VERDICT:" in self.text

    def opening(self, question: str) -> str:
        """The first of two turns; equal for all responses to a question, so that one reply serves them all."""
        return _filled(self.text.split(COMMIT)[0], {"question": bounded(question)})

    def filled(self, question: str, reference: str | None, response: str) -> str:
        """The only turn, or the second of two, with its places filled."""
        shown = shortened(response) if self.keeps_marks else bounded(response)
        texts = {"question": bounded(question), "reference": bounded(reference or ""), "response": shown}
        note = f"{left_out(response)}\n" if self.keeps_marks and len(response) > MAX_VALUE else ""
        return note + _filled(self.text.split(COMMIT)[-1], texts)


def _filled(text: str, texts: Mapping[str, str]) -> str:
    """A turn with its places filled in one pass, so that no value is read as a prompt."""
    parts = _parts(text)
    values = {place: quoted(texts[place]) for place in dict.fromkeys(parts[1::2]) if place != "fence"}
    if "fence" in parts:
        values = {place: _without_labels(value) for place, value in values.items()}
        values["fence"] = fence(list(values.values()))
    return "".join(values[part] if index % 2 else part for index, part in enumerate(parts))


@functools.cache
def _parts(text: str) -> list[str]:
    """The texts between the places of a prompt, alternating with the names of the places."""
    return _FIELD.split(text)


def prompt(name: str, *, blind: bool) -> Prompt:
    """The built-in prompt of that name, or the one in the file of that path.

    Raises:
        UnknownVerifier: There is no such prompt, or its places are not those that this judge fills.
    """
    if not isinstance(name, str) or not name:
        raise UnknownVerifier(f"judge: option prompt: found {name!r}, expected {', '.join(BUILT_IN)} or a file's path")
    path = PROMPTS / f"{name}{'_blind' if blind else ''}.txt" if name in BUILT_IN else Path(name)
    try:
        data = path.read_bytes()
        text = data.decode().removesuffix("\n")
    except (OSError, ValueError) as error:
        # A long word without a dot or a slash may be a key in the wrong place.
        found = "what is found (not shown, it may be a key)" if _MAYBE_A_KEY.fullmatch(name) else repr(name)
        raise UnknownVerifier(
            f"judge: option prompt: {found} is neither one of {', '.join(BUILT_IN)} nor a text file"
            f" ({type(error).__name__})"
        ) from None
    if len(text) > MAX_PROMPT:
        raise UnknownVerifier(f"judge: prompt {name!r} has {len(text)} characters, expected at most {MAX_PROMPT}")
    _check_places(name, text, blind=blind)
    return Prompt(text=text, keeps_marks=name != TINY)


def _check_places(name: str, text: str, *, blind: bool) -> None:
    first, *second = text.split(COMMIT)
    if len(second) > 1:
        raise UnknownVerifier(
            f"judge: prompt {name!r}: the line {{commit}} is there {len(second)} times, expected once"
        )
    places = set(_FIELD.findall(text))
    needed = {"question", "response"} if blind else {"question", "reference", "response"}
    if missing := sorted(needed - places):
        raise UnknownVerifier(f"judge: prompt {name!r}: the place {{{missing[0]}}} is missing")
    if blind and "reference" in places:
        raise UnknownVerifier(f"judge: prompt {name!r} shows {{reference}}, which judge_blind is not to see")
    if second and (early := sorted(set(_FIELD.findall(first)) & {"reference", "response"})):
        raise UnknownVerifier(f"judge: prompt {name!r} shows {{{early[0]}}} before the line {{commit}}")
    if second and "question" not in _FIELD.findall(first):
        raise UnknownVerifier(f"judge: prompt {name!r}: the place {{question}} is missing before the line {{commit}}")


def fence(values: Sequence[str]) -> str:
    """A marker that occurs in none of the values, each of them one line; equal values have equal markers."""
    digest = hashlib.sha256("\n".join(values).encode()).hexdigest()
    while any(digest[:FENCE_DIGITS] in value for value in values):
        digest = hashlib.sha256(digest.encode()).hexdigest()
    return f"[DATA {digest[:FENCE_DIGITS]}]"


def quoted(value: str) -> str:
    """The value as a JSON string on one line, without invisible characters, line breaks and turn markers."""
    text = _MARKER.sub(_escape, json.dumps(value, ensure_ascii=False))
    return text if text.isascii() and "\x7f" not in text else _UNSAFE.sub(_escape, text)


def without_markers(text: str) -> str:
    """The text with turn markers and invisible characters escaped; its line breaks stay."""
    return _UNSAFE.sub(_escape, _MARKER.sub(_escape, text))


def _escape(match: re.Match[str]) -> str:
    """The character as JSON escapes it: as a surrogate pair where it has more than 16 bits."""
    code = ord(match.group())
    return f"\\u{code:04x}" if code < 0x10000 else json.dumps(match.group())[1:-1]


def _without_labels(value: str) -> str:
    """The JSON string with the colons of the prompt's labels escaped."""
    if not any(colon in value for colon in _COLONS):
        return value
    return _LABEL.sub(lambda match: f"{match[1]}\\u{ord(match[2]):04x}", value)


def bounded(value: str) -> str:
    """At most 4,000 characters: the end, where a final answer stands, after an ellipsis where it was cut."""
    return value if len(value) <= MAX_VALUE else f"{CUT}{value[1 - MAX_VALUE :]}"


def shortened(response: str) -> str:
    """At most 4,000 characters: the last marked answers of a long response, and its end, with ellipses between.

    reports/data/judge_calls.py finds the response of a stored request by these pieces.
    """
    if len(response) <= MAX_VALUE:
        return response
    end = MAX_VALUE - MARKS_KEPT * (MARK_BEFORE + MARK_AFTER + len(CUT)) - len(CUT)
    head = CUT + "".join(f"{piece}{CUT}" for piece in _marked(response[:-end])[-MARKS_KEPT:])
    return head + response[len(head) - MAX_VALUE :]


def _marked(text: str) -> list[str]:
    """The places of a text at which an answer is marked, each within its line, without overlaps."""
    pieces: list[str] = []
    upto = 0
    for match in _MARK.finditer(text):
        if match.start() < upto:
            continue
        before = text[max(upto, match.start() - MARK_BEFORE) : match.start()].rpartition("\n")[2]
        after = text[match.start() : match.start() + MARK_AFTER].partition("\n")[0]
        upto = match.start() + len(after)
        pieces.append(before + after)
    return pieces


def left_out(response: str) -> str:
    """The sentence that tells the judge that it does not see a long response whole."""
    return (
        f"The model answer below has {len(response)} characters and is not shown whole: {CUT} stands for text that is"
        " left out. Its end, and the last places before it that mark an answer, are kept."
    )
