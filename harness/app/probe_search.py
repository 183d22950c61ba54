"""What `restem probe` does first: searches for texts that a verifier pays wrongly, without a run.

Takes names and tables of verifiers, and problems; gives the rows of a search for each (benchmarks/attacks). A verifier
that pays a number of its own, such as a foreign reward function, is searched by that number. Imports no JAX.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from restem.benchmarks.attacks.ledger import Ask, Asked, Query, Reply
from restem.benchmarks.attacks.search import Search
from restem.benchmarks.files import read_problem_file
from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options, check_models, judge_options
from restem.harness.errors import ConfigError
from restem.harness.progress import RunProgress
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, checked, needs_whole_problems

BATCH = 128
BUDGET = 2000
SLOW_BUDGET = 400  # for a judge, and for a verifier that executes programs
REPEATS = 10


@dataclasses.dataclass(frozen=True, kw_only=True)
class Searched:
    """A verifier's rows; none where it compares the responses to a problem with each other."""

    verifier: str
    rows: list[Asked]


def search_verifiers(
    names: Sequence[str],
    options: Options,
    problems: Sequence[Problem],
    *,
    budget: int | None = None,
    seed: int = 0,
    repeats: int | None = None,
    quiet: bool = False,
) -> list[Searched]:
    """The rows of one search for each verifier.

    Args:
        names: The verifiers.
        options: Their tables of options.
        problems: Problems; those without a reference are left out.
        budget: Queries for each verifier at most; BUDGET where None, SLOW_BUDGET where a judge or a program is asked.
        seed: Of the search.
        repeats: How often the texts that were paid most are asked again; by `default_repeats` where None.
        quiet: Whether to show no progress.

    Raises:
        ConfigError: No problem has a reference.
        VerifierError: A verifier breaks its contract, or is a judge that cannot be reached.
    """
    usable = searchable(problems)
    if not usable:
        raise ConfigError("no problem has a reference: without one no text is known to be right or wrong")
    budgets = {name: budget if budget is not None else default_budget(name, options) for name in names}
    with contextlib.ExitStack() as stack:
        judge = judge_options(options, names, stack, {})
        check_models(judge)
        progress = stack.enter_context(RunProgress(sum(budgets.values()), unit="queries", quiet=quiet))
        tables = {**options, **judge}
        built: catalog.Built = {}
        searched: list[Searched] = []
        for name in names:
            verifier = catalog.build(name, tables, built=built)
            rows: list[Asked] = []
            if not needs_whole_problems(verifier):
                times = default_repeats(name, tables) if repeats is None else repeats
                ask = _ask(verifier, progress)
                rows = Search(usable, ask, budget=budgets[name], seed=seed, repeats=times).run()
            searched.append(Searched(verifier=name, rows=rows))
        return searched


def searchable(problems: Sequence[Problem]) -> list[Problem]:
    """The problems of which the search knows what is right: those with a reference, which programs do not have."""
    return [problem for problem in problems if (problem.reference or "").strip()]


def default_budget(name: str, options: Options) -> int:
    """The queries for a verifier where no number is given."""
    slow = catalog.judges([name], options) or catalog.executing([name], options)
    return SLOW_BUDGET if slow else BUDGET


def default_repeats(name: str, options: Options) -> int:
    """REPEATS for a judge at a temperature above 0, whose reply is one draw; 0 for others."""
    for judge in catalog.judges([name], options):
        if catalog.judge_options(judge, options).temperature:
            return REPEATS
    return 0


def problems_of(path: Path, count: int | None) -> list[Problem]:
    """The first problems of a file that have a reference.

    Raises:
        ConfigError: The file cannot be read, or has none.
    """
    try:
        problems = searchable(read_problem_file(path).problems)
    except ValueError as error:
        raise ConfigError(f"--problems: {error}") from None
    if not problems:
        raise ConfigError(f"--problems {path.name}: no problem has a reference, and the search needs them")
    return problems[:count]


def _ask(verifier: Verifier, progress: RunProgress) -> Ask:
    """The function that the search asks: batches to the verifier, replies of numbers back."""

    def ask(queries: Sequence[Query]) -> list[Reply]:
        replies: list[Reply] = []
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            attempts = [Attempt(problem=query.problem, response=query.text) for query in batch]
            replies += map(_reply, checked(verifier, attempts))
            progress.advance(len(batch))
        return replies

    return ask


def _reply(verdict: Verdict) -> Reply:
    """The reward that training would use, and the finest number: the verifier's own, else its score."""
    raw = verdict.raw_reward
    accepted = {Outcome.CORRECT: True, Outcome.WRONG: False}.get(verdict.outcome)
    if accepted is None:
        return Reply(pay=None, guide=None, accepted=None, reason=verdict.reason)
    pay = float(accepted) if raw is None else float(raw)
    guide = (verdict.score if verdict.score is not None else pay) if raw is None else pay
    return Reply(pay=pay, guide=guide, accepted=accepted, reason=verdict.reason)
