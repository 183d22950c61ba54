"""Asks a language model whether a response is right.

Takes attempts; gives verdicts. Owns the prompt, the grammar of the reply and the rules that need no call. Knows nothing
of HTTP (chat.py asks) or of where replies are stored.

What a response may try, and why it fails:
- It is quoted as one JSON string, without a line break or a turn marker in it, so it cannot forge a labelled line or
  end the user's turn; the prompt is filled in one pass, so `{reference}` inside a response stays what it is.
- A response with no number in it ("Solution", ":", the master keys of arXiv:2507.08794) is wrong by rule, never asked.
- Only a reply that is `1` or `0` as a whole counts; anything else is undecided, never wrong.

A verdict carries the tokens, cost and seconds of its reply, also where that reply was shared with an equal attempt or
came out of the store: so a resumed run has the rows of an undisturbed one. What was paid is the sum over stored calls.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from verifiers.chat import CallStore, ChatClient, Progress, at_least
from verifiers.chat_reply import ChatReply, Rejected
from verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, fingerprint

CODE_VERSION = 1
MAX_RESPONSE = 4_000
PROMPTS = {name: Path(__file__).with_name("prompts") / f"{name}.txt" for name in ("judge", "judge_blind")}
CLIENT_OPTIONS = {
    *("base_url", "api_key_env", "concurrency", "timeout_seconds", "max_attempts"),
    *("max_wait_seconds", "backoff_seconds"),
}

# Line and paragraph separators, other controls, invisible and direction marks, halves of surrogate pairs.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
# First characters of the turn markers of Gemma, Llama, Mistral and ChatML.
_MARKER = re.compile(r"<(?=/?(?:start_of_turn|end_of_turn|bos|eos|s|pad|unk)>|\|)|\[(?=/?INST\])")
_FIELD = re.compile(r"\{(question|reference|response)\}")

_NUMBER_WORD = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twent|thirt|fort|fift"
    r"|eighty|ninety|hundred|thousand|million|half|third|quarter|dozen|infini|pi\b)|[\u03c0\u221e]",
    re.IGNORECASE,
)
_INVISIBLE = "\\s\u200b-\u200d\u2060\ufeff"
_NOTHING = re.compile(f"[{_INVISIBLE}]*")
_REPLY = re.compile(
    f"[{_INVISIBLE}*]*+(?:verdict[{_INVISIBLE}*]*+:[{_INVISIBLE}*]*+)?([01])[{_INVISIBLE}*.]*+", re.IGNORECASE
)


class Judge:
    """A verifier that asks a language model.

    Args:
        name: `judge`, or `judge_blind`, which is not shown the reference.
        calls: Where replies are kept and looked up; None keeps nothing.
        model: The model's name at the server.
        prices: Model name -> (USD per 10^6 prompt tokens, USD per 10^6 completion tokens).
        progress: Called with (answered, to be asked) while a batch is asked.
        options: `CLIENT_OPTIONS`; `ChatClient` explains them.

    Raises:
        JudgeUnavailable: No server was named and the key is not set.
        UnknownVerifier: The name or an option is not one of these.
    """

    def __init__(
        self,
        *,
        name: str,
        calls: CallStore | None = None,
        model: str = "gpt-4",
        temperature: float = 0.0,
        max_tokens: int = 16,
        prices: Mapping[str, Sequence[float]] | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> None:
        self._template = template(name)
        self.name = name
        self.model = model
        self.models_seen: set[str] = set()
        self._prices = _checked_prices(prices or {})
        self._progress = progress
        if unknown := sorted(options.keys() - CLIENT_OPTIONS):
            known = ", ".join(sorted({"model", "prices", "temperature", "max_tokens", *CLIENT_OPTIONS}))
            raise UnknownVerifier(f"{name}: found option {unknown[0]!r}, expected one of {known}")
        self._chat = ChatClient(model=model, calls=calls, temperature=temperature, max_tokens=max_tokens, **options)
        self.settings: dict[str, Any] = {
            "prompt_sha256": hashlib.sha256(self._template.encode()).hexdigest(),
            "model": model,
            "temperature": float(temperature),
            "max_tokens": max_tokens,
            # A loopback port changes with every start of the same local server, so it is no part of what was asked.
            "endpoint": self._chat.endpoint,
        }
        self._chat.verifier = self.fingerprint

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, CODE_VERSION, self.settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order.

        Raises:
            JudgeUnavailable: The judge cannot be reached or refuses the key; replies so far are stored.
        """
        verdicts = [self._by_rule(attempt) for attempt in attempts]
        asked = [index for index, verdict in enumerate(verdicts) if verdict is None]
        replies = self._chat.ask([self._messages(attempts[index]) for index in asked], self._progress)
        for index, reply in zip(asked, replies, strict=True):
            verdicts[index] = self._verdict(reply)
        return [verdict for verdict in verdicts if verdict is not None]

    def _by_rule(self, attempt: Attempt) -> Verdict | None:
        """The verdict that needs no call, or None."""
        reference = attempt.problem.reference
        if self.name == "judge" and reference is None:
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason="the problem has no reference answer")
        if _NOTHING.fullmatch(attempt.response):
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="empty", reason="the response is empty")
        # Where the right answer is no number, a response without one proves nothing. The blind judge cannot know.
        numeric = self.name == "judge_blind" or has_number(reference or "")
        if numeric and not has_number(attempt.response):
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="master_key", reason="the response has no number")
        return None

    def _messages(self, attempt: Attempt) -> list[dict[str, str]]:
        problem = attempt.problem
        content = filled(self._template, problem.question, problem.reference, attempt.response)
        return [{"role": "user", "content": content}]

    def _verdict(self, reply: ChatReply | Rejected) -> Verdict:
        if isinstance(reply, Rejected):
            reason = f"request rejected: {reply.reason}"
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason=reason, seconds=reply.seconds)
        if reply.model:
            self.models_seen.add(reply.model)
        value, reason = read_reply(reply)
        return Verdict(
            outcome=Outcome.UNDECIDED if value is None else Outcome.CORRECT if value else Outcome.WRONG,
            score=None if value is None else float(value),
            rule="judge",
            reason=reason,
            seconds=reply.seconds,
            tokens=reply.prompt_tokens + reply.completion_tokens,
            cost_usd=self._cost(reply),
        )

    def _cost(self, reply: ChatReply) -> float:
        """USD by the price of the model that answered, else of the one that was asked for, else 0."""
        prompt, completion = self._prices.get(reply.model) or self._prices.get(self.model) or (0.0, 0.0)
        return (reply.prompt_tokens * prompt + reply.completion_tokens * completion) / 1e6


