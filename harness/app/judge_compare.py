"""What `restem judge compare` does: asks a judge's successor about the responses that the judge has verdicts on.

Takes a run and the names of both; gives the comparison and what the calls of both cost. The successor's replies are
stored in run.db as those of every judge, so that the same command resumes and pays for nothing twice. It adds no
verdicts: a report of the run stays as it is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restem.benchmarks.hints import did_you_mean
from restem.harness.app.judges import EMBEDDED, FORMER_DEFAULT, check_judges, check_models
from restem.harness.errors import ConfigError
from restem.harness.loop.verify import VERIFY_BATCH
from restem.harness.progress import RunProgress
from restem.harness.store.store import Store
from restem.reports.analysis.judge_comparison import JudgeComparison, compare_judges
from restem.reports.data.read import read_run
from restem.reports.data.run import Outcomes, Run
from restem.reports.tables.judge_comparison import CallCost
from restem.verifiers import catalog
from restem.verifiers.chat.budget import Prices
from restem.verifiers.verdict import Attempt, Verifier, checked

# What belongs to one judge and its server, and not to a successor.
OF_THE_EMBEDDED = ("base_url", "max_tokens", "concurrency")
OF_ONE_COMMAND = ("offline", "batch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class StoredJudge:
    """A verifier of a run: its fingerprint, the name in the run, its kind and its options.

    Attributes:
        models: The model that was requested, and the names under which the server answered.
    """

    fingerprint: str
    name: str
    kind: str
    options: Mapping[str, Any]
    models: frozenset[str] = frozenset()


def compare_with_successor(
    folder: Path,
    old_name: str,
    new_name: str,
    overrides: Mapping[str, Any],
    *,
    split: str | None = None,
    limit: int | None = None,
    margin: float,
    quiet: bool = False,
) -> tuple[JudgeComparison, tuple[CallCost, CallCost]]:
    """The comparison of a stored judge with a successor, and what the stored calls of both cost.

    Args:
        old_name: A judge of the run: its name or fingerprint, or its model where that is of one judge alone.
        new_name: Another judge of the run, whose verdicts are stored, or else the model that is asked.
        overrides: Options of the successor that differ from the judge's.
        split: Only the responses to this split's problems.
        limit: Only the first problems of each split.
        margin: Difference of the shares accepted below which the two count as equal.

    Raises:
        ConfigError: The run has no such judge, or no response that it has a verdict on.
        UnknownVerifier: An option is wrong, or the server does not have the model.
        JudgeUnavailable: The successor cannot be reached or its budget is used up; stored replies stay.
    """
    with Store(folder) as store:
        run = read_run(store, brief=True)
        judges = _judges(store, run)
        old = _find(folder, judges, old_name)
        stored_new = next((judge for judge in judges if new_name in (judge.name, judge.fingerprint)), None)
        if stored_new is not None:
            if stored_new.fingerprint == old.fingerprint:
                raise ConfigError(f"--to {new_name}: this is the judge of --from; name another judge or a model")
            names = (old.name, stored_new.name)
            costs = (_cost(store, old), _cost(store, stored_new))
            return compare_judges(run, run.outcomes[old.name], run.outcomes[stored_new.name], names, margin), costs
    options = successor_options(old, new_name, overrides)
    successor = StoredJudge(fingerprint="", name=new_name, kind=old.kind, options=options)
    check_judges({new_name: options}, [new_name])
    check_models({new_name: options})
    with Store(folder, write=True) as store:
        fingerprint, new = _asked(store, run, old, successor, split, limit, quiet)
        costs = (_cost(store, old), _cost(store, dataclasses.replace(successor, fingerprint=fingerprint)))
    return compare_judges(run, run.outcomes[old.name], new, (old.name, new_name), margin), costs


def successor_options(old: StoredJudge, model: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The judge's options with another model: the same prompt, votes, server and budget, unless overridden.

    Of the embedded judge only what concerns the verdict is taken: its server is gone, and its limits were its own.
    """
    embedded = str(old.options.get("model", "")).startswith(EMBEDDED)
    left_out = {*OF_ONE_COMMAND, *(OF_THE_EMBEDDED if embedded else ())}
    kept = {option: value for option, value in old.options.items() if option not in left_out}
    return {**kept, "type": old.kind, "model": model, **overrides}


