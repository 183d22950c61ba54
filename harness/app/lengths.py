"""Which problems fit the context of a policy, and the settings with which those that do not fit would.

Takes a suite, the prompts' lengths in tokens and the policy's context; gives nothing, or one error that counts all
problems which do not fit. Depends on no policy and not on JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.config import Suite
from restem.harness.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Split:
    """The prompts of a split, and the tokens that prompt and response may have together.

    Attributes:
        name: The split.
        lengths: Tokens of each prompt.
        limit: Tokens that prompt and response may have together.
        setting: What sets the limit.
        longest: Where the longest prompt comes from.
    """

    name: str
    lengths: Sequence[int]
    limit: int
    setting: str
    longest: str

    def too_long(self, new: int) -> int:
        return sum(length + new > self.limit for length in self.lengths)


def check_lengths(
    suite: Suite, problems: Mapping[str, Sequence[Problem]], lengths: Mapping[str, Sequence[int]], context: int
) -> None:
    """Checks that every prompt leaves room for a response, in the context and in a packed sequence of training.

    Args:
        suite: Sets the tokens of a response and of a packed sequence.
        problems: Split -> problems.
        lengths: Split -> tokens of their prompts.
        context: Tokens that the policy can see.

    Raises:
        ConfigError: Counting the problems that do not fit, with the settings that would fit them.
    """
    new, row = suite.sampling.max_new_tokens, suite.training.row_length
    splits: list[_Split] = []
    for name, items in problems.items():
        is_row = name == "train" and row < context
        longest = max(range(len(items)), key=lengths[name].__getitem__, default=None)
        splits.append(
            _Split(
                name=name,
                lengths=lengths[name],
                limit=row if is_row else context,
                setting="training.row_length" if is_row else "the policy's context",
                longest="" if longest is None else items[longest].source,
            )
        )
    if not any(split.too_long(new) for split in splits):
        return
    total, count = sum(len(split.lengths) for split in splits), sum(split.too_long(new) for split in splits)
    lines = [
        f"{count:,} of {total:,} problems do not fit: the prompt's tokens and sampling.max_new_tokens = {new} exceed"
    ]
    for split in splits:
        if too_long := split.too_long(new):
            which = f"{too_long:,} of {len(split.lengths):,} {split.name} problems"
            longest = f"the longest prompt has {max(split.lengths)} tokens ({split.longest:.80})"
            lines.append(f"  {split.limit} ({split.setting}) for {which}; {longest}")
    raise ConfigError("\n".join([*lines, _remedy(splits, new, row, context)]))


def _remedy(splits: Sequence[_Split], new: int, row: int, context: int) -> str:
    """The settings with which all problems fit, or what else helps where there are none."""
    longest = max(length for split in splits for length in split.lengths)
    trained = max((length for split in splits if split.name == "train" for length in split.lengths), default=0)
    if longest + new <= context:
        return f"training.row_length = {trained + new} fits all of them"
    room = context - longest
    if room > 0:
        rows = f" and training.row_length = {trained + room}" if trained + room > row else ""
        return (
            f"sampling.max_new_tokens = {room}{rows} fits all of them; a longer response takes a policy with a context "
            f"of at least {longest + new}, or leaving out the longest problems"
        )
    beyond = sum(length >= context for split in splits for length in split.lengths)
    return (
        f"no setting fits all of them: {beyond:,} prompts fill the context of {context} alone. Take a policy with a "
        f"context of at least {longest + new}, or leave these problems out"
    )
