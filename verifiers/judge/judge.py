"""A verifier that asks a language model whether a response is correct.

Takes attempts; gives verdicts. It holds the rules that need no call and the number of requests per attempt. It does not
depend on HTTP or on where replies are stored (chat/), on how a prompt is filled (prompt.py), or on how a reply is read
(reply_grammar.py).

- An empty response, or one that consists of known openers ("Solution", ":", the master keys of arXiv:2507.08794), is
  wrong by rule, without a call. Any other text without a number is sent to the judge: it may be an answer in words.
- A request whose reply was cut off for its length is sent once more with more tokens; the second reply counts.
- With a prompt of two turns the judge first solves the question. That reply is requested once a question and is a part
  of the conversation about every response to it.
- Replies that cannot be read are paid for in vain. A judge with too many of them stops, after a trial of TRIAL requests
  at the earliest.
- Several votes are several requests, distinguished by a `seed`; the first is the request of a single vote. A tie of the
  decided votes is undecided.

A verdict carries the tokens, cost and seconds of its replies, also where an equal attempt shares them or they come from
the store. A resumed run therefore has the same rows as an undisturbed one. What was paid is the sum over stored calls.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from restem.verifiers.chat.budget import Prices
from restem.verifiers.chat.connect import connect
from restem.verifiers.chat.endpoint import ChatRequest, Endpoint
from restem.verifiers.chat.reply import ChatReply, Rejected
from restem.verifiers.chat.transport import CallStore, Progress
from restem.verifiers.judge.openers import is_opener
from restem.verifiers.judge.prompt import MAX_VALUE, TINY, Prompt, without_markers
from restem.verifiers.judge.prompt import prompt as prompt_of
from restem.verifiers.judge.readability import TRIAL, Readability, is_cut_off
from restem.verifiers.judge.reply_grammar import NOTHING, majority, read_vote, without_reasoning
from restem.verifiers.options import JudgeOptions
from restem.verifiers.verdict import Attempt, JudgeUnavailable, Outcome, UnknownVerifier, Verdict, fingerprint

CODE_VERSION = 4
CODE_VERSIONS = {TINY: 3}  # prompts whose requests and readings of replies are those of an earlier version
NAMES = ("judge", "judge_blind")
MAX_TOKENS = {False: 16, True: 512}  # by whether the prompt asks for reasons
REASONING_MAX_TOKENS = 4_096  # where the model's own reasoning is switched on: it counts as a part of the reply
SOLUTION_TOKENS = 1_024  # of the judge's own solution, at least
MORE_TOKENS = 8  # times as many for the second try of a reply that was cut off

_Reply: TypeAlias = ChatReply | Rejected

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
        UnknownVerifier: The name is neither of these, no model is named, or the prompt is not valid.
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
        self._prices = Prices(options.prices, options.model or "")
        self._progress = progress
        self._calls = calls
        self._solutions: dict[str, list[_Reply]] = {}  # by the question
        self._before = 0  # requests of the same batch that were sent as its trial
        self._solution_counts, self._verdict_counts = (Readability(options.max_unreadable) for _ in range(2))
        self.endpoint = Endpoint(
            options,
            # At temperature 0 several votes would be the same vote.
            temperature=float(options.votes > 1) if options.temperature is None else options.temperature,
            max_tokens=options.max_tokens or _max_tokens(options, self._prompt),
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
        return fingerprint(self.name, CODE_VERSIONS.get(self.options.prompt, CODE_VERSION), self.settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order.

        Raises:
            JudgeUnavailable: The judge cannot be reached, refuses the key, gives too many unreadable replies, or its
                budget is used up; replies so far are stored.
        """
        verdicts = [self._by_rule(attempt) for attempt in attempts]
        if self._prompt.commits_first:
            self._solve([attempt for attempt, verdict in zip(attempts, verdicts, strict=True) if verdict is None])
            verdicts = [verdict or self._unsolved(a) for a, verdict in zip(attempts, verdicts, strict=True)]
        to_send = [index for index, verdict in enumerate(verdicts) if verdict is None]
        requests = [request for index in to_send for request in self._requests(attempts[index])]
        replies = self._readable_replies(requests, self._verdict_counts, self._no_verdict)
        votes = self.options.votes
        for place, index in enumerate(to_send):
            solution = self._solutions.get(attempts[index].problem.question, [])
            verdicts[index] = self._verdict(replies[place * votes : (place + 1) * votes], solution)
        return [verdict for verdict in verdicts if verdict is not None]

    def _by_rule(self, attempt: Attempt) -> Verdict | None:
        """The verdict that needs no call, or None."""
        reference = attempt.problem.reference
        if self.name == "judge" and reference is None:
            return Verdict(outcome=Outcome.UNDECIDED, rule="judge", reason="the problem has no reference answer")
        # A cut reference cannot be compared with, and a cut question cannot be solved.
        shown = {"reference": reference or ""} if self.name == "judge" else {}
        if self.name == "judge_blind" or self._prompt.commits_first:
            shown["question"] = attempt.problem.question
        for place, text in shown.items():
            if len(text) > MAX_VALUE:
                reason = f"the {place} has more than the {MAX_VALUE} characters that a judge is shown"
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
        if self._prompt.commits_first:
            solution = solution_in(self._solutions[problem.question][-1])[0] or ""
            messages = [
                {"role": "user", "content": self._prompt.opening(problem.question)},
                {"role": "assistant", "content": solution},
                *messages,
            ]
        return [ChatRequest(messages=messages, seed=vote or None) for vote in range(self.options.votes)]

    def _solve(self, attempts: Sequence[Attempt]) -> None:
        """Adds the judge's own solution of every question that has none yet."""
        questions = dict.fromkeys(attempt.problem.question for attempt in attempts)
        new = [question for question in questions if question not in self._solutions]
        tokens = max(SOLUTION_TOKENS, self.endpoint.max_tokens)
        openings = [[{"role": "user", "content": self._prompt.opening(question)}] for question in new]
        requests = [ChatRequest(messages=messages, max_tokens=tokens) for messages in openings]
        replies = self._readable_replies(requests, self._solution_counts, _no_solution)
        self._solutions |= zip(new, replies, strict=True)

    def _unsolved(self, attempt: Attempt) -> Verdict | None:
        """The verdict where the judge has no solution of its own; None where it has one."""
        replies = self._solutions[attempt.problem.question]
        solution, reason = solution_in(replies[-1])
        return None if solution is not None else self._priced(Outcome.UNDECIDED, None, reason, replies)

    def _readable_replies(
        self, requests: Sequence[ChatRequest], readability: Readability, reason: Callable[[_Reply], str | None]
    ) -> list[list[_Reply]]:
        """The replies to each request; those to the first requests are read before the others are sent.

        Args:
            requests: The requests.
            readability: Counts the replies of this kind.
            reason: Why a reply cannot be read; None where it can, or where the judge refused.

        Raises:
            JudgeUnavailable: More of them than the options allow are unreadable.
        """
        whole = self.options.batch or self.options.offline or readability.replies
        trial = len(requests) if whole else TRIAL
        replies: list[list[_Reply]] = []
        for part in (requests[:trial], requests[trial:]):
            self._before = len(replies)
            new = self._replies(part)
            before = readability.cut_off
            readability.add((each[-1], reason(each[-1])) for each in new)
            if readability.cut_off and not before:
                _log.warning("%s: a reply was cut off; its verdict is undecided: %s", self.name, self._more_room())
            if readability.too_many and not self.options.offline:  # an offline judge pays for none
                raise JudgeUnavailable(self._unreadable(readability))
            replies += new
        self._before = 0
        return replies

    def _unreadable(self, counted: Readability) -> str:
        """The message that stops the judge."""
        remedy = self._more_room() if counted.cut_off_mostly else "name another model or prompt"
        return (
            f"{self.endpoint}: {counted.unreadable} of {counted.replies} replies are unreadable, more than"
            f" max_unreadable = {counted.most:g} allows ({counted.last}): {remedy}; stored replies stay"
        )

    def _no_verdict(self, reply: _Reply) -> str | None:
        """Why a reply to a response cannot be read; None where it can, or where the judge refused."""
        vote = read_vote(reply, reasons=self._prompt.asks_for_reasons)
        return vote.reason if vote.unreadable else None

    def _more_room(self) -> str:
        """What the user can do where replies are cut off."""
        more = MORE_TOKENS * self.endpoint.max_tokens
        return (
            f"set max_tokens higher than {self.endpoint.max_tokens} (the second try had {more}); a model that reasons"
            f" needs some {REASONING_MAX_TOKENS}, or reasoning_effort = 'none' or 'low'"
        )

    def _replies(self, requests: Sequence[ChatRequest]) -> list[list[_Reply]]:
        """The replies to each request, the last of which counts: two where the first was cut off for its length."""
        replies = [[reply] for reply in self._ask(requests)]
        cut = [place for place, reply in enumerate(replies) if is_cut_off(reply[0])]
        tokens = [MORE_TOKENS * (requests[place].max_tokens or self.endpoint.max_tokens) for place in cut]
        again = self._ask(
            [dataclasses.replace(requests[place], max_tokens=more) for place, more in zip(cut, tokens, strict=True)]
        )
        for place, reply in zip(cut, again, strict=True):
            replies[place].append(reply)
        return replies

    def _ask(self, requests: Sequence[ChatRequest]) -> list[_Reply]:
        if self._calls and not self.models_seen:  # before new calls are stored
            self.models_seen = {model for model, *_ in self._calls.spent(self.fingerprint) if model}
        replies = self._chat.ask(requests, self._show)
        self._note_models([reply.model for reply in replies if isinstance(reply, ChatReply)])
        return replies

    def _show(self, answered: int, to_send: int) -> None:
        """Shows the progress of a batch, the requests of its trial included."""
        if self._progress:
            self._progress(self._before + answered, self._before + to_send)

    def _note_models(self, models: Sequence[str]) -> None:
        """Warns where the server returns a new name for its model: the verdicts then come from more than one judge."""
        for model in sorted({model for model in models if model} - self.models_seen):
            if self.models_seen:
                before = sorted(self.models_seen)
                _log.warning("%s: the server answers as %r, before as %s", self.name, model, ", ".join(before))
                if self._calls and not self.options.offline:
                    self._calls.log("judge_model", verifier=self.fingerprint, model=model, before=before)
            self.models_seen.add(model)

    def _verdict(self, votes: Sequence[Sequence[_Reply]], solution: Sequence[_Reply]) -> Verdict:
        read_votes = [read_vote(replies[-1], reasons=self._prompt.asks_for_reasons) for replies in votes]
        outcome, score, reason = majority(read_votes)
        soft = any(vote.soft for vote in read_votes) and score is not None
        verdict = self._priced(outcome, score, reason, [*solution, *(reply for replies in votes for reply in replies)])
        return dataclasses.replace(verdict, rule="judge_soft") if soft else verdict

    def _priced(self, outcome: Outcome, score: float | None, reason: str | None, replies: Sequence[_Reply]) -> Verdict:
        """A verdict with the seconds, tokens and cost of the replies that it rests on."""
        paid = [reply for reply in replies if isinstance(reply, ChatReply)]
        return Verdict(
            outcome=outcome,
            score=score,
            rule="judge",
            reason=reason,
            seconds=sum(reply.seconds for reply in replies),
            tokens=sum(reply.prompt_tokens + reply.completion_tokens for reply in paid),
            cost_usd=sum(self._prices.cost(r.model, r.prompt_tokens, r.completion_tokens) for r in paid),
        )


def solution_in(reply: _Reply) -> tuple[str | None, str | None]:
    """The judge's own solution in a reply, without its reasoning, and no reason; or None and the reason."""
    problem = "the judge gave no solution of its own"
    if isinstance(reply, Rejected):
        return None, f"{problem}: {reply.reason}"
    if reply.refusal is not None or reply.finish_reason in ("length", "content_filter"):
        return None, f"{problem} ({reply.finish_reason})"
    text = without_reasoning(reply.text)
    if text is None or NOTHING.fullmatch(text):
        return None, problem
    return without_markers(text.strip()[-MAX_VALUE:]), None


def _no_solution(reply: _Reply) -> str | None:
    """Why a reply to a question holds no solution; None where it does, where the judge refused, or had no request."""
    refused = isinstance(reply, Rejected) or reply.refusal is not None or reply.finish_reason == "content_filter"
    return None if refused else solution_in(reply)[1]


def _max_tokens(options: JudgeOptions, prompt: Prompt) -> int:
    return REASONING_MAX_TOKENS if options.reasons else MAX_TOKENS[prompt.asks_for_reasons]
