"""Examples -> rows of tokens, each row a prefix tree: what several examples begin with stands in it once.

Takes (prompt, response) token pairs with weights; gives arrays for the loss. Knows nothing of networks.

The K responses to a problem repeat its prompt, and most of them each other's first lines; all problems repeat the
prompt's template. In a tree, such tokens are computed once, and a token that several examples go on with alike is one
target with their weights added. A token sees its ancestors alone, at positions that count from the root, so each
example has the loss and the gradient that it has alone, but for rounding.

A row holds its tree in preorder: token j is seen by itself and those behind it before place `ends[j]`.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple

import numpy as np

from restem.harness.errors import PromptTooLong
from restem.harness.training.loss import Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """One response to learn, closed by its stop token, and the weight (reward) of its tokens."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    weight: float = 1.0

    @property
    def path(self) -> tuple[int, ...]:
        """The tokens that it takes in a row: the last is only ever predicted."""
        return self.prompt_ids + self.response_ids[:-1]


class _Tree(NamedTuple):
    """The tokens of one row in preorder, and the weight of every target: the place it is predicted from, the token."""

    tokens: list[int]
    positions: list[int]
    ends: list[int]
    targets: dict[tuple[int, int], float]


def pack(examples: Sequence[Example], row_length: int) -> Batch:
    """Examples in rows of `row_length` tokens.

    Raises:
        PromptTooLong: An example is longer than a row.
    """
    trees = [_tree(row) for row in _rows(examples, row_length)]
    most = max(len(tree.targets) for tree in trees)
    quarter = -(-row_length // 4)
    targets_length = quarter * -(-most // quarter)  # in quarters of a row, so that most data sets have one shape
    tokens, ends, positions = (np.zeros((len(trees), row_length), np.int32) for _ in range(3))
    places, targets = (np.zeros((len(trees), targets_length), np.int32) for _ in range(2))
    weights = np.zeros((len(trees), targets_length), np.float32)
    for r, tree in enumerate(trees):
        for array, values in ((tokens, tree.tokens), (ends, tree.ends), (positions, tree.positions)):
            array[r, : len(values)] = values
        count = len(tree.targets)
        places[r, :count], targets[r, :count] = np.array([*tree.targets]).T
        weights[r, :count] = [*tree.targets.values()]
    return Batch(tokens, ends, positions, places, targets, weights)  # type: ignore[arg-type]


def _tree(examples: Sequence[Example]) -> _Tree:
    tree = _Tree([], [], [], collections.defaultdict(float))
    branch: list[int] = []  # the places of the last example's tokens
    for example in sorted(examples, key=lambda example: example.path):
        path = example.path
        shared = _common(path, [tree.tokens[place] for place in branch])
        for place in branch[shared:]:
            tree.ends[place] = len(tree.tokens)
        fresh = range(len(tree.tokens), len(tree.tokens) + len(path) - shared)
        branch[shared:] = fresh
        tree.tokens.extend(path[shared:])
        tree.positions.extend(range(shared, len(path)))
        tree.ends.extend(0 for _ in fresh)
        for place, token in zip(branch[len(example.prompt_ids) - 1 :], example.response_ids, strict=True):
            tree.targets[place, token] += example.weight
    for place in branch:
        tree.ends[place] = len(tree.tokens)
    return tree


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens with which both begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _rows(examples: Sequence[Example], row_length: int) -> list[list[Example]]:
    """Best fit, largest first: each family goes to the fullest row that still has room for it."""
    ordered = sorted(examples, key=lambda example: example.path)
    longest = max(len(example.path) for example in ordered)
    if longest > row_length:
        raise PromptTooLong(f"an example of {longest} tokens does not fit a row of {row_length}")
    root = _common(ordered[0].path, ordered[-1].path)
    rows: list[list[Example]] = []
    room: list[tuple[int, int]] = []  # what is left in a row beside the root, and which row; sorted
    for size, family in sorted(_families(ordered, root, row_length - root), key=lambda found: -found[0]):
        place = bisect.bisect_left(room, (size, 0))
        left, row = room.pop(place) if place < len(room) else (row_length - root, len(rows))
        if row == len(rows):
            rows.append([])
        rows[row].extend(family)
        bisect.insort(room, (left - size, row))
    return rows


def _families(ordered: Sequence[Example], root: int, room: int) -> Iterator[tuple[int, list[Example]]]:
    """The examples of each prompt, as many together as there is room for, and the tokens of their tree but the root."""
    size, family = len(ordered[0].path) - root, [ordered[0]]
    for last, example in pairwise(ordered):
        more = len(example.path) - _common(last.path, example.path)
        if example.prompt_ids == last.prompt_ids and size + more <= room:
            size += more
            family.append(example)
        else:
            yield size, family
            size, family = len(example.path) - root, [example]
    yield size, family
