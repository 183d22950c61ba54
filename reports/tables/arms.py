"""Arms over iterations as tables: Table 1, pass@k, wrong steps, and the iteration that each arm's reward would pick.

Takes Findings; gives Tables. A new column of Table 1 is one `Column` in `arms`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.data.run import Arm
from restem.reports.stats.estimates import t_mean
from restem.reports.tables.decoding import decoding_note
from restem.reports.tables.format import DASH, difference, estimate, interval, number, signed
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table


def arm_cell(arm: Arm | None) -> Cell:
    """An arm's name, marked where it is gold or a control; its verifier where that has another name."""
    if arm is None:
        return Cell(BASE)
    verifier = f"trained on {arm.verifier}" if arm.verifier != arm.name else ""
    return Cell(arm.name, ", ".join(part for part in (arm.mark, verifier) if part))


def _arm(standing: Standing) -> Cell:
    return arm_cell(standing.arm)


def _iteration(standing: Standing) -> Cell:
    skipped = "skipped: nothing accepted" if standing.kind == "skipped" else ""
    return Cell(str(standing.iteration), skipped)


ARM = Column("arm", "Arm", _arm, names=True)
ITERATION = Column("iteration", "Iteration", _iteration)


def arms(findings: Findings) -> Table:
    """Table 1: every arm and iteration."""
    most = findings.samples_per_problem
    standings = [findings.standings["", 0]] if findings.base else []
    for arm in findings.run.arms:
        standings += [s for (name, i), s in sorted(findings.standings.items()) if name == arm.name and i]
    replicated = any(standing.replicates for standing in findings.standings.values())
    return Table.of(
        standings,
        [
            ARM,
            ITERATION,
            Column("accuracy", "Gold accuracy, %", _accuracy),
            Column("over_seeds", "Over seeds, %", _over_seeds) if replicated else None,
            Column("gain", "Gain over base, points", lambda s: difference(s.gain)),
            Column("reward", "Own reward, %", lambda s: estimate(s.reward)),
            Column("gap", "Reward gap, points", lambda s: difference(s.gap)),
            Column("passed", f"pass@{most}, %", lambda s: estimate(s.passed[most]) if most else DASH),
            Column("majority", f"maj@{most}, %", lambda s: estimate(s.majority)),
        ],
        id="arms",
        title="Table 1. Arms and iterations",
        note=(
            f"Test split. Gold: {findings.run.gold}.{_chance(findings)} Own reward: mean reward of the "
            "training verifier on the same samples; reward gap: own reward less gold accuracy. Differences are paired "
            "by problem. Where the gold left samples undecided: the accuracies if all of them were wrong, and if all "
            f"were correct. {CLUSTERED}"
            + (" An arm is the mean of its replicates; over seeds: their t interval, on these problems." * replicated)
            + decoding_note(findings.run)
        ),
    )


def _chance(findings: Findings) -> str:
    level = findings.run.facts.get("chance_level")
    return f" The best constant answer has {number(level)} %." if isinstance(level, (int, float)) else ""


def _accuracy(standing: Standing) -> Cell:
    """Gold accuracy; where the gold left samples undecided, the bounds that these leave."""
    cell = estimate(standing.accuracy)
    low, high = map(number, standing.bounds)
    if low == high:
        return cell
    partly = f" of {100 * standing.coverage:.1f} % decided: {low} to {high}"
    return cell._replace(detail=(cell.detail + partly).strip())


def _over_seeds(standing: Standing) -> Cell:
    """How many replicates there are, and the t interval over their accuracies."""
    if not standing.replicates:
        return Cell(DASH)
    seeds = t_mean(np.array([replicate.accuracy.value for replicate in standing.replicates]))
    if not seeds.n:
        return Cell(DASH)
    low, high = max(0.0, seeds.low), min(1.0, seeds.high)
    return Cell(f"{seeds.n} seed{'s' if seeds.n > 1 else ''}", "" if math.isnan(seeds.low) else interval(low, high))


def _checkpoints(findings: Findings) -> list[Standing]:
    """The base and every trained or skipped checkpoint, as the findings order them."""
    return [standing for (name, iteration), standing in findings.standings.items() if iteration or not name]


def curves(findings: Findings) -> Table:
    """pass@k and the bounds that undecided samples leave."""
    standings = _checkpoints(findings)
    ks = list(standings[0].passed) if standings else []
    return Table.of(
        standings,
        [
            ARM,
            ITERATION,
            *(Column(f"pass@{k}", f"pass@{k}, %", lambda s, k=k: estimate(s.passed[k])) for k in ks),
            Column("decided", "Decided by gold, %", lambda s: number(s.coverage)),
            Column("bounds", "Accuracy bounds, %", lambda s: f"{number(s.bounds[0])} to {number(s.bounds[1])}"),
            Column("tokens", "Tokens a sample", lambda s: f"{s.tokens:.1f}"),
            Column("cut", "Cut off, %", lambda s: number(s.cut)),
        ],
        id="curves",
        title="pass@k",
        note=(
            "pass@k: unbiased (arXiv:2107.03374), over the samples that the gold decided. Bounds: all undecided "
            f"samples wrong, and all correct. {CLUSTERED}"
        ),
    )


def wrong_steps(findings: Findings) -> Table:
    """Right answers by wrong steps."""
    return Table.of(
        [standing for standing in _checkpoints(findings) if standing.wrong_steps.n],
        [
            ARM,
            ITERATION,
            Column("checkable", "Gold-correct responses with checkable steps", lambda s: str(s.wrong_steps.n)),
            Column("wrong", "With wrong steps, %", lambda s: estimate(s.wrong_steps)),
        ],
        id="steps",
        title="Right by wrong steps",
        note=f"Reported apart: no verifier is ranked by its steps. {CLUSTERED}",
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pick:
    """The iteration at which an arm's own reward is highest, and the one at which its gold accuracy is."""

    arm: Arm
    by_reward: Standing
    by_gold: Standing

    @property
    def regret(self) -> float:
        """Gold accuracy that is lost by picking by reward: zero or less."""
        return self.by_reward.accuracy.value - self.by_gold.accuracy.value


def picks_of(findings: Findings) -> Iterator[Pick]:
    """One for every arm with at least two measured iterations, the base counted; of equals the earlier iteration."""
    for arm in findings.run.arms:
        chain = [s for (name, _), s in findings.standings.items() if name == arm.name and s.accuracy.n and s.reward.n]
        if len(chain) >= 2:
            yield Pick(
                arm=arm,
                by_reward=max(chain, key=lambda s: (s.reward.value, -s.iteration)),
                by_gold=max(chain, key=lambda s: (s.accuracy.value, -s.iteration)),
            )


def picks(findings: Findings) -> Table:
    """The iteration that each arm's own reward would pick, and what that costs."""
    return Table.of(
        picks_of(findings),
        [
            Column("arm", "Arm", lambda pick: arm_cell(pick.arm), names=True),
            Column("picked", "Picked by own reward", lambda pick: str(pick.by_reward.iteration)),
            Column("picked_accuracy", "Its gold accuracy, %", lambda pick: number(pick.by_reward.accuracy.value)),
            Column("best", "Best by gold", lambda pick: str(pick.by_gold.iteration)),
            Column("best_accuracy", "Its gold accuracy, %", lambda pick: number(pick.by_gold.accuracy.value)),
            Column("regret", "Regret, points", lambda pick: signed(pick.regret)),
        ],
        id="picks",
        title="Which iteration the training verifier would pick",
        note="Iteration 0 is the base. The best by gold is chosen on the test split itself, so the regret is a bound.",
    )
