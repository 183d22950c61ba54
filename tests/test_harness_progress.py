"""The time left: what it is made of, and how it comes out on a recorded run."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from restem.harness.app.run import suite_problems
from restem.harness.config import parse_suite
from restem.harness.loop.planned_work import forecast
from restem.harness.progress import Forecast
from restem.harness.store.store import Store
from restem.verifiers import catalog

EXAMPLE = Path(__file__).parents[1] / "reports" / "examples" / "dose_response"


def test_nothing_is_forecast_before_anything_was_measured() -> None:
    assert Forecast({"sampling test": 10}, {}).seconds() is None


def test_later_times_of_a_kind_replace_the_first_which_compiles() -> None:
    left = Forecast({"sampling test": 300}, {})
    left.finished("sampling test", 100, fresh=100, seconds=500)
    left.finished("sampling test", 100, fresh=100, seconds=2)
    assert left.seconds() == pytest.approx(2)


def test_a_kind_not_met_yet_costs_what_its_family_costs() -> None:
    left = Forecast({"sampling test": 200, "sampling train": 100, "training": 10}, {"training": ("sampling test", 5)})
    for seconds in (60, 1):
        left.finished("sampling test", 100, fresh=100, seconds=seconds)
    assert left.seconds() == pytest.approx(1 + 0.5)


def test_what_was_stored_takes_no_time_and_is_no_measure() -> None:
    left = Forecast({"sampling test": 300}, {})
    left.finished("sampling test", 100, fresh=0, seconds=0.1)
    assert left.seconds() is None


def recorded(folder: Path, steps: int) -> list[tuple[float, str, float, float]]:
    """The phases of a finished run as (time of its end, kind, units, seconds); training is what lies between others.

    Each training is of so many steps, without checks on validation problems, and is followed by its test samples.
    """
    with sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True) as db:
        events = [
            (time, kind, json.loads(detail))
            for time, kind, detail in db.execute(
                "SELECT time, kind, detail FROM event WHERE kind IN ('sampled', 'verified') ORDER BY id"
            )
        ]
    phases, before = [], events[0][0]
    for time, kind, detail in events:
        seconds, split, of_base = detail["seconds"], detail["split"], detail["checkpoint"] == "base"
        if kind == "sampled" and split == "test" and not of_base:
            phases.append((time - seconds, "training", steps, time - seconds - before))
        name = f"sampling {split}" if kind == "sampled" else f"verifying:{detail['verifier']}"
        phases.append((time, name, detail["samples" if kind == "sampled" else "verdicts"], seconds))
        before = time
    return phases


def test_from_a_quarter_of_a_recorded_run_on_the_time_left_is_about_a_third_off_at_most() -> None:
    """The run was made in two processes, base and training: the start of the second lies in the first training."""
    with Store(EXAMPLE) as store:
        facts = store.run()
    stated = parse_suite(facts["suite"], "run.db")
    suite = stated.replicated([n for n in stated.verifier_names if catalog.takes(n, "seed", stated.verifiers)])
    left = forecast(suite, suite_problems(suite), list(facts["verifiers"]))
    phases = recorded(EXAMPLE, suite.training.steps)
    begin, end = phases[0][0] - phases[0][3], phases[-1][0]
    ratios = []
    for time, kind, units, seconds in phases:
        left.finished(kind, units, fresh=units, seconds=seconds)
        if (time - begin) / (end - begin) > 0.25 and end - time > 10:
            ratios.append((left.seconds() or 0.0) / (end - time))
    assert min(ratios) > 0.6
    assert max(ratios) < 1.4
    assert sum(2 / 3 <= ratio <= 4 / 3 for ratio in ratios) / len(ratios) > 0.9
