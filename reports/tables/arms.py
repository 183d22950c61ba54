"""Findings as tables: small frozen values that Markdown, HTML and the terminal all print.

Takes Findings and what was made from them; gives Tables. A cell is a text and, below it, a detail (nearly always the
95 % interval). Numbers are rounded here and nowhere else. Texts are raw: each printer escapes them its own way.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.predictions import DataForecast
from restem.reports.analysis.ranking import MARGIN, Contest, Ranking, signed
from restem.reports.data.run import Arm
from restem.reports.stats.estimates import Difference, Estimate
from restem.reports.stats.paired_tests import problems_needed
from restem.reports.stats.seeds import over_seeds

DASH = "–"
OVER_SEEDS = "Over seeds, %"
CLUSTERED = "Intervals: 95 %, clustered by problem."


class Cell(NamedTuple):
    """A text, and a smaller detail below it."""

    text: str
    detail: str = ""

    @property
    def line(self) -> str:
        """Both on one line; a detail that is no interval stands in parentheses."""
        detail = self.detail if not self.detail or self.detail.startswith("[") else f"({self.detail})"
        return f"{self.text} {detail}".rstrip()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A titled table; `first` columns are names, the others numbers."""

    id: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    first: int = 1


def number(value: float, digits: int = 1, scale: float = 100) -> str:
    """The value times `scale`; a dash where there is none."""
    if math.isnan(value):
        return DASH
    return "∞" if math.isinf(value) else f"{scale * value:.{digits}f}".replace("-", "−")


def estimate(found: Estimate, digits: int = 1, scale: float = 100) -> Cell:
    """A value with its interval below; in percent unless told otherwise."""
    if math.isnan(found.value):
        return Cell(DASH)
    interval = f"[{number(found.low, digits, scale)}, {number(found.high, digits, scale)}]"
    return Cell(number(found.value, digits, scale), interval if not math.isnan(found.low) else "")


def difference(found: Difference | None) -> Cell:
    """A difference in percentage points with its interval below."""
    return Cell(signed(found.value), f"[{signed(found.low)}, {signed(found.high)}]") if found else Cell(DASH)


def share(part: int, whole: int) -> Cell:
    """A count, with its share of the whole below."""
    return Cell(str(part), f"{100 * part / whole:.1f} %") if whole else Cell(str(part))


def arm_cell(arm: Arm | None) -> Cell:
    """An arm's name, marked where it is gold or a control; its verifier where that has another name."""
    if arm is None:
        return Cell(BASE)
    on = f"trained on {arm.verifier}" if arm.verifier != arm.name else ""
    return Cell(arm.name, ", ".join(part for part in (arm.mark, on) if part))


def _iteration(standing: Standing) -> Cell:
    skipped = "skipped: nothing accepted" if standing.kind == "skipped" else ""
    return Cell(str(standing.iteration), skipped)


def arms(findings: Findings) -> Table:
    """Table 1: every arm and iteration."""
    most = findings.samples_per_problem
    several = any(standing.replicates for standing in findings.standings.values())
    rows = [_arm_row(findings.standings["", 0], most, several)] if findings.base else []
    for arm in findings.run.arms:
        own = [s for (name, i), s in sorted(findings.standings.items()) if name == arm.name and i]
        rows += [_arm_row(s, most, several) for s in own]
    return Table(
        id="arms",
        title="Table 1. Arms and iterations",
        columns=(
            *("Arm", "Iteration", "Gold accuracy, %", *([OVER_SEEDS] if several else [])),
            *("Gain over base, points", "Own reward, %", "Reward − accuracy, points"),
            *(f"pass@{most}, %", f"maj@{most}, %"),
        ),
        rows=tuple(rows),
        note=(
            f"Test split. Gold: {findings.run.gold}.{_chance(findings)} Own reward: mean reward of the "
            f"training verifier on the same samples. Differences are paired by problem. Where the gold left samples "
            f"undecided: the accuracies if all of them were wrong, and if all were correct. {CLUSTERED}"
            + (" An arm is the mean of its replicates; over seeds: their t interval, on these problems." * several)
        ),
    )


def _chance(findings: Findings) -> str:
    level = findings.run.facts.get("chance_level")
    return f" The best constant answer has {number(level)} %." if isinstance(level, (int, float)) else ""


