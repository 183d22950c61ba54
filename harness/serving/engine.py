"""Decodes the prompts of many HTTP requests together, each with its own settings.

Takes a policy, prompts and what requests ask for; gives sequences that grow. Does not depend on HTTP.

One thread runs turns. In each turn sequences that wait enter free slots, then all slots are decoded for a few steps. So
a request waits for no other to end, and none is compiled for. The next free slot goes to the request that has had the
fewest, and a few slots are kept for short answers.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import heapq
import itertools
import logging
from collections.abc import Callable
from collections.abc import Sequence as Many
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import UInt32

from restem.harness.model.policy import Policy
from restem.harness.serving.device import SCORED_TOGETHER, STEPS, Device, Insertion, Turn, padded
from restem.harness.serving.parameters import MAX_TOP_LOGPROBS
from restem.harness.serving.requests import Request
from restem.harness.serving.slots import Drawn, Scores, Settings
from restem.harness.serving.text import GrowingText

_log = logging.getLogger(__name__)

SIZES = (8, 16, 32, 72)  # the numbers of slots that programs are compiled for
LONG_SLOTS = 64  # those that answers of more than SHORT tokens may take
SHORT = 32
PROMPT_TOKENS = 4096  # of prompts computed in a turn, padding included: a bound on what running sequences wait for


class DecodingFailed(Exception):
    """A turn could not be computed; the log says why."""


@dataclasses.dataclass(eq=False)
class Sequence:
    """One choice: the tokens drawn so far and the text that they give.

    Attributes:
        answer: The request that it belongs to.
        prompt: The ids that it continues.
        limit: Tokens that may be drawn.
        key: Raw key data of the sample.
        text: What the tokens say; complete only when the sequence has ended, or where it is needed sooner.
        ids: Tokens drawn, the stop token included.
        logprobs: Theirs, and the likeliest tokens of each step with theirs, where the request asks for them.
        reason: Why it ended; None: it goes on.
    """

    answer: Answer
    prompt: tuple[int, ...]
    limit: int
    key: UInt32[np.ndarray, "2"]
    text: GrowingText
    ids: list[int] = dataclasses.field(default_factory=list)
    logprobs: list[tuple[float, list[tuple[int, float]]]] = dataclasses.field(default_factory=list)
    reason: str | None = None

    def grow(self, ids: list[int], done: bool, stop_ids: Many[int]) -> int:
        """Adds tokens, the last of which may have ended the sequence; gives how many of them belong to it."""
        request = self.answer.request
        as_drawn = bool(request.stops) or request.stream
        if as_drawn:
            ids = ids[: self.text.add(ids)]
        self.ids += ids
        if done:
            if not as_drawn:
                self.text.add(self.ids)
            self.text.finish()
        if done or self.text.ended:
            self.reason = "stop" if self.text.ended or self.ids[-1] in stop_ids else "length"
        return len(ids)


class Answer:
    """The sequences of one request.

    Attributes:
        request: What is asked for.
        sequences: All choices of the first prompt, then those of the second, and so on.
        waiting: Those that have no slot yet.
        short: Whether none is longer than SHORT.
        given_up: Whether nobody waits for it any more.
    """

    def __init__(self, policy: Policy, request: Request, keys: Many[UInt32[np.ndarray, "2"]]) -> None:
        self.request = request
        prompts = [tuple(prompt) for prompt in request.prompts]
        self.sequences = [
            Sequence(
                answer=self,
                prompt=prompts[index // request.choices],
                limit=request.limits[index // request.choices],
                key=key,
                text=GrowingText(policy.tokenizer, request.stops),
            )
            for index, key in enumerate(keys)
        ]
        for sequence in self.sequences:
            sequence.reason = None if sequence.limit else "length"
        self.waiting = collections.deque(sequence for sequence in self.sequences if sequence.limit)
        self.short = max(request.limits) <= SHORT
        self.given_up = False
        self._failure: DecodingFailed | None = None
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        """Whether all sequences have ended."""
        return all(sequence.reason for sequence in self.sequences)

    async def whole(self) -> None:
        """Waits until all sequences have ended.

        Raises:
            DecodingFailed: They never will.
        """
        while not self.ended:
            await self.grown()

    async def grown(self) -> None:
        """Waits until a sequence has grown.

        Raises:
            DecodingFailed: None will.
        """
        await self._changed.wait()
        self._changed.clear()
        if self._failure:
            raise self._failure

    def notify(self, failure: DecodingFailed | None = None) -> None:
        """Wakes those who wait: a sequence has grown, or none will."""
        self._failure = self._failure or failure
        if self._failure:
            self.give_up()
        self._changed.set()

    def give_up(self) -> None:
        """Lets the engine take the slots of the sequences for others."""
        self.given_up = True
        self.waiting.clear()


@dataclasses.dataclass(eq=False)
class _ToScore:
    """A prompt whose tokens' log-probabilities are asked for."""

    prompt: list[int]
    scores: asyncio.Future[Scores]


