"""Asks a language model whether a response is right.

Takes attempts; gives verdicts. Owns the rules that need no call, and how many requests an attempt makes. Knows nothing
of HTTP (chat.py asks), of where replies are stored, of how a prompt is filled (prompt.py) or a reply read
(judge_reply.py).

- An empty response, or one of nothing but known openers ("Solution", ":", the master keys of arXiv:2507.08794), is
  wrong by rule, never asked. Any other text without a number is asked about: it may be an answer in words.
- A reply that was cut off for its length is asked for once more with more tokens; the second one binds.
- Several votes are several requests, told apart by a `seed`; the first is the request of a single vote. A tie of the
  decided ones is undecided.

A verdict carries the tokens, cost and seconds of its replies, also where those were shared with an equal attempt or
came out of the store: so a resumed run has the rows of an undisturbed one. What was paid is the sum over stored calls.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from restem.verifiers.chat.budget import Budget, Prices
from restem.verifiers.chat.client import CallStore, ChatClient, ChatRequest, Progress
from restem.verifiers.chat.reply import ChatReply, Rejected
from restem.verifiers.judge.openers import is_opener
from restem.verifiers.judge.prompt import MAX_VALUE
from restem.verifiers.judge.prompt import prompt as prompt_of
from restem.verifiers.judge.reply_grammar import NOTHING, majority, read_vote
from restem.verifiers.options import at_least, true_or_false
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, fingerprint

CODE_VERSION = 3
NAMES = ("judge", "judge_blind")
MAX_TOKENS = {False: 16, True: 512}  # by whether the prompt asks for reasons
MORE_TOKENS = 8  # times as many for the second try of a reply that was cut off
CLIENT_OPTIONS = {
    *("base_url", "api_key_env", "concurrency", "timeout_seconds", "max_attempts"),
    *("max_wait_seconds", "backoff_seconds", "batch", "poll_seconds"),
}
OWN_OPTIONS = {
    *("model", "prompt", "votes", "soft", "temperature", "max_tokens", "prices", "max_calls", "max_cost_usd"),
    "offline",
}

_log = logging.getLogger(__name__)


class Judge:
    """A verifier that asks a language model.

    Args:
        name: `judge`, or `judge_blind`, which is not shown the reference.
        calls: Where replies are kept and looked up; None keeps nothing.
        model: The model's name at the server.
        prompt: `judge` (a bare 1 or 0), `rubric` (reasons first), `tiny` (what the embedded judge knows), or the path
            of a file with the places {question}, {response}, {reference} (not for judge_blind) and perhaps {fence}.
        votes: How often each attempt is asked.
        soft: Whether the score is p(1) / (p(1) + p(0)), by the reply's log-probabilities. The outcome stays what the
            text says, and so does the score where a server sends none; `rule` is `judge_soft` where it did.
        temperature: None takes 0 for one vote and 1 for several, which at 0 would be one vote asked again.
        max_tokens: None takes 16, or 512 where the prompt asks for reasons.
        prices: Model name -> (USD per 10^6 prompt tokens, USD per 10^6 completion tokens).
        max_calls: Answered requests, at most; what is stored of this judge counts.
        max_cost_usd: The same in US dollars, by `prices`; no request is sent that could exceed it.
        offline: Answers from stored calls alone, undecided for the rest, and needs no key. It has a fingerprint of its
            own: what it could not find says nothing about the judge.
        progress: Called with (answered, to be asked) while a batch is asked.
        options: `CLIENT_OPTIONS`; `ChatClient` explains them.

    Attributes:
        models_seen: The names that the server gave its model, in stored calls and new ones.

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
        prompt: str = "judge",
        votes: int = 1,
        soft: bool = False,
        temperature: float | None = None,
        max_tokens: int | None = None,
        prices: Mapping[str, Sequence[float]] | None = None,
        max_calls: int | None = None,
        max_cost_usd: float | None = None,
        offline: bool = False,
        progress: Progress | None = None,
        **options: Any,
    ) -> None:
        if name not in NAMES:
            raise UnknownVerifier(f"judge: found name {name!r}, expected one of {', '.join(NAMES)}")
        if unknown := sorted(options.keys() - CLIENT_OPTIONS):
            known = ", ".join(sorted(OWN_OPTIONS | CLIENT_OPTIONS))
            raise UnknownVerifier(f"{name}: found option {unknown[0]!r}, expected one of {known}")
        at_least(1, whole=True, votes=votes)
        true_or_false(soft=soft, offline=offline)
        self.name = name
        self.model = model
        self.models_seen: set[str] = set()
        self._prompt = prompt_of(prompt, blind=name == "judge_blind")
        self._votes, self._soft, self._offline = votes, soft, offline
        self._prices = Prices(prices or {}, model)
        self._progress = progress
        self._calls = calls
        self._chat = ChatClient(
            model=model,
            calls=calls,
            budget=Budget(self._prices, max_calls, max_cost_usd),
            temperature=float(votes > 1) if temperature is None else temperature,
            max_tokens=MAX_TOKENS[self._prompt.asks_for_reasons] if max_tokens is None else max_tokens,
            logprobs=soft,
            offline=offline,
            **options,
        )
        self._chat.verifier = self.fingerprint

    @property
    def settings(self) -> dict[str, Any]:
        """What the verdicts depend on."""
        return {
            "prompt_sha256": self._prompt.sha256,
            "model": self.model,
            "temperature": float(self._chat.temperature),
            "max_tokens": self._chat.max_tokens,
            # A loopback port changes with every start of the same local server, so it is no part of what was asked.
            "endpoint": self._chat.endpoint,
            "votes": self._votes,
            "soft": self._soft,
            "offline": self._offline,
        }

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, CODE_VERSION, self.settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order.

        Raises:
            JudgeUnavailable: The judge cannot be reached, refuses the key, or its budget is used up; replies so far
                are stored.
        """
        verdicts = [self._by_rule(attempt) for attempt in attempts]
        asked = [index for index, verdict in enumerate(verdicts) if verdict is None]
        requests = [request for index in asked for request in self._requests(attempts[index])]
        replies = self._replies(requests)
        for place, index in enumerate(asked):
            verdicts[index] = self._verdict(replies[place * self._votes : (place + 1) * self._votes])
        return [verdict for verdict in verdicts if verdict is not None]

    def _by_rule(self, attempt: Attempt) -> Verdict | None:
        """The verdict that needs no call, or None."""
        reference = attempt.problem.reference
        if self.name == "judge" and reference is None:
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason="the problem has no reference answer")
        # What is not shown whole cannot be compared with, or, by one that sees no reference, be solved.
        shown = ("reference", reference) if self.name == "judge" else ("question", attempt.problem.question)
        if len(shown[1] or "") > MAX_VALUE:
            reason = f"the {shown[0]} has more than the {MAX_VALUE} characters that a judge is shown"
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason=reason)
        if NOTHING.fullmatch(attempt.response):
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="empty", reason="the response is empty")
        # A reference such as "." would be what it looks like.
        if is_opener(attempt.response) and not is_opener(reference or "0"):
            reason = "the response is an opener without an answer"
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="master_key", reason=reason)
        return None

    def _requests(self, attempt: Attempt) -> list[ChatRequest]:
        """One request a vote."""
        problem = attempt.problem
        content = self._prompt.filled(problem.question, problem.reference, attempt.response)
        messages = [{"role": "user", "content": content}]
        return [ChatRequest(messages=messages, seed=vote or None) for vote in range(self._votes)]

    def _replies(self, requests: Sequence[ChatRequest]) -> list[list[ChatReply | Rejected]]:
        """The replies to each request, the last of which binds: two where the first was cut off for its length."""
        replies = [[reply] for reply in self._ask(requests)]
        cut = [place for place, reply in enumerate(replies) if _cut_off(reply[0])]
        more = MORE_TOKENS * self._chat.max_tokens
        again = self._ask([dataclasses.replace(requests[place], max_tokens=more) for place in cut])
        for place, reply in zip(cut, again, strict=True):
            replies[place].append(reply)
        return replies

    def _ask(self, requests: Sequence[ChatRequest]) -> list[ChatReply | Rejected]:
        if self._calls and not self.models_seen:  # before new rows are among the stored ones
            self.models_seen = {model for model, *_ in self._calls.spent(self.fingerprint) if model}
        replies = self._chat.ask(requests, self._progress)
        self._note_models([reply.model for reply in replies if isinstance(reply, ChatReply)])
        return replies

    def _note_models(self, models: Sequence[str]) -> None:
        """Flags a name that the server has not given its model before: the verdicts are no longer of one judge."""
        for model in sorted({model for model in models if model} - self.models_seen):
            if self.models_seen:
                before = sorted(self.models_seen)
                _log.warning("%s: the server answers as %r, before as %s", self.name, model, ", ".join(before))
                if self._calls and not self._offline:
                    self._calls.log("judge_model", verifier=self.fingerprint, model=model, before=before)
            self.models_seen.add(model)

    def _verdict(self, votes: Sequence[Sequence[ChatReply | Rejected]]) -> Verdict:
        read = [read_vote(replies[-1], reasons=self._prompt.asks_for_reasons) for replies in votes]
        outcome, score, reason = majority(read)
        all_replies = [reply for replies in votes for reply in replies]
        paid = [reply for reply in all_replies if isinstance(reply, ChatReply)]
        soft = any(vote.soft for vote in read)
        return Verdict(
            outcome=outcome,
            score=score,
            rule="judge_soft" if soft and score is not None else "judge",
            reason=reason,
            seconds=sum(reply.seconds for reply in all_replies),
            tokens=sum(reply.prompt_tokens + reply.completion_tokens for reply in paid),
            cost_usd=sum(self._prices.cost(r.model, r.prompt_tokens, r.completion_tokens) for r in paid),
        )


def _cut_off(reply: ChatReply | Rejected) -> bool:
    return isinstance(reply, ChatReply) and reply.finish_reason == "length"
