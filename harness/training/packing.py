"""Examples -> rows of tokens, each row a prefix tree: what several examples begin with is stored once.

Takes (prompt, response) token pairs with weights; gives the arrays of the loss. Does not depend on networks.

The K responses to a problem share its prompt, and often their first lines; all problems share the prompt's template. In
a tree such tokens are computed once, and the same next token of several examples is one target with their weights
added. A token attends to its ancestors alone, at positions counted from the root, so each example has the same loss and
gradient as without packing, up to rounding.

A row holds its tree in preorder: token j is visible to the tokens from index j on and before `ends[j]`.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from restem.harness.errors import PromptTooLong
from restem.harness.model.tokenizer import common_prefix_length
from restem.harness.training.loss import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A response to train on, stop token included, and the weight (reward) of its tokens; below 0: to train away."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    weight: float = 1.0

    @property
    def path(self) -> tuple[int, ...]:
        """The tokens that the example has in a row: the last one is only a target."""
        return self.prompt_ids + self.response_ids[:-1]


class _Tree(NamedTuple):
    """The tokens of a row in preorder, and for every target (index it is predicted from, token) two sums over examples.

    The weights, and the absolute weights.
    """

    tokens: list[int]
    positions: list[int]
    ends: list[int]
    weights: dict[tuple[int, int], float]
    magnitudes: dict[tuple[int, int], float]


def pack(examples: Sequence[Example], row_length: int) -> Batch:
    """Examples packed in rows of `row_length` tokens.

    Raises:
        PromptTooLong: An example is longer than a row.
    """
    trees = [_tree(row) for row in _rows(examples, row_length)]
    most = max(len(tree.weights) for tree in trees)
    quarter = -(-row_length // 4)
    targets_length = quarter * -(-most // quarter)  # whole quarters of a row, so that most data sets have one shape
    tokens, ends, positions = (np.zeros((len(trees), row_length), np.int32) for _ in range(3))
    places, targets = (np.zeros((len(trees), targets_length), np.int32) for _ in range(2))
    weights, magnitudes = (np.zeros((len(trees), targets_length), np.float32) for _ in range(2))
    for r, tree in enumerate(trees):
        for array, values in ((tokens, tree.tokens), (ends, tree.ends), (positions, tree.positions)):
            array[r, : len(values)] = values
        count = len(tree.weights)
        places[r, :count], targets[r, :count] = np.array([*tree.weights]).T
        weights[r, :count] = [*tree.weights.values()]
        magnitudes[r, :count] = [*tree.magnitudes.values()]
    return Batch(tokens, ends, positions, places, targets, weights, magnitudes)  # type: ignore[arg-type]


def _tree(examples: Sequence[Example]) -> _Tree:
    """The prefix tree of the examples of a row."""
    tree = _Tree([], [], [], collections.defaultdict(float), collections.defaultdict(float))
    branch: list[int] = []  # the indices of the last example's tokens
    for example in sorted(examples, key=lambda example: example.path):
        path = example.path
        shared = common_prefix_length(path, [tree.tokens[place] for place in branch])
        for place in branch[shared:]:
            tree.ends[place] = len(tree.tokens)
        fresh = range(len(tree.tokens), len(tree.tokens) + len(path) - shared)
        branch[shared:] = fresh
        tree.tokens.extend(path[shared:])
        tree.positions.extend(range(shared, len(path)))
        tree.ends.extend(0 for _ in fresh)
        for place, token in zip(branch[len(example.prompt_ids) - 1 :], example.response_ids, strict=True):
            tree.weights[place, token] += example.weight
            tree.magnitudes[place, token] += abs(example.weight)
    for place in branch:
        tree.ends[place] = len(tree.tokens)
    return tree


def _rows(examples: Sequence[Example], row_length: int) -> list[list[Example]]:
    """The examples of each row, by best fit in decreasing order: a family goes to the fullest row that can hold it."""
    ordered = sorted(examples, key=lambda example: example.path)
    longest = max(len(example.path) for example in ordered)
    if longest > row_length:
        raise PromptTooLong(f"an example of {longest} tokens does not fit a row of {row_length}")
    root = common_prefix_length(ordered[0].path, ordered[-1].path)
    rows: list[list[Example]] = []
    room: list[tuple[int, int]] = []  # tokens left in a row beside the root, and the row's index; sorted
    for size, family in sorted(_families(ordered, root, row_length - root), key=lambda pair: -pair[0]):
        place = bisect.bisect_left(room, (size, 0))
        left, row = room.pop(place) if place < len(room) else (row_length - root, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].extend(family)
        bisect.insort(room, (left - size, row))
    return rows


def _families(ordered: Sequence[Example], root: int, room: int) -> Iterator[tuple[int, list[Example]]]:
    """Families: examples of the same prompt, as many as there is room for; with their tree's size without the root."""
    size, family = len(ordered[0].path) - root, [ordered[0]]
    # Examples are sorted by path, so a new one adds only the tokens that it does not share with its predecessor.
    for last, example in pairwise(ordered):
        more = len(example.path) - common_prefix_length(last.path, example.path)
        if example.prompt_ids == last.prompt_ids and size + more <= room:
            size += more
            family.append(example)
        else:
            yield size, family
            size, family = len(example.path) - root, [example]
    yield size, family
