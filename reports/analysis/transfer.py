"""What training brought on further test sets: other kinds of problems, harder ones, other benchmarks.

Takes Findings; gives one Transfer an arm and test set, the suite's own test split among them, so that the gains stand
beside each other. Each set is a family of tests, as the test split is in the verdict. Does not depend on tables.
"""

from __future__ import annotations

import dataclasses

from restem.reports.analysis.contest import Contest, arm_of, family
from restem.reports.analysis.findings import TEST, Findings, Standing, find


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """An arm on a test set, after the last iteration of which it has gold verdicts there.

    Attributes:
        split: The set's split.
        base: The base on it.
        last: The arm on it.
        gain: The arm against the base, of other seeds on other problems; None where the arm trained on nothing, or has
            no problem in common with the base.
    """

    split: str
    base: Standing
    last: Standing
    gain: Contest | None


def transfers(findings: Findings) -> list[Transfer]:
    """Every arm on every test set, set by set; empty where the suite has no further ones."""
    run, results = findings.run, []
    for split in (TEST, *run.further_tests) if run.further_tests else ():
        found = findings if split == TEST else find(run, brief=True, split=split)
        base, lasts = found.base, [last for arm in run.arms if (last := found.last(arm))]
        if base is None:
            continue
        gains = family([(last, base) for last in lasts if found.trained(arm_of(last), last.iteration)], margin=0.0)
        by_arm = {gain.left: gain for gain in gains}
        results += [Transfer(split=split, base=base, last=last, gain=by_arm.get(arm_of(last).name)) for last in lasts]
    return results
