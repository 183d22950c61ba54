"""Plans: what is predicted before any training, by hand and by simulation; a plan read back and checked."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from restem.benchmarks.problem import Problem
from restem.harness.errors import ConfigError
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.store import Store
from restem.reports.analysis import plan, plan_check
from restem.reports.analysis.findings import find
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages import plan as plan_pages
from restem.reports.stats import predictor
from restem.reports.tables import plan as plan_tables
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import restem

RATES = {"gold": (1.0, 0.0), "strict": (0.6, 0.05), "loose": (0.95, 0.5), "blind": (0.5, 0.5)}
SAMPLES = 8


def base_run(folder: Path, problems: int, seed: int = 0, rates: dict[str, tuple[float, float]] = RATES) -> Path:
    """A run that stopped before any training."""
    random = np.random.default_rng(seed)
    arms = [{"name": name, "verifier": name, "selection": {"cap": 3, "dedupe": True}} for name in rates]
    with Store(folder, write=True) as store:
        store.put_run({"suite": {"name": "trial", "gold": "gold", "iterations": 1, "arms": arms}, "base_sha256": "ab"})
        store.put_run({"verifiers": {name: f"{name}-0" for name in rates}, "controls": ["blind"]})
        for name in rates:
            store.add_verifier(f"{name}-0", name, {})
        store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base"))
        for split in ("train", "test"):
            store.add_problems(
                [
                    Problem(id=f"{split}{i}", question=f"q{i}", reference="1", split=split, source="s")
                    for i in range(problems)
                ]
            )
            p = random.beta(2, 3, problems)
            right = random.random((problems, SAMPLES)) < p[:, None]
            samples = drawn("base", split, right)
            store.add_samples(samples)
            for name, (t, f) in rates.items():
                accepted = random.random(right.size) < np.where(right.ravel(), t, f)
                store.add_verdicts(f"{name}-0", zip((s.id for s in samples), map(verdict, accepted), strict=True))
    return folder


def drawn(checkpoint: str, split: str, right: np.ndarray) -> list[Sample]:
    """Samples whose text holds their outcome; no two of a problem are the same."""
    return [
        Sample(
            checkpoint=checkpoint,
            problem=f"{split}{i}",
            index=k,
            text=f"{k} {right[i, k]}",
            token_count=3,
            mean_logprob=-1.0,
            finish_reason="stop",
        )
        for i, k in np.ndindex(right.shape)
    ]


def verdict(accepted: bool) -> Verdict:
    return Verdict(outcome=Outcome.CORRECT if accepted else Outcome.WRONG, score=float(accepted))


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return base_run(tmp_path_factory.mktemp("trial"), 200)


@pytest.fixture(scope="module")
def rows(trial: Path) -> Run:
    with Store(trial) as store:
        return read_run(store)


def test_verifiers_stand_in_the_order_of_what_they_keep(rows: Run) -> None:
    ranking = plan.make(rows)
    assert [prospect.name for prospect in ranking.prospects] == ["gold", "strict", "loose", "blind"]
    assert ranking.early
    assert ranking.without == ()


def test_a_predicted_gain_is_what_the_kept_texts_give_by_hand(rows: Run) -> None:
    """Texts differ by index and truth: nothing is a duplicate, and the first three accepted ones are kept."""
    at = rows.rows("base", "train")
    gold = rows.outcome("gold", at).reshape(-1, SAMPLES)
    p = gold.mean()
    for prospect in plan.make(rows).prospects:
        accepted = rows.outcome(prospect.verifier, at).reshape(-1, SAMPLES) == 1
        kept = accepted & (accepted.cumsum(axis=1) <= 3)
        odds = p / (1 - p) * math.exp(predictor.KAPPA * (gold[kept].mean() - p))
        assert prospect.gain.value == pytest.approx(odds / (1 + odds) - p)
        assert prospect.gain.low < prospect.gain.value < prospect.gain.high
        assert prospect.accepted == pytest.approx(accepted.mean())
        assert prospect.kept == pytest.approx(kept.sum(axis=1).mean())
        poisoned = kept.any(axis=1) & ~(kept & (gold == 1)).any(axis=1)
        assert prospect.poisoned == pytest.approx(poisoned.mean())


def test_kept_texts_that_the_gold_did_not_decide_predict_nothing_and_not_a_gain_of_0(rows: Run) -> None:
    gold = rows.outcomes["gold"].value
    undecided = np.where(rows.outcomes["strict"].value == 1, np.nan, gold)
    unknown = dataclasses.replace(
        rows, outcomes={**rows.outcomes, "gold": dataclasses.replace(rows.outcomes["gold"], value=undecided)}
    )
    prospects = {prospect.name: prospect for prospect in plan.make(unknown).prospects}
    assert prospects["strict"].kept > 0
    assert math.isnan(prospects["strict"].gain.value)
    assert not math.isnan(prospects["loose"].gain.value)


def test_the_ceiling_is_the_golds_gain_and_has_no_share(rows: Run) -> None:
    gold, *others = plan.make(rows).prospects
    assert gold.share is None
    for prospect in others:
        assert prospect.share
        assert prospect.share.value == pytest.approx(prospect.gain.value / gold.gain.value)


def test_a_plan_knows_its_problems_whatever_their_order_and_its_sampling(rows: Run) -> None:
    origin = plan.origin(rows)
    problems = rows.problems["train"]
    turned = dataclasses.replace(rows, problems={"train": problems[::-1]})
    assert plan.origin(turned) == origin
    other = (dataclasses.replace(problems[0], reference="2"), *problems[1:])
    assert plan.origin(dataclasses.replace(rows, problems={"train": other})) != origin
    hot = {**rows.facts, "suite": {**rows.suite, "sampling": {"temperature": 9.0}}}
    assert plan.origin(dataclasses.replace(rows, facts=hot))["sampling"] != origin["sampling"]


def test_labels_beyond_the_first_n_problems_are_not_looked_at(rows: Run) -> None:
    few = plan.make(rows, labels=20)
    assert few.labels == 20
    hidden = rows.outcomes["gold"].value.copy()
    beyond = rows.rows("base", "train")[rows.samples.problem[rows.rows("base", "train")] >= 20]
    rows.outcomes["gold"].value[beyond] = math.nan
    try:
        again = plan.make(rows, labels=20)
    finally:
        rows.outcomes["gold"].value[:] = hidden
    gains = [[(prospect.verifier, prospect.gain) for prospect in ranking.prospects] for ranking in (few, again)]
    assert gains[0] == gains[1]
    whole = {prospect.name: prospect.iterations[0].kept_precision for prospect in plan.make(rows).prospects}
    for prospect in few.prospects:
        kept = prospect.iterations[0].kept_precision
        assert prospect.gold or kept.high - kept.low > whole[prospect.name].high - whole[prospect.name].low


def test_every_two_prospects_are_compared_and_the_better_one_is_probably_ahead(rows: Run) -> None:
    ranking = plan.make(rows)
    names = [prospect.name for prospect in ranking.prospects]
    assert [(pair.left, pair.right) for pair in ranking.pairs] == list(itertools.combinations(names, 2))
    for pair in ranking.pairs:
        assert 0.5 < pair.ahead <= 1
        assert pair.settled == (pair.ahead >= plan.SETTLED)
        assert pair.settled == (pair.labels <= ranking.labels)


def test_the_probability_of_being_ahead_holds_the_predictors_own_error(rows: Run) -> None:
    """Second opinion: with all labels the order of two changes only by the predictor's error, twice, of 8 degrees."""
    ranking = plan.make(rows)
    changes = {prospect.name: prospect.iterations[-1].change.value for prospect in ranking.prospects}
    draws = np.random.default_rng(1).standard_t(predictor.FREEDOM, (2, 200_000)) * predictor.ERROR
    for pair in ranking.pairs:
        expected = np.mean(changes[pair.left] + draws[0] > changes[pair.right] + draws[1])
        assert pair.ahead == pytest.approx(expected, abs=0.03)


