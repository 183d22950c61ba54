"""A plan printed, written beside the run, and checked against the run that followed.

Takes a Plan (or the plan.json that an earlier one left); gives tables, plan.md and plan.json. The check compares the
plan with the first iteration, for a plan is of one step from the base.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
from pydantic import FiniteFloat, PositiveFloat
from tabulate import tabulate

from restem.harness.errors import ConfigError
from restem.harness.store.store import Store
from restem.reports.analysis import plan
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.plan import Plan, Prospect
from restem.reports.analysis.ranking import arm_of
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.columns import plain
from restem.reports.pages.escape import markdown, visible
from restem.reports.pages.finding_sentences import attacks_accepted
from restem.reports.pages.json_data import finite, interval
from restem.reports.stats import law
from restem.reports.stats.estimates import Estimate, apart
from restem.reports.tables import probe
from restem.reports.tables.format import DASH, difference, estimate, number, p_value
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table, numbered

FILE = "plan.json"
DIFFERENCES = {
    plan.PlanDifference.BASE: "another base",
    plan.PlanDifference.PROBLEMS: "other training problems",
    plan.PlanDifference.SAMPLING: "other sampling",
}
PLAIN = ("suite", "base_sha256", "problems_sha256", "sampling", "eta", "labels", "problems", "early")
SCREEN = ("rank", "verifier", "tpr", "fpr", "precision", "gain", "kept", "poisoned")
Bounds = tuple[FiniteFloat, FiniteFloat | None, FiniteFloat | None]


class _Entry(pydantic.BaseModel):
    """What the check reads of a verifier in a plan.json."""

    rank: int
    verifier: str
    fingerprint: str
    gold: bool
    likelihood_ratio: tuple[FiniteFloat | None, FiniteFloat | None, FiniteFloat | None] | None  # null: infinite
    gain: Bounds | None


class _Written(pydantic.BaseModel):
    """What the check reads of a plan.json. One that does not tell its problems and sampling is not held to them."""

    eta: PositiveFloat
    labels: int
    early: bool
    base_sha256: str
    problems_sha256: str | None = None
    sampling: dict[str, Any] | None = None
    accuracy: Bounds
    verifiers: list[_Entry]


def write_plan(run_folder: Path, output: Path | None = None, *, eta: float = 1.0, labels: int | None = None) -> Plan:
    """Makes the plan of a run, and writes plan.md and plan.json.

    Raises:
        ConfigError: The folder holds no run, or its base has no training samples.
    """
    with Store(run_folder) as store:
        run = read_run(store)
    found = plan.make(run, eta=eta, labels=labels)
    folder = output or run_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps(as_data(found), indent=1, allow_nan=False) + "\n", "utf-8")
    (folder / "plan.md").write_text(page(found, (probe.probe(run), probe.forms(run))), "utf-8")
    return found


def as_data(found: Plan) -> dict[str, Any]:
    """The plan as JSON holds it; what is not known or not finite is null."""
    return {
        "version": plan.VERSION,
        **{field: getattr(found, field) for field in PLAIN},
        "accuracy": interval(found.accuracy),
        "verifiers": [_prospect_data(rank, prospect) for rank, prospect in enumerate(found.prospects, 1)],
        "pairs": [
            {
                "left": pair.left,
                "right": pair.right,
                "difference": interval(pair.difference),
                "p_holm": finite(pair.adjusted_p),
                "labelled_problems": finite(pair.labels),
                "test_problems": finite(pair.tests),
            }
            for pair in found.pairs
        ],
        "without_verdicts": list(found.without),
    }


def _prospect_data(rank: int, found: Prospect) -> dict[str, Any]:
    shares = ("coverage", "accepted", "kept", "kept_precision", "poisoned")
    return {
        "rank": rank,
        **{field: getattr(found, field) for field in ("verifier", "fingerprint", "gold", "control")},
        **{field: finite(getattr(found, field)) for field in shares},
        "tpr": interval(found.quality.tpr),
        "fpr": interval(found.quality.fpr),
        "likelihood_ratio": interval(found.quality.likelihood_ratio),
        "precision": interval(found.quality.precision),
        "gain": interval(found.gain),
    }


def read_plan(path: Path) -> dict[str, Any]:
    """A plan.json, read back.

    Raises:
        ConfigError: It is none, or of another version, or a field is not as `as_data` writes it.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        raise ConfigError(f"{path}: no plan: {error}") from None
    if not isinstance(data, dict) or data.get("version") != plan.VERSION:
        raise ConfigError(f"{path}: no plan of version {plan.VERSION}")
    try:
        _Written.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: no plan: {place}: {first['msg']}, found {first['input']!r:.60}") from None
    return data


