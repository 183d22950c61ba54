"""The slots of a server and the prompts that were computed for them: one turn after another, in one thread.

Takes a policy and what happens in each turn; gives what was drawn and scored. Does not depend on HTTP, text or queues.

A prompt is computed once for all its choices, and what several prompts begin with, such as a judge's instructions, once
for all of them. All shapes come from a small set, so that little is compiled.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Bool, Int

from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import common_prefix_length
from restem.harness.sampling.kv_slots import KeysValues, Network
from restem.harness.sampling.sampler import PREFIX_BUCKET, shared_prefix
from restem.harness.serving import slots as programs
from restem.harness.serving.parameters import MAX_TOP_LOGPROBS
from restem.harness.serving.slots import Drawn, Entering, Scores, Settings, Slots

STEPS = 8  # of a turn
TOGETHER = 8  # prompts computed, and sequences that enter, in one program
LEAST_PROMPT = 32
LEAST_COLUMNS = 256
SCORED_TOGETHER = (1, 8, 32)
MAX_LOGITS = 2**28  # of prompts that are scored together
CACHE_BYTES = 2**32
KEPT_PROMPTS = 256  # that may be asked for again
KEPT_PREFIXES = 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Insertion:
    """A sequence that enters a slot."""

    slot: int
    prompt: tuple[int, ...]
    settings: Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class Turn:
    """What happens in a turn.

    Attributes:
        kept: Which slot of the last turn each slot was; -1: an empty one.
        columns: The columns that they need.
        insertions: What enters.
        left: The slots that are empty in this turn; where all are, nothing is decoded.
        sampled: Whether any sequence is not greedy.
        alternatives: Likeliest tokens given with each; None: no log-probabilities.
        scored: Prompts to score.
    """

    kept: Int[np.ndarray, "S"]
    columns: int
    insertions: Sequence[Insertion]
    left: Bool[np.ndarray, "S"]
    sampled: bool
    alternatives: int | None
    scored: Sequence[Sequence[int]]


@dataclasses.dataclass(frozen=True)
class _Computed:
    """A prompt whose keys and values stand in this row of a cache."""

    cache: KeysValues
    row: int


class Device:
    """The slots, and what is kept of prompts."""

    def __init__(self, policy: Policy) -> None:
        self._network = Network(policy.model)
        self._params = self._network.prepared(policy.params)
        self._stop_ids = policy.tokenizer.stop_ids
        self._context = policy.architecture.context_length
        one = jax.eval_shape(lambda: self._network.empty_cache(1, 1))
        self._column_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
        self.most_scored = max(1, MAX_LOGITS // programs.SEGMENT // policy.architecture.vocab_size)
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        self._slots: Slots | None = None
        self._prefixes: collections.OrderedDict[tuple[int, ...], KeysValues] = collections.OrderedDict()
        self._prompts: collections.OrderedDict[tuple[int, ...], _Computed] = collections.OrderedDict()

    def replace(self, policy: Policy) -> None:
        """Takes the parameters of another policy of the same shape."""
        self._params = self._network.prepared(policy.params)
        self.reset()

    def columns(self, length: int) -> int:
        """The columns that hold this many tokens."""
        return min(_power(length, LEAST_COLUMNS), self._context)

    def most_slots(self, sizes: Sequence[int], columns: int) -> int:
        """The largest of these numbers of slots whose cache of so many columns fits into memory; at least the first."""
        return max([sizes[0], *(s for s in sizes if s * columns * self._column_bytes <= CACHE_BYTES)])

    def run(self, turn: Turn) -> tuple[Drawn | None, list[Scores]]:
        """What was drawn in a turn, None where all slots are empty, and the scores of its prompts."""
        scores = self._score(turn.scored) if turn.scored else []
        return (None if turn.left.all() else self._decode(turn)), scores

    def _decode(self, turn: Turn) -> Drawn:
        slots = self._resized(turn)
        for cache, insertions in self._computed(turn.insertions, _columns(slots.cache)):
            slots = programs.enter(slots, cache, _entering(insertions, len(turn.kept)))
        steps = self._network, self._stop_ids, STEPS, turn.sampled, turn.alternatives
        self._slots, drawn = programs.advance(*steps, self._params, slots, turn.left)
        return jax.device_get(drawn)

    def _resized(self, turn: Turn) -> Slots:
        """The slots in the number and with the columns that the turn needs."""
        size, slots = len(turn.kept), self._slots
        if slots is None or (turn.kept < 0).all():
            alike = slots is not None and (len(slots.done), _columns(slots.cache)) == (size, turn.columns)
            return slots if slots is not None and alike else programs.empty(self._network, size, turn.columns)
        columns = max(turn.columns, _columns(slots.cache))
        stay = len(slots.done) == size and ((turn.kept < 0) | (turn.kept == np.arange(size))).all()
        return slots if stay and columns == _columns(slots.cache) else programs.moved(slots, turn.kept, columns)

    def _computed(
        self, insertions: Sequence[Insertion], columns: int
    ) -> list[tuple[KeysValues, list[tuple[int, Insertion]]]]:
        """Caches, and the sequences that continue a row of each; at most TOGETHER at once."""
        kept = {prompt for prompt, computed in self._prompts.items() if _columns(computed.cache) <= columns}
        missing = [prompt for prompt in dict.fromkeys(i.prompt for i in insertions) if prompt not in kept]
        while missing:
            missing = self._compute_some(missing, columns)
        by_cache: dict[int, list[tuple[int, Insertion]]] = collections.defaultdict(list)
        caches: dict[int, KeysValues] = {}
        for insertion in insertions:
            computed = self._prompts[insertion.prompt]
            self._prompts.move_to_end(insertion.prompt)
            caches[id(computed.cache)] = computed.cache
            by_cache[id(computed.cache)].append((computed.row, insertion))
        self._forget()
        return [
            (caches[key], members[start : start + TOGETHER])
            for key, members in by_cache.items()
            for start in range(0, len(members), TOGETHER)
        ]

    def _compute_some(self, prompts: list[tuple[int, ...]], columns: int) -> list[tuple[int, ...]]:
        """Computes the first of these prompts and others that are like it; gives those that are left."""
        known = max((p for p in self._prefixes if _begins(prompts[0], p)), key=len, default=())
        group = [p for p in prompts if _begins(p, known)]
        length = _power(len(group[0]) - len(known), LEAST_PROMPT)
        group = [p for p in group if _power(len(p) - len(known), LEAST_PROMPT) == length][:TOGETHER]
        prefix = group[0][: max(len(known), compiled_prefix(group))]
        length = min(_power(max(map(len, group)) - len(prefix), LEAST_PROMPT), columns - len(prefix))
        tokens = np.zeros((1 if len(group) == 1 else TOGETHER, length), np.int32)
        for row, prompt in enumerate(group):
            tokens[row, : len(prompt) - len(prefix)] = prompt[len(prefix) :]
        cache = programs.prompt_cache(self._network, self._params, tokens, self._prefix(prefix))
        self._prompts |= {prompt: _Computed(cache, row) for row, prompt in enumerate(group)}
        return [prompt for prompt in prompts if prompt not in group]

    def _prefix(self, prefix: tuple[int, ...]) -> KeysValues | None:
        if not prefix:
            return None
        if prefix not in self._prefixes:
            tokens = np.array([prefix], np.int32)
            self._prefixes[prefix] = programs.prompt_cache(self._network, self._params, tokens, None)
        self._prefixes.move_to_end(prefix)
        while len(self._prefixes) > KEPT_PREFIXES:
            self._prefixes.popitem(last=False)
        return self._prefixes[prefix]

    def _forget(self) -> None:
        """Drops computed prompts, the oldest first, until what is kept is small."""
        while len(self._prompts) > KEPT_PROMPTS or self._kept_bytes() > CACHE_BYTES // 16:
            self._prompts.popitem(last=False)

    def _kept_bytes(self) -> int:
        caches = {id(computed.cache): computed.cache for computed in self._prompts.values()}.values()
        return sum(_columns(cache) * len(_keys(cache)) for cache in caches) * self._column_bytes

    def _score(self, prompts: Sequence[Sequence[int]]) -> list[Scores]:
        size = next(size for size in SCORED_TOGETHER if size >= len(prompts))
        tokens = np.zeros((size, _power(max(map(len, prompts)), LEAST_PROMPT)), np.int32)
        for row, prompt in enumerate(prompts):
            tokens[row, : len(prompt)] = prompt
        scores = jax.device_get(programs.score(self._network, MAX_TOP_LOGPROBS, self._params, tokens))
        return [Scores(*(leaf[row, : len(p) - 1] for leaf in scores)) for row, p in enumerate(prompts)]


def _entering(insertions: Sequence[tuple[int, Insertion]], size: int) -> Entering:
    """The arrays of sequences that enter; those that are missing go to no slot."""
    rows, members = zip(*insertions, strict=True)
    missing = TOGETHER - len(members)
    members, rows = [*members, *members[:1] * missing], [*rows, *rows[:1] * missing]
    slot = [insertion.slot for insertion in members]
    settings = Settings(*(np.array(field) for field in zip(*(i.settings for i in members), strict=True)))
    return Entering(
        prompt=np.array(rows, np.int32),
        slot=np.array([*slot[: TOGETHER - missing], *[size] * missing], np.int32),
        token=np.array([insertion.prompt[-1] for insertion in members], np.int32),
        end=np.array([len(insertion.prompt) - 1 for insertion in members], np.int32),
        settings=Settings(
            keys=settings.keys,
            limit=settings.limit.astype(np.int32),
            temperature=settings.temperature.astype(np.float32),
            top_k=settings.top_k.astype(np.int32),
            top_p=settings.top_p.astype(np.float32),
            greedy=settings.greedy,
        ),
    )


def compiled_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """The length of the shared prefix to compute once, rounded down to a power of two times PREFIX_BUCKET.

    Few lengths are used, because each is compiled for. 0 for a single prompt.
    """
    buckets = shared_prefix(prompts) // PREFIX_BUCKET if len(prompts) > 1 else 0
    return PREFIX_BUCKET << (buckets.bit_length() - 1) if buckets else 0


def _begins(prompt: tuple[int, ...], prefix: tuple[int, ...]) -> bool:
    """Whether a prompt begins with a prefix and goes on after it."""
    return len(prompt) > len(prefix) == common_prefix_length(prompt, prefix)


def _keys(cache: KeysValues) -> jax.Array:
    return next(iter(cache.values()))["k"]


def _columns(cache: KeysValues) -> int:
    return _keys(cache).shape[1]


def _power(length: int, least: int) -> int:
    """The least power of two times `least` that is no smaller than this length."""
    size = least
    while size < length:
        size *= 2
    return size


def padded(length: int) -> int:
    """The length to which a prompt of this many tokens is padded."""
    return _power(length, LEAST_PROMPT)