def test_no_number_of_labels_settles_what_the_predictors_own_error_leaves_open(tmp_path: Path) -> None:
    with Store(base_run(tmp_path, 60, 4, {"gold": (1.0, 0.0), "a": (0.9, 0.2), "b": (0.9, 0.21)})) as store:
        ranking = plan.make(read_run(store))
    pair = next(pair for pair in ranking.pairs if "gold" not in (pair.left, pair.right))
    assert not pair.settled
    assert pair.labels == math.inf
    assert plan_tables.pairs(ranking, [pair]).rows[0]["labels"].text == "no number"
    assert "is not settled against" in plan_pages.sentences(ranking)[0]


def test_a_verifier_that_erred_never_so_far_has_an_interval_all_the_same(tmp_path: Path) -> None:
    with Store(base_run(tmp_path, 12, 3, {"gold": (1.0, 0.0), "lucky": (0.9, 0.0)})) as store:
        lucky = next(prospect for prospect in plan.make(read_run(store)).prospects if prospect.verifier == "lucky")
    assert lucky.quality.fpr.value == 0
    kept = lucky.iterations[0].kept_precision
    assert kept.value == 1
    assert kept.low == pytest.approx(1 - 3 / 12, abs=0.07)  # the rule of three


def test_a_plan_is_the_same_bytes_and_reads_back(trial: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        plan_pages.write_plan(trial, tmp_path / name)
    for file in ("plan.json", "plan.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    data = plan_check.read_plan(tmp_path / "one" / "plan.json")
    assert [entry["name"] for entry in data["prospects"]] == ["gold", "strict", "loose", "blind"]
    assert data["prospects"][0]["likelihood_ratio"][0] is None  # infinite
    assert not (trial / "plan.json").exists()


@pytest.mark.parametrize("content", ["", "[]", '{"version": 99}', "not json"])
def test_what_is_no_plan_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(ConfigError, match="no plan"):
        plan_check.read_plan(tmp_path / "plan.json")


ENTRY = {"name": "a", "verifier": "a", "fingerprint": "a", "gold": False}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"labels": None}, "labels"),
        ({"accuracy": None}, "accuracy"),
        ({"prospects": {}}, "prospects"),
        ({"prospects": [{}]}, "prospects.0"),
        (
            {"prospects": [{**ENTRY, "iterations": [{"gain": [1], "log_odds": None}]}]},
            "prospects.0.iterations.0.gain.1",
        ),
    ],
)
def test_a_plan_with_a_field_that_is_none_is_refused_by_its_place(
    trial: Path, tmp_path: Path, change: dict[str, object], place: str
) -> None:
    plan_pages.write_plan(trial, tmp_path)
    data = json.loads((tmp_path / "plan.json").read_text())
    plan_check.read_plan(tmp_path / "plan.json")
    (tmp_path / "plan.json").write_text(json.dumps(data | change))
    result = restem("report", trial, "--output", tmp_path, "--against", tmp_path / "plan.json")
    assert result.exit_code == 2
    assert "no plan: " in result.output
    assert place in result.output