def sentences(found: Plan) -> list[str]:
    """The plan's answer, and what it rests on."""
    best = _best(found)
    told = [f"No verifier but the gold has judged the base's training samples of {found.suite}."]
    if best:
        bound = "at most " if found.eta == 1 else ""
        told = [
            f"Before any training of {found.suite}: of the verifiers other than the gold, {best.verifier} is predicted "
            f"to gain most, {bound}{difference(best.gain).line} points in a first step (η = {found.eta:g}).",
        ]
    told.append(
        f"From the gold's labels of {found.labels} of {found.problems} training problems; the base has "
        f"{estimate(found.accuracy).line} % correct on them."
    )
    if not found.early:
        told.append("Made after training had begun: what came could be known.")
    if found.without:
        names = ", ".join(found.without)
        told.append(f"Without verdicts on the training split: {names} (`restem verify RUN --split train` adds them).")
    return [*told, *attacks_accepted(found.accepting_attacks, found.problems_probed)]


def prospects(found: Plan) -> Table:
    """The verifiers by predicted gain."""
    return Table.of(
        enumerate(found.prospects, 1),
        [
            Column("rank", "Rank", lambda ranked: str(ranked[0]), names=True),
            Column("verifier", "Verifier", lambda ranked: _verifier(ranked[1]), names=True),
            Column("tpr", "TPR, %", lambda ranked: _unless_gold(ranked[1], "100.0", estimate(ranked[1].quality.tpr))),
            Column("fpr", "FPR, %", lambda ranked: _unless_gold(ranked[1], "0.0", estimate(ranked[1].quality.fpr))),
            Column("ratio", "LR+", lambda ranked: _likelihood_ratio(ranked[1])),
            Column("precision", "Predicted precision (F1), %", lambda ranked: _precision(ranked[1])),
            Column("gain", "Predicted gain (F3), points", lambda ranked: difference(ranked[1].gain)),
            Column("accepted", "Accepted, %", lambda ranked: _accepted(ranked[1])),
            Column("kept", "Kept a problem (F4)", lambda ranked: number(ranked[1].kept, 2, 1)),
            Column("kept_precision", "Precision of kept (F5), %", lambda ranked: number(ranked[1].kept_precision)),
            Column("poisoned", "Poisoned problems (F4), %", lambda ranked: number(ranked[1].poisoned)),
        ],
        id="plan",
        title="Verifiers by predicted gain",
        note=(
            "On the base's training samples. F1: odds × TPR / FPR, the accuracy after an ideal step. F3: η = "
            f"{found.eta:g} times what that is above the base{', an upper bound' if found.eta == 1 else ''}. F4, F5: "
            "after duplicates and the cap, errors supposed independent; poisoned: all kept samples are wrong. "
            f"{CLUSTERED}"
        ),
    )


def _verifier(prospect: Prospect) -> Cell:
    return Cell(prospect.verifier, "gold" if prospect.gold else "control" if prospect.control else "")


def _unless_gold(prospect: Prospect, by_definition: str, measured: Cell) -> Cell:
    return Cell(by_definition, "by definition") if prospect.gold else measured


def _likelihood_ratio(prospect: Prospect) -> Cell:
    return Cell("∞") if prospect.gold else estimate(prospect.quality.likelihood_ratio, 2, 1)


def _precision(prospect: Prospect) -> Cell:
    return Cell("100.0") if prospect.gold else estimate(prospect.quality.precision)


def _accepted(prospect: Prospect) -> Cell:
    partly = f"of {number(prospect.coverage)} decided" if prospect.coverage < 0.9995 else ""
    return Cell(number(prospect.accepted), partly)