def _arm_row(standing: Standing, most: int, several: bool) -> tuple[Cell, ...]:
    arm = standing.arm
    low, high = map(number, standing.bounds)
    partly = f" of {100 * standing.coverage:.1f} % decided: {low} to {high}" if low != high else ""
    accuracy = estimate(standing.accuracy)
    return (
        arm_cell(arm),
        _iteration(standing),
        accuracy._replace(detail=(accuracy.detail + partly).strip()),
        *([_over_seeds(standing)] if several else []),
        difference(standing.gain),
        estimate(standing.reward),
        difference(standing.gap),
        estimate(standing.passed[most]) if most else Cell(DASH),
        estimate(standing.majority),
    )


def _over_seeds(standing: Standing) -> Cell:
    if not standing.replicates:
        return Cell(DASH)
    found = over_seeds(np.array([one.accuracy.value for one in standing.replicates]))
    if not found.n:
        return Cell(DASH)
    text = f"{found.n} seed{'s' if found.n > 1 else ''}"
    if math.isnan(found.low):
        return Cell(text)
    return Cell(text, f"[{number(max(0.0, found.low))}, {number(min(1.0, found.high))}]")


def p_value(p: float) -> str:
    """Three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def contests(ranking: Ranking) -> Table:
    """Every arm against the base, and every pair of arms, at the last common iteration."""
    margin = f"{100 * MARGIN:.0f} points"
    overall = ranking.overall
    found = (*ranking.gains, *ranking.contests)
    several = any(contest.seeded for contest in found)
    seeds = (
        "Over seeds and problems: of other seeds on other problems, as the verdict, both p and the detectable effect "
        "are wherever a side has replicates. "
    )
    return Table(
        id="pairs",
        title=f"Arms against the base and each other after iteration {ranking.iteration}",
        columns=(
            *("Arm", "Against", "Difference in gold accuracy, points"),
            *(["Over seeds and problems, points"] if several else []),
            *("Problems + / −", "p (Holm)"),
            *(f"p, apart by {margin} (TOST)", "Detectable effect, points", f"Problems for {margin}", "Verdict"),
        ),
        rows=tuple(_contest_row(contest, several) for contest in found),
        note=(
            f"Paired t over problems (McNemar's exact test where each has one sample); p corrected for all arms "
            f"against the base, and for all pairs. {seeds * several}Problems + / −: with a larger, and a "
            f"smaller, share of correct. TOST: a small p says that the two are equal within {margin}. Detectable with "
            f"80 % power; problems for {margin}: as many find such a difference with that power, these seeds given. "
            f"All of them and the base at once, over problems: Cochran's Q {overall.statistic:.1f}, "
            f"df {overall.freedom}, p {p_value(overall.p_value)}. {CLUSTERED}"
        ),
        first=2,
    )


def _contest_row(found: Contest, several: bool) -> tuple[Cell, ...]:
    return (
        *(Cell(found.left), Cell(found.right), difference(found.difference)),
        *([difference(found.seeded)] if several else []),
        *(Cell(f"{found.flips.gained} / {found.flips.lost}"), Cell(p_value(found.adjusted_p))),
        *(Cell(p_value(found.equivalence.p_value)), Cell(number(found.claim.detectable))),
        *(Cell(number(problems_needed(found.difference, MARGIN), 0, 1)), Cell(found.verdict)),
    )


def curves(findings: Findings) -> Table:
    """pass@k and the bounds that undecided samples leave."""
    found = [s for (name, i), s in findings.standings.items() if i or not name]
    ks = list(found[0].passed) if found else []
    rows = tuple(
        (
            *(arm_cell(s.arm), _iteration(s), *(estimate(s.passed[k]) for k in ks)),
            *(Cell(number(s.coverage)), Cell(f"{number(s.bounds[0])} to {number(s.bounds[1])}")),
            *(Cell(f"{s.tokens:.1f}"), Cell(number(s.cut))),
        )
        for s in found
    )
    return Table(
        id="curves",
        title="pass@k",
        columns=(
            *("Arm", "Iteration", *(f"pass@{k}, %" for k in ks), "Decided by gold, %", "Accuracy bounds, %"),
            *("Tokens a sample", "Cut off, %"),
        ),
        rows=rows,
        note=(
            "pass@k: unbiased (arXiv:2107.03374), over the samples that the gold decided. Bounds: all undecided "
            f"samples wrong, and all correct. {CLUSTERED}"
        ),
    )


def training_data(findings: Findings, forecasts: Sequence[DataForecast]) -> Table:
    """What each M-step was given, audited by the gold, beside what F4 and F5 forecast."""
    forecast = {(item.arm, item.iteration): item for item in forecasts}
    rows: list[tuple[Cell, ...]] = []
    for item in findings.data:
        law_says = forecast.get((item.arm.name, item.iteration))
        known = ("wrong", "undecided", "duplicate", "cap")
        others = ", ".join(f"{rule} {count}" for rule, count in item.dropped.items() if rule not in known)
        rows.append(
            (
                *(
                    arm_cell(item.arm),
                    Cell(str(item.iteration)),
                    Cell(str(item.sampled)),
                    share(item.accepted, item.sampled),
                ),
                *(Cell(str(item.undecided)), Cell(str(item.dropped.get("duplicate", 0)))),
                *(Cell(str(item.dropped.get("cap", 0))), Cell(others or DASH)),
                Cell(str(item.kept), f"forecast {law_says.kept:.0f}" if law_says else ""),
                estimate(item.precision),
                Cell(number(law_says.precision) if law_says else DASH),
                Cell(f"{item.covered} of {item.problems}"),
                Cell(str(item.poisoned), f"forecast {law_says.poisoned:.1f}" if law_says else ""),
            )
        )
    return Table(
        id="data",
        title="Training data",
        columns=(
            *("Arm", "Iteration", "Sampled", "Accepted", "Undecided", "Duplicates", "Over cap", "Otherwise dropped"),
            *("Kept", "Precision by gold, %", "Forecast precision, %", "Problems covered", "Poisoned problems"),
        ),
        rows=tuple(rows),
        note=(
            "Poisoned: all kept samples of the problem are wrong by the gold. Forecasts (F4, F5) take the verifier's "
            "TPR and FPR from the test samples of the same policy, and suppose that different texts are judged "
            "independently and equal ones alike: a verifier that judges each copy anew keeps more. Of an arm with "
            f"replicates: sums over them. {CLUSTERED}"
        ),
    )


def wrong_steps(findings: Findings) -> Table:
    """Right answers by wrong steps."""
    found = [s for (name, i), s in findings.standings.items() if (i or not name) and s.wrong_steps.n]
    rows = tuple((arm_cell(s.arm), _iteration(s), Cell(str(s.wrong_steps.n)), estimate(s.wrong_steps)) for s in found)
    return Table(
        id="steps",
        title="Right by wrong steps",
        columns=("Arm", "Iteration", "Gold-correct responses with checkable steps", "Steps do not hold, %"),
        rows=rows,
        note=f"Reported apart: no verifier is ranked by its steps. {CLUSTERED}",
    )


def in_points(found: Estimate) -> Cell:
    """A difference that was estimated, in percentage points with its interval below."""
    if math.isnan(found.value):
        return Cell(DASH)
    interval = "" if math.isnan(found.low) else f"[{signed(found.low)}, {signed(found.high)}]"
    return Cell(signed(found.value), interval)


def picks(findings: Findings) -> Table:
    """The iteration that each arm's own reward would pick, and what that costs (F7)."""
    rows: list[tuple[Cell, ...]] = []
    for arm in findings.run.arms:
        own = [s for (name, _), s in findings.standings.items() if name == arm.name and s.accuracy.n and s.reward.n]
        if len(own) < 2:
            continue
        picked = max(own, key=lambda s: (s.reward.value, -s.iteration))
        best = max(own, key=lambda s: (s.accuracy.value, -s.iteration))
        regret = picked.accuracy.value - best.accuracy.value
        rows.append(
            (
                *(arm_cell(arm), Cell(str(picked.iteration)), Cell(number(picked.accuracy.value))),
                *(Cell(str(best.iteration)), Cell(number(best.accuracy.value)), Cell(signed(regret))),
            )
        )
    return Table(
        id="picks",
        title="Which iteration the training verifier would pick",
        columns=(
            *("Arm", "Picked by own reward", "Its gold accuracy, %", "Best by gold", "Its gold accuracy, % "),
            "Regret, points",
        ),
        rows=tuple(rows),
        note="Iteration 0 is the base. The best by gold is chosen on the test split itself, so the regret is a bound.",
    )