def trained(folder: Path, gains: dict[str, float]) -> None:
    """Adds a first iteration to the trial, with the given gold gains on the test split."""
    random = np.random.default_rng(9)
    with Store(folder, write=True) as store:
        base = store.query(
            "SELECT avg(outcome = 'correct') FROM verdict v JOIN sample s ON s.id = v.sample JOIN problem p"
            " ON p.id = s.problem WHERE split = 'test' AND verifier = 'gold-0'"
        )[0][0]
        for name, gain in gains.items():
            store.add_checkpoint(
                Checkpoint(
                    id=f"{name}/1", arm=name, iteration=1, kind="trained", started_from="base", sampled_from="base"
                )
            )
            right = random.random((200, SAMPLES)) < base + gain
            samples = drawn(f"{name}/1", "test", right)
            store.add_samples(samples)
            for verifier in dict.fromkeys(("gold", name)):
                verdicts = map(verdict, right.ravel())
                store.add_verdicts(f"{verifier}-0", zip((s.id for s in samples), verdicts, strict=True))


SIDES = ("carried", "observed", "residual")


def test_a_run_is_checked_against_its_plan(tmp_path: Path) -> None:
    folder = base_run(tmp_path / "run", 200)
    plan_pages.write_plan(folder)
    planned = plan_check.read_plan(folder / "plan.json")
    trained(folder, {"gold": 0.3, "strict": 0.1, "loose": 0.2, "blind": 0.0})
    with Store(folder) as store:
        run = read_run(store)
    table = plan_tables.checked(plan_check.check_plan(find(run), planned))
    assert [row["arm"].text for row in table.rows] == ["gold", "strict", "loose", "blind"]
    assert "5 of 6 pairs" in table.note
    assert "before any policy was trained" in table.note
    changes = {entry["name"]: entry["iterations"][0]["log_odds"][0] for entry in planned["prospects"]}
    gold, test_gold = (run.outcome("gold", run.rows("base", split)) for split in ("train", "test"))
    p = test_gold.mean()
    assert abs(p - gold.mean()) > 0.01  # else it would not matter which accuracy the change starts from
    for row in table.rows:
        odds = p / (1 - p) * math.exp(changes[row["arm"].text])
        forecast, seen, missed = (float(row[key].text.replace("−", "-")) for key in SIDES)
        assert forecast == pytest.approx(100 * (odds / (1 + odds) - p), abs=0.051)
        assert missed == pytest.approx(seen - forecast, abs=0.11)


def test_what_came_less_what_was_planned_has_the_width_of_both(tmp_path: Path) -> None:
    folder = base_run(tmp_path / "run", 200)
    plan_pages.write_plan(folder)
    trained(folder, {"gold": 0.3, "strict": 0.1})
    with Store(folder) as store:
        table = plan_tables.checked(
            plan_check.check_plan(find(read_run(store)), plan_check.read_plan(folder / "plan.json"))
        )
    for row in table.rows:
        widths = [high - low for low, high in (bounds(row[key].detail) for key in SIDES)]
        assert widths[2] == pytest.approx(math.hypot(*widths[:2]), abs=0.5)
        assert widths[2] >= max(widths[:2])


