"""A plan printed, and written beside the run: plan.md and plan.json.

Takes a run folder or a Plan; gives files, Markdown, a screen's text and plain data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.files import write_whole
from restem.harness.store.store import Store
from restem.reports.analysis import plan
from restem.reports.analysis.plan import Plan, Prospect
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.columns import piped, plain
from restem.reports.pages.escape import markdown, visible
from restem.reports.pages.finding_sentences import attacks_accepted
from restem.reports.pages.json_data import finite, interval
from restem.reports.pages.sentences import listed
from restem.reports.tables import probe
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.plan import PLAN_DIFFERENCES, pairs, prospects
from restem.reports.tables.table import Table

FILE = "plan.json"
PLAIN = ("suite", "base_sha256", "problems_sha256", "sampling", "labels", "problems", "early")
OF_A_STEP = (
    "The rule and its constant were measured with ReST-EM (supervised training on the kept responses, from the sampled "
    "policy) on a small policy of this project. They are not about the algorithm that made these rollouts: read the "
    "order of the verifiers, not the sizes."
)
SCREEN = ("rank", "verifier", "kept_precision", "gain", "share", "tpr", "fpr")


def write_plan(
    run_folder: Path, output: Path | None = None, *, labels: int | None = None, checkpoint: str | None = None
) -> Plan:
    """Makes the plan of a run, and writes plan.md and plan.json.

    Raises:
        ConfigError: The folder holds no run, or its base has no training samples.
    """
    with Store(run_folder) as store:
        run = read_run(store)
    planned = plan.make(run, labels=labels, checkpoint=checkpoint)
    folder = output or run_folder
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / FILE, json.dumps(as_data(planned), indent=1, allow_nan=False) + "\n")
    write_whole(folder / "plan.md", page(planned, (probe.probe(run), probe.forms(run))))
    return planned


def as_data(planned: Plan) -> dict[str, Any]:
    """The plan as JSON holds it; what is not known or not finite is null."""
    return {
        "version": plan.VERSION,
        **({"step": planned.step} if planned.step else {}),
        **{field: getattr(planned, field) for field in PLAIN},
        "accuracy": interval(planned.accuracy),
        "distinct": interval(planned.distinct),
        "prospects": [_prospect_data(rank, prospect) for rank, prospect in enumerate(planned.prospects, 1)],
        "pairs": [
            {
                "left": pair.left,
                "right": pair.right,
                "difference": interval(pair.difference),
                "ahead": finite(pair.ahead),
                "labelled_problems": finite(pair.labels),
            }
            for pair in planned.pairs
        ],
        "without_verdicts": list(planned.without),
    }


def _prospect_data(rank: int, prospect: Prospect) -> dict[str, Any]:
    return {
        "rank": rank,
        **{field: getattr(prospect, field) for field in ("name", "verifier", "fingerprint", "gold", "control")},
        **{field: finite(getattr(prospect, field)) for field in ("coverage", "accepted", "kept", "poisoned")},
        "tpr": interval(prospect.quality.tpr),
        "fpr": interval(prospect.quality.fpr),
        "likelihood_ratio": interval(prospect.quality.likelihood_ratio),
        "share_of_ceiling": interval(prospect.share) if prospect.share else None,
        "iterations": [
            {
                "kept_precision": interval(step.kept_precision),
                "gain": interval(step.gain),
                "log_odds": interval(step.change),
            }
            for step in prospect.iterations
        ],
    }


def sentences(planned: Plan) -> list[str]:
    """The plan's answer, and what it rests on."""
    best = _best(planned)
    samples = f"the samples of {planned.step}" if planned.step else f"the base's training samples of {planned.suite}"
    lines = [f"No verifier but the gold has judged {samples}."]
    if any(not prospect.gold for prospect in planned.prospects):
        lines = [f"Of no verifier but the gold and controls is a gain known from {samples}."]
    if best:
        lines = [_first(planned, best)]
    lines.append(
        f"From the gold's labels of {planned.labels} of {planned.problems} "
        f"{'problems' if planned.step else 'training problems'}; the {'policy' if planned.step else 'base'} has "
        f"{estimate(planned.accuracy).line} % correct on them."
    )
    if planned.step:
        lines.append(OF_A_STEP)
    if not planned.early:
        lines.append("Made after training had begun: the results could be known.")
    if planned.without:
        names = ", ".join(planned.without)
        where = "there" if planned.step else "on the training split"
        lines.append(f"Without verdicts {where}: {names} (`restem verify RUN --verifier NAME` adds them).")
    return [*lines, *attacks_accepted(planned.accepting_attacks, planned.problems_probed)]


def _first(planned: Plan, best: Prospect) -> str:
    """Which verifier is predicted to gain most, and which others may as well."""
    rounds = f"{len(best.iterations)} iteration{'s' * (len(best.iterations) > 1)}"
    gains = f"{best.name} is predicted to gain most, {difference(best.gain).line} points after {rounds}"
    if best.gain.value <= 0:
        gains = f"none is predicted to gain; first stands {best.name}, {difference(best.gain).line} points"
    start = f"From {planned.step}" if planned.step else f"Before any training of {planned.suite}"
    text = f"{start}: of what one could train on, {gains}"
    if best.gain.value > 0 and best.share and not math.isnan(best.share.value):
        text += f", {estimate(best.share, 0).line} % of what the gold is predicted to give"
    candidates = {p.name for p in planned.prospects if not p.gold and not p.control}
    others = [pair for pair in planned.pairs if pair.left == best.name and pair.right in candidates]
    if unsettled := [pair for pair in others if not pair.settled]:
        names = [f"{pair.right} ({100 * pair.ahead:.0f} %)" for pair in unsettled]
        text += f"; that it gains more is not settled against {listed(names, 'and')}"
    return f"{text}."


def _with_best(planned: Plan) -> list[plan.ProspectPair]:
    """The pairs of the verifier that is predicted to gain most, the gold left out: what a screen has room for."""
    best = _best(planned)
    return [pair for pair in planned.pairs if best and best.name in (pair.left, pair.right)]


def _best(planned: Plan) -> Prospect | None:
    return next((p for p in planned.prospects if not p.gold and not p.control and not math.isnan(p.gain.value)), None)


def page(planned: Plan, probed: Sequence[Table] = ()) -> str:
    """The plan as Markdown, with the tables of the probe where it has any rows."""
    lines = [f"# Plan: which verifier to train on ({markdown(planned.step or planned.suite)})", ""]
    lines += [line for sentence in sentences(planned) for line in (markdown(sentence, 2000), "")]
    for table in (prospects(planned), *(table for table in (pairs(planned), *probed) if table.rows)):
        lines += [f"## {table.title}", "", piped(table, 200), "", markdown(table.note, 2000), ""]
    return "\n".join(lines)


def text(planned: Plan) -> str:
    """The plan for a terminal."""
    return "\n".join(
        [
            *(visible(sentence, 2000) for sentence in sentences(planned)),
            *("", plain(prospects(planned), SCREEN)),
            *(("", plain(pairs(planned, best))) if (best := _with_best(planned)) else ()),
            "",
        ]
    )


def hold(run: Run, planned: Mapping[str, Any], path: Path) -> None:
    """Checks that a plan applies to a run.

    Raises:
        ConfigError: It was made from another base, other training problems or other sampling.
    """
    if differences := [PLAN_DIFFERENCES[difference] for difference in plan.plan_differences(run, planned)]:
        others = " and of ".join(differences)
        raise ConfigError(f"{path}: the plan is of {others}: this run cannot be checked against it")