def template(name: str) -> str:
    """The prompt of `judge` or `judge_blind`, its places still open.

    Raises:
        UnknownVerifier: Another name.
    """
    if name not in PROMPTS:
        raise UnknownVerifier(f"judge: found name {name!r}, expected one of {', '.join(PROMPTS)}")
    return PROMPTS[name].read_text(encoding="utf-8").removesuffix("\n")


def filled(template: str, question: str, reference: str | None, response: str) -> str:
    """The prompt with its places filled, each by one JSON string; what is filled in is never read as a template."""
    values = {"question": question, "reference": reference or "", "response": bounded(response)}
    return _FIELD.sub(lambda match: quoted(values[match[1]]), template)


def quoted(value: str) -> str:
    """The value as a JSON string on one line, nothing in it invisible, a line break or a turn marker."""
    text = _MARKER.sub(_escape, json.dumps(value, ensure_ascii=False))
    return text if text.isascii() and "\x7f" not in text else _UNSAFE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def bounded(response: str) -> str:
    """At most 4,000 characters: the end, where the final answer stands, after a mark of the cut."""
    return response if len(response) <= MAX_RESPONSE else f"\u2026{response[1 - MAX_RESPONSE :]}"


def has_number(text: str) -> bool:
    """Whether any character is numeric in any script, or any word begins like a number word."""
    return any(map(str.isnumeric, text)) or _NUMBER_WORD.search(text) is not None


def read_reply(reply: ChatReply) -> tuple[int | None, str | None]:
    """1 or 0 and no reason, or None and the reason."""
    if reply.refusal is not None:
        return None, f"the judge refused: {reply.refusal[:80]!r}"
    if reply.finish_reason in ("length", "content_filter"):
        return None, f"the judge's reply was cut off ({reply.finish_reason})"
    if _NOTHING.fullmatch(reply.text):
        return None, "the judge's reply is empty"
    match = _REPLY.fullmatch(reply.text)
    if match is None:
        return None, f"unreadable reply of the judge: {reply.text[:80]!r}"
    return int(match[1]), None


def _checked_prices(prices: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    expected = "{model: [USD per 10^6 prompt tokens, USD per 10^6 completion tokens]}"
    if not isinstance(prices, Mapping):
        raise UnknownVerifier(f"judge: option prices: found {prices!r}, expected {expected}")
    for model, pair in prices.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UnknownVerifier(f"judge: option prices: found {pair!r} for {model!r}, expected {expected}")
        for price in pair:
            at_least(0, prices=price)
    return {model: (float(pair[0]), float(pair[1])) for model, pair in prices.items()}
