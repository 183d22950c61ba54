"""Examples -> rows of tokens, each row a prefix tree: what several examples begin with is stored once.

Takes (prompt, response) token pairs with weights; gives the arrays of the loss. Does not depend on networks.

The K responses to a problem share its prompt, and often their first lines; all problems share the prompt's template. In
a tree such tokens are computed once, and the same next token of several examples is one target with their weights
added. A token attends to its ancestors alone, at positions counted from the root, so each example has the same loss and
gradient as without packing, up to rounding.

A row holds its tree in preorder: token j is visible to the tokens from index j on and before `ends[j]`. Devices wait
while rows are packed, so Python's loops are over examples, and NumPy's over their tokens.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from restem.harness.errors import PromptTooLong
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch


class _Item(NamedTuple):
    """An example as arrays.

    Attributes:
        path: The tokens that the example has in a row: its last one is only a target.
        prompt: How many of them are the prompt.
        response: The tokens that are learnt.
        key: Bytes in whose order the examples are sorted: that of their paths.
    """

    path: NDArray[np.int32]
    prompt: int
    response: NDArray[np.int32]
    weight: float
    key: bytes


class _Tree(NamedTuple):
    """The tokens of a row in preorder, and each target once: the index that it is predicted from and the token.

    The weights of a target are two sums over examples: of their weights, and of their absolute weights.
    """

    tokens: NDArray[np.int32]
    positions: NDArray[np.int32]
    ends: NDArray[np.int32]
    places: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.float64]
    magnitudes: NDArray[np.float64]


def pack(examples: Sequence[Example], row_length: int) -> Batch:
    """Examples packed in rows of `row_length` tokens.

    Raises:
        PromptTooLong: An example is longer than a row.
    """
    trees = [_tree(row, row_length) for row in _rows([_item(example) for example in examples], row_length)]
    most = max(len(tree.targets) for tree in trees)
    quarter = -(-row_length // 4)
    targets_length = quarter * -(-most // quarter)  # whole quarters of a row, so that most data sets have one shape
    tokens, ends, positions = (np.stack([getattr(t, name) for t in trees]) for name in ("tokens", "ends", "positions"))
    places, targets = (np.zeros((len(trees), targets_length), np.int32) for _ in range(2))
    weights, magnitudes = (np.zeros((len(trees), targets_length), np.float32) for _ in range(2))
    for r, tree in enumerate(trees):
        count = len(tree.targets)
        places[r, :count], targets[r, :count] = tree.places, tree.targets
        weights[r, :count], magnitudes[r, :count] = tree.weights, tree.magnitudes
    return Batch(tokens, ends, positions, places, targets, weights, magnitudes)  # type: ignore[arg-type]


def _item(example: Example) -> _Item:
    ids = np.array(example.prompt_ids + example.response_ids, np.int32)
    prompt = len(example.prompt_ids)
    path = ids[:-1]
    return _Item(path, prompt, ids[prompt:], example.weight, path.astype(">i4").tobytes())


def _tree(items: Sequence[_Item], row_length: int) -> _Tree:
    """The prefix tree of the examples of a row."""
    tokens, positions, ends, branch = (np.zeros(row_length, np.int32) for _ in range(4))
    last, filled = np.zeros(0, np.int32), 0  # `branch` has the indices of the last path's tokens
    places: list[NDArray[np.int32]] = []
    ordered = sorted(items, key=lambda item: item.key)
    for item in ordered:
        path, length = item.path, len(item.path)
        shared = _shared(last, path)
        ends[branch[shared : len(last)]] = filled
        fresh = slice(filled, filled + length - shared)
        tokens[fresh] = path[shared:]
        positions[fresh] = np.arange(shared, length)
        branch[shared:length] = np.arange(fresh.start, fresh.stop)
        places.append(branch[item.prompt - 1 : length].copy())
        last, filled = path, fresh.stop
    ends[branch[: len(last)]] = filled
    weights = np.repeat([item.weight for item in ordered], [len(item.response) for item in ordered])
    return _Tree(tokens, positions, ends, *_summed(np.concatenate(places), ordered, weights))


def _summed(places: NDArray[np.int32], items: Sequence[_Item], weights: NDArray[np.float64]) -> tuple[NDArray, ...]:
    """Each target once, in the order of their first examples: place, token, sum of weights and of absolute weights."""
    tokens = np.concatenate([item.response for item in items])
    pairs, first, target = np.unique((places.astype(np.int64) << 32) + tokens, return_index=True, return_inverse=True)
    order = np.argsort(first)
    number = np.argsort(order)[target]
    sums = (np.bincount(number, values) for values in (weights, np.abs(weights)))
    return (pairs[order] >> 32, pairs[order] & 0xFFFFFFFF, *sums)


def _shared(left: NDArray[np.int32], right: NDArray[np.int32]) -> int:
    """The number of tokens with which both paths begin."""
    both = min(len(left), len(right))
    differ = np.flatnonzero(left[:both] != right[:both])
    return int(differ[0]) if len(differ) else both


def _rows(items: Sequence[_Item], row_length: int) -> list[list[_Item]]:
    """The examples of each row, by best fit in decreasing order: a family goes to the fullest row that can hold it."""
    ordered = sorted(items, key=lambda item: item.key)
    longest = max(len(item.path) for item in ordered)
    if longest > row_length:
        raise PromptTooLong(f"an example of {longest} tokens does not fit a row of {row_length}")
    root = _shared(ordered[0].path, ordered[-1].path)
    rows: list[list[_Item]] = []
    room: list[tuple[int, int]] = []  # tokens left in a row beside the root, and the row's index; sorted
    for size, family in sorted(_families(ordered, root, row_length - root), key=lambda pair: -pair[0]):
        place = bisect.bisect_left(room, (size, 0))
        left, row = room.pop(place) if place < len(room) else (row_length - root, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].extend(family)
        bisect.insort(room, (left - size, row))
    return rows


def _families(ordered: Sequence[_Item], root: int, room: int) -> Iterator[tuple[int, list[_Item]]]:
    """Families: examples of the same prompt, as many as there is room for; with their tree's size without the root."""
    size, family = len(ordered[0].path) - root, [ordered[0]]
    # Examples are sorted by path, so a new one adds only the tokens that it does not share with its predecessor.
    for last, item in pairwise(ordered):
        shared = _shared(last.path, item.path)
        more = len(item.path) - shared
        if item.prompt == last.prompt and shared >= item.prompt and size + more <= room:
            size += more
            family.append(item)
        else:
            yield size, family
            size, family = len(item.path) - root, [item]
    yield size, family
