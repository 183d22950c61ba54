"""Which references the gold of a suite cannot read, counted before any sampling.

Takes a suite and its problems; gives the unreadable ones, or one error that counts them and names the remedies. A
reference that is not read makes the gold undecided on nearly every response to the problem, so a run with many of them
would measure little. Depends on no particular verifier, and not on JAX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options
from restem.harness.errors import ConfigError
from restem.verifiers import catalog
from restem.verifiers.verdict import Verifier, unreadable_references

if TYPE_CHECKING:
    from restem.harness.config import Suite  # its pydantic models take 0.2 s to import

SHOWN = 3  # unreadable references that a message names

Unread: TypeAlias = tuple[Problem, str]
"""A problem whose references a verifier cannot read, and the reason."""


def unreadable(
    name: str,
    options: Options,
    problems: Sequence[Problem],
    built: Mapping[str, Verifier] = MappingProxyType({}),
) -> list[Unread]:
    """The problems whose references the verifier of that name cannot read; none for a verifier with a judge.

    A judge reads every text, and is not built here, because its server may not be known yet.
    """
    if catalog.judges([name], options):
        return []
    return unreadable_references(catalog.build(name, options, built=dict(built)), problems)


def check_references(
    suite: Suite,
    problems: Mapping[str, Sequence[Problem]],
    built: Mapping[str, Verifier] = MappingProxyType({}),
    *,
    begun: bool = False,
) -> list[Unread]:
    """The problems whose references the suite's gold cannot read; none, unless the suite accepts them.

    Args:
        suite: Names the gold, and says whether unreadable references are accepted.
        problems: Split -> problems.
        built: Verifiers that are built already.
        begun: Whether the run has problems and samples already, so that an error would come too late.

    Raises:
        ConfigError: The gold cannot read all references, and the suite does not accept that.
    """
    listed = [problem for items in problems.values() for problem in items]
    unread = unreadable(suite.gold, suite.verifiers, listed, built)
    if unread and not suite.accept_unreadable and not begun:
        raise ConfigError(_message(suite.gold, unread, len(listed)))
    return unread


def _message(gold: str, unread: Sequence[Unread], total: int) -> str:
    lines = [
        f"gold: {gold} can read the references of {total - len(unread)} of {total} problems; it would leave nearly all "
        f"responses to the other {len(unread)} undecided:"
    ]
    for problem, reason in unread[:SHOWN]:
        texts = " or ".join(f"{text!r:.80}" for text in problem.references) or "no reference"
        lines.append(f"  {problem.id:.80} ({problem.source:.80}): {texts} ({reason:.80})")
    if len(unread) > SHOWN:
        lines.append(f"  and {len(unread) - SHOWN} more")
    lines.append(
        'choose another gold (such as gold = "judge", or a cascade: docs/verifiers.md), or write these answers in a '
        'form that it reads, or in several ("answer": ["12 cm", "12"]); --accept-unreadable, or accept_unreadable = '
        "true in the suite, runs all the same and counts them in the report"
    )
    return "\n".join(lines)


def unread_facts(unread: Sequence[Unread], problems: Mapping[str, Sequence[Problem]]) -> dict[str, Any]:
    """What run.db keeps of them: split -> how many of how many problems, and the first ones with their reasons."""
    ids = {problem.id for problem, _ in unread}
    return {
        "splits": {split: [sum(p.id in ids for p in items), len(items)] for split, items in problems.items()},
        "first": [[problem.id, reason] for problem, reason in unread[:SHOWN]],
    }