def pairs(found: Plan, chosen: Sequence[plan.Pair] | None = None) -> Table:
    """Every two verifiers (or those chosen), and what it takes to tell them apart."""
    return Table.of(
        found.pairs if chosen is None else chosen,
        [
            Column("left", "Verifier", lambda pair: pair.left, names=True),
            Column("right", "Before", lambda pair: pair.right, names=True),
            Column("difference", "Difference of predicted gains, points", lambda pair: difference(pair.difference)),
            Column("p", "p (Holm)", lambda pair: p_value(pair.adjusted_p)),
            Column("told_apart", "Told apart by these labels", lambda pair: "yes" if pair.told_apart else "no"),
            Column("labels", "Labelled problems needed", lambda pair: _problems(pair, found.labels)),
            Column("tests", "Test problems needed", lambda pair: number(pair.tests, 0, 1)),
        ],
        id="plan-pairs",
        title="What tells two verifiers apart",
        note=(
            f"Over the same {found.labels} labelled problems; p from the spread of the resamples, corrected for all "
            f"{len(found.pairs)} pairs. Needed: with 80 % power at 5 % divided by the pairs, as Holm asks of the first "
            "one, if the difference is as large as it looks. Test problems: for a full run to see it (F10), sampled "
            f"as often as the training problems were, at least. {CLUSTERED}"
        ),
    )


def _problems(pair: plan.Pair, labels: int) -> str:
    """The labelled problems needed; where they are more than there were, but no number is to be trusted, only that."""
    untold = not pair.told_apart and pair.labels == labels + 1
    return f"more than {labels}" if untold else number(pair.labels, 0, 1)


def _with_best(found: Plan) -> list[plan.Pair]:
    """The pairs of the verifier that is predicted to gain most, the gold left out: what a screen has room for."""
    best = _best(found)
    return [pair for pair in found.pairs if best and best.verifier in (pair.left, pair.right)]


def _best(found: Plan) -> Prospect | None:
    return next((p for p in found.prospects if not p.gold and not p.control and not math.isnan(p.gain.value)), None)


def page(found: Plan, probed: Sequence[Table] = ()) -> str:
    """The plan as Markdown, with the tables of the probe where it has any rows."""
    lines = [f"# Plan: which verifier to train on ({markdown(found.suite)})", ""]
    lines += [line for sentence in sentences(found) for line in (markdown(sentence, 2000), "")]
    for table in (prospects(found), pairs(found), *(table for table in probed if table.rows)):
        rows = [[markdown(cell.line, 200) for cell in row.values()] for row in table.rows]
        lines += [
            f"## {table.title}",
            "",
            tabulate(rows, headers=table.headings, tablefmt="pipe", disable_numparse=True),
        ]
        lines += ["", markdown(table.note, 2000), ""]
    return "\n".join(lines)


def text(found: Plan) -> str:
    """The plan for a terminal."""
    return "\n".join(
        [
            *(visible(sentence, 2000) for sentence in sentences(found)),
            *("", plain(prospects(found), SCREEN)),
            *("", plain(pairs(found, _with_best(found))), ""),
        ]
    )


def checked(findings: Findings, planned: Mapping[str, Any], eta: Estimate) -> Table:
    """The plan, checked: predicted rank and gain of every trained verifier beside what its first iteration gave."""
    told = {entry["verifier"]: entry for entry in planned["verifiers"] if entry["gain"]}
    others = _others(findings.run, planned)
    came, changed = ({}, []) if others else _came(findings, told)
    order = sorted(came, key=lambda name: told[name]["rank"])
    observed = sorted(came, key=lambda name: -came[name].accuracy.value)
    here = findings.base.accuracy.value if findings.base else math.nan
    columns = (
        *("Verifier", "Arm", "Planned rank", "Observed rank", f"Planned gain, η = {planned['eta']:g}, points"),
        *("Planned gain with this run's η, points", "Observed gain, points", "Observed − planned, points"),
    )
    rows = tuple(
        _checked_row(place, observed.index(name) + 1, told[name], came[name], _carried(told[name], here, eta))
        for place, name in enumerate(order, 1)
    )
    notes = [
        f"Not compared: the plan is of {' and of '.join(others)}." if others else "",
        f"Left out, as the plan is of another verifier of that name: {', '.join(changed)}." if changed else "",
        _checked_note(planned, order, came, here, eta) if rows else "",
    ]
    return numbered(
        id="checked",
        title="The plan, checked",
        columns=columns,
        # A table without rows is not shown, and that there is a plan which says nothing here must be.
        rows=rows or (((Cell("nothing to compare"), *[Cell(DASH)] * (len(columns) - 1)),) if any(notes) else ()),
        note=" ".join(note for note in notes if note),
        first=2,
    )