def _judges(store: Store, run: Run) -> list[StoredJudge]:
    """The judges that have verdicts in the run."""
    labels = {fingerprint: name for name, fingerprint in run.fingerprints.items() if name in run.outcomes}
    judges: list[StoredJudge] = []
    for fingerprint, (name, options) in store.verifiers().items():
        kind = str(options.get("type", name))
        if fingerprint in labels and kind in catalog.JUDGES:
            options = {"model": FORMER_DEFAULT, **options}
            models = frozenset({str(options["model"]), *(model for model, *_ in store.spent(fingerprint))})
            name = labels[fingerprint]
            judges.append(StoredJudge(fingerprint=fingerprint, name=name, kind=kind, options=options, models=models))
    return judges


def _find(folder: Path, judges: Sequence[StoredJudge], wanted: str) -> StoredJudge:
    """The judge of that name, fingerprint or model."""
    named = [judge for judge in judges if wanted in (judge.name, judge.fingerprint)]
    matches = named or [judge for judge in judges if wanted in judge.models]
    names = [judge.name for judge in judges]
    if not names:
        raise ConfigError(f"--from {wanted}: no judge has verdicts in {folder}")
    if not matches:
        raise ConfigError(
            f"--from {wanted}: no judge of {folder} has this name or model{did_you_mean(wanted, names)}: "
            f"there are {', '.join(names)}"
        )
    if len(matches) > 1:
        raise ConfigError(
            f"--from {wanted}: this is the model of {', '.join(judge.name for judge in matches)}; name one"
        )
    return matches[0]


def _asked(
    store: Store, run: Run, old: StoredJudge, successor: StoredJudge, split: str | None, limit: int | None, quiet: bool
) -> tuple[str, Outcomes]:
    """The successor's fingerprint, and its outcomes on the responses that the judge has verdicts on."""
    chosen = list(_attempts(store, run, old, split, limit))
    if not chosen:
        raise ConfigError(f"{store.folder}: {old.name} has no verdict on the responses that were chosen")
    with RunProgress(len(chosen), unit="verdicts", quiet=quiet) as progress:
        tables = {successor.name: dict(successor.options)}
        verifier: Verifier = catalog.build(
            successor.name, tables, calls=store, progress=lambda answered, _: progress.within(answered)
        )
        store.add_verifier(verifier.fingerprint, successor.name, successor.options)
        progress.stage(successor.name)
        value, scored = np.full(len(run.samples.id), np.nan), np.zeros(len(run.samples.id), bool)
        for start in range(0, len(chosen), VERIFY_BATCH):
            part = chosen[start : start + VERIFY_BATCH]
            verdicts = checked(verifier, [attempt for _, attempt in part])
            rows = np.searchsorted(run.samples.id, np.array([id for id, _ in part], np.int64))
            value[rows] = [np.nan if verdict.reward is None else verdict.reward for verdict in verdicts]
            scored[rows] = True
            progress.advance(len(part))
    return verifier.fingerprint, Outcomes(value=value, scored=scored)


def _attempts(
    store: Store, run: Run, old: StoredJudge, split: str | None, limit: int | None
) -> Iterator[tuple[int, Attempt]]:
    """Sample id -> attempt, of the responses that the judge has a verdict on."""
    for checkpoint, of_split in store.sampled_splits(split):
        problems = {problem.id: problem for problem in run.problems[of_split][:limit]}
        judged = store.verdicts(checkpoint, of_split, old.fingerprint)
        for sample in store.samples(checkpoint, of_split):
            if sample.id in judged and sample.problem in problems:
                yield sample.id, Attempt(problem=problems[sample.problem], response=sample.text)


def _cost(store: Store, judge: StoredJudge) -> CallCost:
    """What the stored calls of a judge cost; without prices in its options, its tokens alone."""
    prices = {model: tuple(pair) for model, pair in (judge.options.get("prices") or {}).items()}
    table = Prices(prices, str(judge.options.get("model", "")))
    spent = store.spent(judge.fingerprint)
    return CallCost(
        calls=sum(calls for _, calls, _, _ in spent),
        tokens=sum(prompt + completion for _, _, prompt, completion in spent),
        usd=sum(table.cost(model, prompt, completion) for model, _, prompt, completion in spent) if prices else None,
    )