@dataclasses.dataclass(eq=False)
class _Replacement:
    """A policy that is to answer in place of the one that does."""

    load: Callable[[], Policy]
    policy: asyncio.Future[Policy]


class Engine:
    """Slots, what is in them, and what waits for them."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._device = Device(policy)
        self._slots: list[Sequence | None] = []
        self._order = itertools.count()
        self._queues: dict[bool, list[tuple[int, int, Answer]]] = {True: [], False: []}  # by `Answer.short`
        self._to_score: list[_ToScore] = []
        self._replacements: collections.deque[_Replacement] = collections.deque()
        self._arrived = asyncio.Event()

    def submit(self, request: Request, keys: Many[UInt32[np.ndarray, "2"]]) -> Answer:
        """Queues a request; keys are those of all choices, prompt by prompt."""
        answer = Answer(self.policy, request, keys)
        if answer.waiting:
            heapq.heappush(self._queues[answer.short], (0, next(self._order), answer))
            self._arrived.set()
        return answer

    def score(self, prompt: list[int]) -> asyncio.Future[Scores]:
        """Queues a prompt; the future gives the log-probabilities of its tokens, or raises DecodingFailed."""
        scores = asyncio.get_running_loop().create_future()
        self._to_score.append(_ToScore(prompt, scores))
        self._arrived.set()
        return scores

    async def run(self) -> None:
        """Decodes what is submitted, until cancelled."""
        # One thread: two that traced flax modules at once have crashed the interpreter (CPython 3.12.1, flax 0.12).
        with ThreadPoolExecutor(1, "decoding") as thread:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._replacements or self._to_score or any(self._slots) or any(self._queues.values()):
                    await asyncio.sleep(0)  # lets requests that have already arrived join
                    if self._replacements and not any(self._slots):
                        await self._take_policy(thread, self._replacements.popleft())
                    else:
                        await self._turn(thread)

    def replace(self, load: Callable[[], Policy]) -> asyncio.Future[Policy]:
        """Another policy of the same shape, which answers from now on; running sequences end with the old one.

        Args:
            load: Gives it, or raises, and then the old one stays; called where nothing else is computed.
        """
        replacement = _Replacement(load, asyncio.get_running_loop().create_future())
        self._replacements.append(replacement)
        self._arrived.set()
        return replacement.policy

    async def _take_policy(self, thread: ThreadPoolExecutor, replacement: _Replacement) -> None:
        def load() -> Policy:
            policy = replacement.load()
            self._device.replace(policy)
            return policy

        try:
            self.policy = await asyncio.get_running_loop().run_in_executor(thread, load)
        except Exception as error:  # whatever a folder holds; the request for it gets the reason
            replacement.policy.set_exception(error)
        else:
            replacement.policy.set_result(self.policy)

    async def _turn(self, thread: ThreadPoolExecutor) -> None:
        self._slots = [None if sequence and sequence.answer.given_up else sequence for sequence in self._slots]
        scored, entering = self._scored_together(), self._entering()
        turn = self._plan(entering, [item.prompt for item in scored])
        try:
            drawn, scores = await asyncio.get_running_loop().run_in_executor(thread, self._device.run, turn)
        except Exception as error:  # it is logged, the requests in it fail, and the next turn begins with empty slots
            _log.exception("a turn with %d sequences and %d scores failed", sum(map(bool, self._slots)), len(scored))
            self._fail(scored, DecodingFailed(f"decoding failed: {type(error).__name__}"))
            return
        for item, result in zip(scored, scores, strict=True):
            if not item.scores.done():
                item.scores.set_result(result)
        if drawn is not None:
            self._take(drawn)

    def _fail(self, scored: Many[_ToScore], failure: DecodingFailed) -> None:
        for item in scored:
            if not item.scores.done():
                item.scores.set_exception(failure)
        for sequence in filter(None, self._slots):
            sequence.answer.notify(failure)
        self._slots = []
        self._device.reset()

    def _scored_together(self) -> list[_ToScore]:
        """Prompts of one padded length that are scored in this turn."""
        self._to_score = [item for item in self._to_score if not item.scores.done()]
        if not self._to_score:
            return []
        length = padded(len(self._to_score[0].prompt))
        most = max(1, min(SCORED_TOGETHER[-1], self._device.most_scored, PROMPT_TOKENS // length))
        alike = [item for item in self._to_score if padded(len(item.prompt)) == length][:most]
        self._to_score = [item for item in self._to_score if item not in alike]
        return alike

    def _entering(self) -> list[Sequence]:
        """The sequences that enter in this turn, taken from the queues."""
        running = [sequence for sequence in self._slots if sequence]
        long = sum(not sequence.answer.short for sequence in running)
        longest = max(map(_columns, running), default=0)
        entering: list[Sequence] = []
        tokens = 0
        while not self._replacements and tokens < PROMPT_TOKENS and (queue := self._next_queue(long < LONG_SLOTS)):
            had, order, answer = queue[0]
            longest = max(longest, _columns(answer.waiting[0]))
            used = len(running) + len(entering)
            if used and used >= self._device.most_slots(SIZES, self._device.columns(longest)):
                break
            heapq.heappop(queue)
            entering.append(answer.waiting.popleft())
            if answer.waiting:
                heapq.heappush(queue, (had + 1, order, answer))
            tokens += padded(len(entering[-1].prompt))
            long += not answer.short
        return entering

    def _next_queue(self, long: bool) -> list[tuple[int, int, Answer]] | None:
        """The queue whose first request is next; None where none waits, or only long ones where these may not enter."""
        for queue in self._queues.values():
            while queue and not queue[0][2].waiting:  # it was given up
                heapq.heappop(queue)
        queues = [queue for short, queue in self._queues.items() if queue and (short or long)]
        return min(queues, key=lambda queue: queue[0][:2], default=None)

    def _plan(self, entering: Many[Sequence], scored: Many[list[int]]) -> Turn:
        """What the device does in a turn; gives every sequence that enters a slot."""
        running = [index for index, sequence in enumerate(self._slots) if sequence]
        needed = len(running) + len(entering)
        if len(self._slots) // 4 < needed <= len(self._slots):  # to move costs more than a few empty slots
            kept = [index if sequence else -1 for index, sequence in enumerate(self._slots)]
        else:
            size = next(size for size in SIZES if size >= needed)
            kept = [*running, *[-1] * (size - len(running))]
        self._slots = [self._slots[index] if index >= 0 else None for index in kept]
        free = [index for index, sequence in enumerate(self._slots) if sequence is None]
        for index, sequence in zip(free, entering, strict=False):
            self._slots[index] = sequence
        sequences = [sequence for sequence in self._slots if sequence]
        requests = [sequence.answer.request for sequence in sequences]
        return Turn(
            kept=np.array(kept, np.int32),
            columns=self._device.columns(max(map(_columns, sequences), default=0)),
            insertions=[_insertion(slot, s) for slot, s in zip(free, entering, strict=False)],
            left=np.array([sequence is None for sequence in self._slots]),
            sampled=any(not request.greedy for request in requests),
            alternatives=MAX_TOP_LOGPROBS if any(r.alternatives is not None for r in requests) else None,
            scored=scored,
        )

    def _take(self, drawn: Drawn) -> None:
        """Adds to the sequences what was drawn, and takes those that have ended out of their slots."""
        broken = DecodingFailed("the policy's logits are not finite: its parameters are broken")
        for slot, sequence in enumerate(self._slots):
            if sequence is None:
                continue
            ids = drawn.tokens[: drawn.counts[slot], slot].tolist()
            count = sequence.grow(ids, bool(drawn.done[slot]), self.policy.tokenizer.stop_ids)
            alternatives = sequence.answer.request.alternatives
            if alternatives is not None:
                sequence.logprobs += _logprobs(drawn, slot, count, alternatives)
            sequence.answer.notify(None if drawn.finite[slot] else broken)
            if sequence.reason:
                self._slots[slot] = None


def _columns(sequence: Sequence) -> int:
    """The columns that a sequence fills until the end of its next turn."""
    return len(sequence.prompt) + len(sequence.ids) + STEPS


def _insertion(slot: int, sequence: Sequence) -> Insertion:
    request = sequence.answer.request
    settings = Settings(
        keys=sequence.key,
        limit=sequence.limit,
        temperature=1.0 if request.greedy else request.temperature,
        top_k=request.top_k,
        top_p=request.top_p,
        greedy=request.greedy,
    )
    return Insertion(slot=slot, prompt=sequence.prompt, settings=settings)


def _logprobs(drawn: Drawn, slot: int, count: int, alternatives: int) -> list[tuple[float, list[tuple[int, float]]]]:
    """The log-probability of each of the first tokens of a slot, and the likeliest tokens with theirs."""
    tokens, values = (leaf[:count, slot, :alternatives].tolist() for leaf in (drawn.top_tokens, drawn.top_logprobs))
    own = drawn.logprobs[:count, slot].tolist()
    return [(one, [*zip(*tops, strict=True)]) for one, *tops in zip(own, tokens, values, strict=True)]
