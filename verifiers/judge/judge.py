"""A verifier that asks a language model whether a response is correct.

Takes attempts; gives verdicts. It holds the rules that need no call and the number of requests per attempt. It does not
depend on HTTP or on where replies are stored (chat/), on how a prompt is filled (prompt.py), or on how a reply is read
(reply_grammar.py).

- An empty response, or one that consists of known openers ("Solution", ":", the master keys of arXiv:2507.08794), is
  wrong by rule, without a call. Any other text without a number is sent to the judge: it may be an answer in words.
- A request whose reply was cut off for its length is sent once more with more tokens; the second reply counts.
- Several votes are several requests, distinguished by a `seed`; the first is the request of a single vote. A tie of the
  decided votes is undecided.

A verdict carries the tokens, cost and seconds of its replies, also where an equal attempt shares them or they come from
the store. A resumed run therefore has the same rows as an undisturbed one. What was paid is the sum over stored calls.
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
        options: Model, server, votes, prices and limits. An offline judge has another fingerprint, because its
            undecided verdicts, for replies that are not stored, are not verdicts of the judge.
        name: `judge`, or `judge_blind`, whose prompt has no reference.
        calls: Where replies are stored and looked up; None stores none.
        progress: Called with (answered, to be sent) while a batch of requests is sent.

    Attributes:
        models_seen: The names that the server gave its model, in stored calls and new ones.

    Raises:
        JudgeUnavailable: No server was named and the key is not set.
        UnknownVerifier: The name is neither of these, or the prompt is not valid.
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
            # At temperature 0 several votes would be the same vote.
            temperature=float(options.votes > 1) if options.temperature is None else options.temperature,
            max_tokens=options.max_tokens or MAX_TOKENS[self._prompt.asks_for_reasons],
            logprobs=options.soft,
        )
        self._chat = connect(self.endpoint, calls=calls, verifier=self.fingerprint)

    @property
    def settings(self) -> dict[str, Any]:
        """What the verdicts depend on: the marked options, and the values derived from the others."""
        return self.options.settings() | {
            "prompt_sha256": self._prompt.sha256,
            "temperature": float(self.endpoint.temperature),
            "max_tokens": self.endpoint.max_tokens,
            # The port of a loopback server changes with every start, so it is not part of the settings.
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
        to_send = [index for index, verdict in enumerate(verdicts) if verdict is None]
        requests = [request for index in to_send for request in self._requests(attempts[index])]
        replies = self._replies(requests)
        for place, index in enumerate(to_send):
            verdicts[index] = self._verdict(replies[place * self.options.votes : (place + 1) * self.options.votes])
        return [verdict for verdict in verdicts if verdict is not None]

    def _by_rule(self, attempt: Attempt) -> Verdict | None:
        """The verdict that needs no call, or None."""
        reference = attempt.problem.reference
        if self.name == "judge" and reference is None:
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason="the problem has no reference answer")
        # A cut reference cannot be compared with, and a cut question cannot be solved by a judge without a reference.
        shown = ("reference", reference) if self.name == "judge" else ("question", attempt.problem.question)
        if len(shown[1] or "") > MAX_VALUE:
            reason = f"the {shown[0]} has more than the {MAX_VALUE} characters that a judge is shown"
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason=reason)
        if NOTHING.fullmatch(attempt.response):
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="empty", reason="the response is empty")
        # A reference such as "." is itself an opener, and a response equal to it may be correct.
        if is_opener(attempt.response) and not is_opener(reference or "0"):
            reason = "the response is an opener without an answer"
            return Verdict(outcome=Outcome.WRONG, score=0.0, rule="master_key", reason=reason)
        return None

    def _requests(self, attempt: Attempt) -> list[ChatRequest]:
        """One request per vote."""
        problem = attempt.problem
        content = self._prompt.filled(problem.question, problem.reference, attempt.response)
        messages = [{"role": "user", "content": content}]
        return [ChatRequest(messages=messages, seed=vote or None) for vote in range(self.options.votes)]

    def _replies(self, requests: Sequence[ChatRequest]) -> list[list[ChatReply | Rejected]]:
        """The replies to each request, the last of which counts: two where the first was cut off for its length."""
        replies = [[reply] for reply in self._ask(requests)]
        cut = [place for place, reply in enumerate(replies) if _cut_off(reply[0])]
        more = MORE_TOKENS * self.endpoint.max_tokens
        again = self._ask([dataclasses.replace(requests[place], max_tokens=more) for place in cut])
        for place, reply in zip(cut, again, strict=True):
            replies[place].append(reply)
        return replies

    def _ask(self, requests: Sequence[ChatRequest]) -> list[ChatReply | Rejected]:
        if self._calls and not self.models_seen:  # before new calls are stored
            self.models_seen = {model for model, *_ in self._calls.spent(self.fingerprint) if model}
        replies = self._chat.ask(requests, self._progress)
        self._note_models([reply.model for reply in replies if isinstance(reply, ChatReply)])
        return replies

    def _note_models(self, models: Sequence[str]) -> None:
        """Warns where the server returns a new name for its model: the verdicts then come from more than one judge."""
        for model in sorted({model for model in models if model} - self.models_seen):
            if self.models_seen:
                before = sorted(self.models_seen)
                _log.warning("%s: the server answers as %r, before as %s", self.name, model, ", ".join(before))
                if self._calls and not self.options.offline:
                    self._calls.log("judge_model", verifier=self.fingerprint, model=model, before=before)
            self.models_seen.add(model)

    def _verdict(self, votes: Sequence[Sequence[ChatReply | Rejected]]) -> Verdict:
        read_votes = [read_vote(replies[-1], reasons=self._prompt.asks_for_reasons) for replies in votes]
        outcome, score, reason = majority(read_votes)
        all_replies = [reply for replies in votes for reply in replies]
        paid = [reply for reply in all_replies if isinstance(reply, ChatReply)]
        soft = any(vote.soft for vote in read_votes)
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
