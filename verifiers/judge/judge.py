"""Asks a language model whether a response is right.

Takes attempts; gives verdicts. It holds the rules that need no call and the number of requests per attempt. It does not
depend on HTTP or on where replies are stored (chat/), on how a prompt is filled (prompt.py), or on how a reply is read
(reply_grammar.py).

- An empty response, or one of nothing but known openers ("Solution", ":", the master keys of arXiv:2507.08794), is
  wrong by rule, never asked. Any other text without a number is asked about: it may be an answer in words.
- A reply that was cut off for its length is asked for once more with more tokens; the second one binds.
- Several votes are several requests, distinguished by a `seed`; the first is the request of a single vote. A tie of the
  decided ones is undecided.

A verdict carries the tokens, cost and seconds of its replies, also where those were shared with an equal attempt or
came out of the store: so a resumed run has the rows of an undisturbed one. What was paid is the sum over stored calls.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Any

from restem.verifiers.chat.budget import Prices
from restem.verifiers.chat.connect import connect
from restem.verifiers.chat.endpoint import ChatRequest, Endpoint
from restem.verifiers.chat.reply import ChatReply, Rejected
from restem.verifiers.chat.transport import CallStore, Progress
from restem.verifiers.judge.openers import is_opener
from restem.verifiers.judge.prompt import MAX_VALUE
from restem.verifiers.judge.prompt import prompt as prompt_of
from restem.verifiers.judge.reply_grammar import NOTHING, majority, read_vote
from restem.verifiers.options import JudgeOptions
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, fingerprint

CODE_VERSION = 3
NAMES = ("judge", "judge_blind")
MAX_TOKENS = {False: 16, True: 512}  # by whether the prompt asks for reasons
MORE_TOKENS = 8  # times as many for the second try of a reply that was cut off

_log = logging.getLogger(__name__)


class Judge:
    """A verifier that asks a language model.

    Args:
        options: Which model, where, how often, at what cost. One that is offline has a fingerprint of its own, because
            an undecided verdict for a reply that is not stored says nothing about the judge.
        name: `judge`, or `judge_blind`, which is not shown the reference.
        calls: Where replies are kept and looked up; None keeps nothing.
        progress: Called with (answered, to be asked) while a batch is asked.

    Attributes:
        models_seen: The names that the server gave its model, in stored calls and new ones.

    Raises:
        JudgeUnavailable: No server was named and the key is not set.
        UnknownVerifier: The name is not one of these, or the prompt is none.
    """

    def __init__(
        self,
        options: JudgeOptions,
        *,
        name: str = "judge",
        calls: CallStore | None = None,
        progress: Progress | None = None,
    ) -> None:
        if name not in NAMES:
            raise UnknownVerifier(f"judge: found name {name!r}, expected one of {', '.join(NAMES)}")
        self.name = name
        self.options = options
        self.models_seen: set[str] = set()
        self._prompt = prompt_of(options.prompt, blind=name == "judge_blind")
        self._prices = Prices(options.prices, options.model)
        self._progress = progress
        self._calls = calls
        self.endpoint = Endpoint(
            options,
            # At temperature 0 several votes would be one vote asked again.
            temperature=float(options.votes > 1) if options.temperature is None else options.temperature,
            max_tokens=options.max_tokens or MAX_TOKENS[self._prompt.asks_for_reasons],
            logprobs=options.soft,
        )
        self._chat = connect(self.endpoint, calls=calls, verifier=self.fingerprint)

    @property
    def settings(self) -> dict[str, Any]:
        """What the verdicts depend on: the marked options, and what was made of the others."""
        return self.options.settings() | {
            "prompt_sha256": self._prompt.sha256,
            "temperature": float(self.endpoint.temperature),
            "max_tokens": self.endpoint.max_tokens,
            # A loopback port changes with every start of the same local server, so it is no part of what was asked.
            "endpoint": self.endpoint.name,
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
            verdicts[index] = self._verdict(replies[place * self.options.votes : (place + 1) * self.options.votes])
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
        return [ChatRequest(messages=messages, seed=vote or None) for vote in range(self.options.votes)]

    def _replies(self, requests: Sequence[ChatRequest]) -> list[list[ChatReply | Rejected]]:
        """The replies to each request, the last of which binds: two where the first was cut off for its length."""
        replies = [[reply] for reply in self._ask(requests)]
        cut = [place for place, reply in enumerate(replies) if _cut_off(reply[0])]
        more = MORE_TOKENS * self.endpoint.max_tokens
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
                if self._calls and not self.options.offline:
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
