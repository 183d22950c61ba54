"""Which stored judge calls are about which responses.

Takes an open Store, and the questions and responses of interest; gives the calls behind them. A verdict does not name
its call, and a report builds no judge, so it cannot make the request again. But every prompt quotes question and
response as JSON strings, each on one line (verifiers/judge/prompt.py): a call is about a response if it quotes both.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from restem.harness.store.store import Store

BATCH = 5_000  # rows in memory at once
CUT = (
    "\u2026"  # what a quoted response begins with, and has between its pieces, where the judge was not shown all of it
)
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
# A prompt is cut at its data markers, which differ in every prompt, so that equal text around them is stored once.
_PIECE = re.compile(rf"{_QUOTED.pattern}|\[DATA [0-9a-f]{{16}}\]")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a judge and what came back.

    Attributes:
        asker: The name of the verifier that made the request; its fingerprint where it has no name in the run.
        prompt: The text of the request.
        end: The model that answered, and why it stopped.
    """

    asker: str
    prompt: str
    reply: str
    end: str

    def pieces(
        self, question: str, reference: str | None, response: str, word: Callable[[str], int]
    ) -> tuple[int, ...]:
        """The prompt as numbers of texts, and below 0 where it quotes what is known: -1, -2, -3 in this order."""
        known = {_quote(text): -1 - place for place, text in enumerate((question, reference, response)) if text}
        numbers: list[int] = []
        start = 0
        for match in _PIECE.finditer(self.prompt):
            piece = match.group()
            if piece in known or piece[0] == "[":
                numbers += [word(self.prompt[start : match.start()]), known[piece] if piece in known else word(piece)]
                start = match.end()
        return (*numbers, word(self.prompt[start:]))


class Calls:
    """Stored calls by the question and the response that they quote."""

    def __init__(self, asked: Iterable[tuple[str, str]]) -> None:
        self._found: dict[tuple[str, str], list[Call]] = {}
        self._responses: dict[str, dict[str, str]] = {}
        for question, response in asked:
            self._found[question, response] = []
            self._responses.setdefault(question, {})[_quote(response)] = response
        self._questions = {_quote(question): question for question in self._responses}

    def about(self, question: str, response: str) -> list[Call]:
        """The calls that quote both."""
        return self._found.get((question, response), [])

    def add(self, call: Call) -> None:
        """Files a call under every response that its prompt quotes."""
        quoted = set(_QUOTED.findall(call.prompt))
        for question in self._named(quoted):
            responses = self._responses[question]
            if not (about := {responses[text] for text in quoted & responses.keys()}):
                texts = {_decoded(text) for text in quoted if _is_odd(text)}
                cut = [text for text in texts if text.startswith(CUT)]
                about = {r for r in responses.values() if r in texts or any(_shortens(text, r) for text in cut)}
            for response in about:
                self._found[question, response].append(call)

    def _named(self, quoted: set[str]) -> set[str]:
        """The questions among quoted texts."""
        questions = {self._questions[text] for text in quoted & self._questions.keys()}
        return questions or {
            text for quote in quoted if "\\u" in quote and (text := _decoded(quote)) in self._responses
        }


def read_calls(store: Store, asked: Iterable[tuple[str, str]], names: Mapping[str, str]) -> Calls:
    """The stored calls about these (question, response) pairs; `names` of the verifiers by their fingerprints."""
    calls = Calls(asked)
    for verifier, request, reply, finish_reason, model in _rows(store):
        end = ", ".join(part for part in (model, finish_reason) if part)
        calls.add(Call(asker=names.get(verifier, verifier), prompt=_prompt(request), reply=reply or "", end=end))
    return calls


def _rows(store: Store) -> Iterator[tuple[str, str, str | None, str | None, str | None]]:
    last = ""
    while rows := store.query(
        "SELECT request_sha256, verifier, request, reply, finish_reason, model FROM judge_call"
        " WHERE request_sha256 > ? ORDER BY request_sha256 LIMIT ?",
        (last, BATCH),
    ):
        for _, *row in rows:
            yield (*row,)
        last = rows[-1][0]


def _prompt(request: str) -> str:
    """The text of a request's messages; empty where it does not have the form of our requests."""
    try:
        messages = json.loads(request)["messages"]
        return "\n\n".join(message["content"] for message in messages)
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _shortens(shown: str, response: str) -> bool:
    """Whether a text is what a judge is shown of a long response: pieces of it, and its end after the last ellipsis.

    The pieces and the end may hold ellipses of their own, so that each ellipsis near the beginning may be the last one.
    """
    places = [place for place, character in enumerate(shown[: len(shown) // 2]) if character == CUT]
    return any(
        response.endswith(shown[place + 1 :]) and all(piece in response for piece in shown[:place].split(CUT))
        for place in places
    )


def _is_odd(literal: str) -> bool:
    """Whether a text may be quoted so, though `_quote` quotes it in another way, or is one that was cut."""
    return literal.startswith(f'"{CUT}') or "\\u" in literal or "\\/" in literal


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _decoded(literal: str) -> str:
    """The text of a JSON string; the literal itself where it is not JSON."""
    try:
        return json.loads(literal)
    except ValueError:
        return literal