def bounds(detail: str) -> tuple[float, float]:
    low, high = detail.strip("[]").replace("−", "-").split(", ")
    return float(low), float(high)


def test_a_plan_of_another_base_or_verifier_is_not_compared(tmp_path: Path) -> None:
    folder = base_run(tmp_path / "run", 200)
    plan_pages.write_plan(folder)
    planned = plan_check.read_plan(folder / "plan.json")
    trained(folder, {"gold": 0.3, "strict": 0.1})
    with Store(folder) as store:
        findings = find(read_run(store))
    for key, other, message in (
        ("base_sha256", "other", "another base"),
        ("problems_sha256", "other", "other training problems"),
        ("sampling", {"temperature": 2.0}, "other sampling"),
    ):
        table = plan_tables.checked(plan_check.check_plan(findings, {**planned, key: other}))
        assert [row["arm"].text for row in table.rows] == ["nothing to compare"]
        assert table.note == f"Not compared: the plan is of {message}."
    changed = json.loads(json.dumps(planned))
    changed["prospects"][1]["fingerprint"] = "strict-1"
    table = plan_tables.checked(plan_check.check_plan(findings, changed))
    assert [row["arm"].text for row in table.rows] == ["gold"]
    assert "another verifier of that name: strict." in table.note
    with Store(folder) as store:
        assert not plan.make(read_run(store)).early


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base_sha256": "other"}, "another base"),
        ({"problems_sha256": "other", "sampling": {"top_p": 0.5}}, "other training problems and of other sampling"),
    ],
)
def test_a_run_is_not_checked_against_a_plan_that_says_nothing_of_it(
    trial: Path, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    plan_pages.write_plan(trial, tmp_path)
    path, output = tmp_path / "plan.json", tmp_path / "out"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    result = restem("report", trial, "--output", output, "--against", path)
    assert result.exit_code == 2
    assert f"plan.json: the plan is of {message}" in result.output
    assert not output.exists()


def test_a_plan_without_base_samples_says_how_to_draw_them(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put_run({"suite": {"name": "empty"}})
    result = restem("report", tmp_path, "--plan")
    assert result.exit_code == 2
    assert "--until base" in result.output


@pytest.mark.parametrize(("change", "message"), [({"arms": []}, "no arms"), ({"gold": "a person"}, "restem label")])
def test_a_plan_without_arms_or_gold_labels_says_what_is_missing(
    rows: Run, change: dict[str, object], message: str
) -> None:
    run = dataclasses.replace(rows, facts={**rows.facts, "suite": {**rows.suite, **change}})
    with pytest.raises(ConfigError, match=message):
        plan.make(run)


def test_a_verifier_that_accepts_nothing_is_not_said_to_gain(tmp_path: Path) -> None:
    with Store(base_run(tmp_path, 20, rates={"gold": (1.0, 0.0), "silent": (0.0, 0.0)})) as store:
        planned = plan.make(read_run(store))
    assert planned.prospects[1].gain.value == 0
    assert "none is predicted to gain" in plan_pages.sentences(planned)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "5"), "go with --plan"),
        (("--plan", "--against", "PLAN"), "--against goes with a report"),
        (("--against", "PLAN"), "no plan"),
    ],
)
def test_options_of_plan_and_report_do_not_mix(
    trial: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "PLAN").write_text("{}")
    given = [str(tmp_path / "PLAN") if option == "PLAN" else option for option in options]
    result = restem("report", trial, "--output", tmp_path, *given)
    assert result.exit_code == 2
    assert message in result.output


def test_the_command_prints_the_plan_and_its_json(trial: Path, tmp_path: Path) -> None:
    result = restem("report", "--plan", trial, "--output", tmp_path, "--labels", 50)
    assert result.exit_code == 0
    assert "strict is predicted to gain most" in result.output
    assert "50 of 200" in result.output
    printed = restem("report", "--plan", trial, "--output", tmp_path, "--labels", 50, "--json").output.splitlines()[0]
    assert json.loads(printed) == json.loads((tmp_path / "plan.json").read_text())


@pytest.mark.parametrize(("others", "judged"), [((), False), (("blind",), True)])
def test_a_plan_without_a_verifier_to_train_on_has_no_pairs_and_names_who_judged(
    tmp_path: Path, others: tuple[str, ...], judged: bool
) -> None:
    with Store(base_run(tmp_path, 20, rates={name: RATES[name] for name in ("gold", *others)})) as store:
        planned = plan.make(read_run(store))
    assert ("No verifier but the gold has judged" in plan_pages.text(planned)) != judged
    assert "Which of two gains more" not in plan_pages.text(planned)
    assert ("Which of two gains more" in plan_pages.page(planned)) == judged