def hold(run: Run, planned: Mapping[str, Any], path: Path) -> None:
    """Refuses a plan that says nothing of a run.

    Raises:
        ConfigError: It was made from another base, other training problems or other sampling.
    """
    if others := _others(run, planned):
        raise ConfigError(f"{path}: the plan is of {' and of '.join(others)}: this run cannot be checked against it")


def _others(run: Run, planned: Mapping[str, Any]) -> list[str]:
    """Why a plan says nothing of this run, in words."""
    return [DIFFERENCES[difference] for difference in plan.plan_differences(run, planned)]


def _came(findings: Findings, told: Mapping[str, Any]) -> tuple[dict[str, Standing], list[str]]:
    """The first iteration of each planned verifier's first arm; and those that have another fingerprint here."""
    came: dict[str, Standing] = {}
    changed: list[str] = []
    for arm in findings.run.arms:
        standing = findings.standings.get((arm.name, 1))
        if arm.verifier not in told or not standing or not standing.gain:
            continue
        if told[arm.verifier]["fingerprint"] == findings.run.fingerprints.get(arm.verifier):
            came.setdefault(arm.verifier, standing)
        elif arm.verifier not in changed:
            changed.append(arm.verifier)
    return came, changed


def _carried(entry: Mapping[str, Any], here: float, eta: Estimate) -> Estimate:
    """F1 and F3 with the planned likelihood ratio and this run's eta, from the base's accuracy on the test split.

    A verifier multiplies the odds of a correct sample; what that adds depends on the accuracy it starts from, and the
    training problems may be harder than the test problems.
    """
    bounds = [math.inf] * 3 if entry["gold"] else entry["likelihood_ratio"] or [math.nan] * 3
    likelihood_ratio = np.array([math.inf if bound is None else bound for bound in bounds])
    with np.errstate(invalid="ignore"):  # none correct, times infinity
        ideal = law.share(law.odds(here) * likelihood_ratio)
    return _interval((eta.value * (ideal - here)).tolist())


def _checked_row(
    planned_rank: int, observed_rank: int, entry: Mapping[str, Any], standing: Standing, told: Estimate
) -> tuple[Cell, ...]:
    gain = _interval([math.nan if bound is None else bound for bound in entry["gain"]])
    return (
        *(Cell(entry["verifier"], "gold" if entry["gold"] else ""), Cell(arm_of(standing).name)),
        *(Cell(str(planned_rank)), Cell(str(observed_rank)), difference(gain), difference(told)),
        *(difference(standing.gain), difference(apart(standing.gain, told)) if standing.gain else Cell(DASH)),
    )


def _checked_note(
    planned: Mapping[str, Any], order: list[str], came: Mapping[str, Standing], here: float, eta: Estimate
) -> str:
    return (
        f"Planned from {planned['labels']} labelled training problems of the base, "
        f"{'before any policy was trained' if planned['early'] else 'after training had begun'}; observed after "
        f"iteration 1, on the test split. {_order_kept(order, came)} The base has {number(planned['accuracy'][0])} % "
        f"correct of those training problems and {number(here)} % of the test problems: with this run's η the planned "
        "LR+ (F1) starts from the latter. Observed − planned: both intervals together, that accuracy and η as "
        f"they stand. This run's η, {number(eta.value, 2, 1)}, is fitted on its gold arm. {CLUSTERED}"
    )


def _interval(bounds: list[float]) -> Estimate:
    return Estimate(value=bounds[0], low=bounds[1], high=bounds[2], n=0, clusters=0)


def _order_kept(order: list[str], came: Mapping[str, Standing]) -> str:
    """Of the pairs in the plan's order, how many came in that order."""
    couples = [(a, b) for place, a in enumerate(order) for b in order[place + 1 :]]
    kept = sum(came[a].accuracy.value > came[b].accuracy.value for a, b in couples)
    return f"{kept} of {len(couples)} pairs of verifiers came in the planned order." if couples else ""
