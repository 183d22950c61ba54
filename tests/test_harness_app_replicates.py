"""Replicates: every arm under several seeds, the first of which changes nothing; a run that stops before training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.app.run import run_suite, suite_problems
from restem.harness.config import Suite, load_suite, parse_suite
from restem.harness.errors import ConfigError
from restem.harness.loop.planned_work import planned_samples
from restem.harness.names import MARK, first_sampled, replicate, unmarked, verifiers_that_judge
from restem.harness.store.store import Store
from restem.reports.analysis.findings import find
from restem.reports.analysis.unfinished import missing
from restem.reports.data.read import read_run
from restem.verifiers import catalog
from tests.conftest import restem
from tests.edited import edited
from tests.rows import lasting_rows

SUITE = """
name = "seeds"
seed = 5
replicates = 2
iterations = 1
scoring = ["exact"]

[benchmark]
regime = [3.0, 4.5]
train = 8
validation = 1
test = 6

[sampling]
train_samples = 4
test_samples = 4
max_new_tokens = 48
rows = 32

[training]
steps = 2
checks = 0
rows = 4

[[arms]]
name = "sympy"
verifier = "sympy"

[[arms]]
name = "rough"
verifier = "rough"

[verifiers.rough]
type = "noisy"
tpr = 0.9
fpr = 0.3
"""
names = st.text("abc.-_", min_size=1, max_size=6)


def run(suite_file: Path, folder: Path, *overrides: str) -> Path:
    """The folder, with a run of the suite brought to its end; no report."""
    run_suite(load_suite(str(suite_file), overrides), folder, quiet=True)
    return folder


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("suite") / "seeds.toml"
    path.write_text(SUITE)
    return path


@pytest.fixture(scope="module")
def replicated(suite_file: Path) -> Path:
    return run(suite_file, suite_file.parent / "two")


@pytest.fixture(scope="module")
def planned(suite_file: Path) -> Path:
    folder = suite_file.parent / "planned"
    result = restem("run", suite_file, "--out", folder, "--quiet", "--until", "base")
    assert result.exit_code == 0, result.output
    return folder


@given(names, st.integers(0, 9))
def test_a_name_is_found_again_in_that_of_its_replicate(name: str, number: int) -> None:
    assert unmarked(replicate(name, number)) == name
    assert first_sampled(replicate(name, number)) == replicate("base", number)


@given(st.lists(names, unique=True))
def test_without_seeds_every_verifier_measures_every_arm(verifiers: list[str]) -> None:
    assert all(verifiers_that_judge(verifiers, verifier) == tuple(verifiers) for verifier in verifiers)


def test_of_verifiers_with_seeds_only_an_arms_own_measures_it() -> None:
    verifiers = ["sympy", "rough", "exact", "rough~1", "rough~2"]
    assert verifiers_that_judge(verifiers, "rough") == ("sympy", "rough", "exact")
    assert verifiers_that_judge(verifiers, "rough~2") == ("sympy", "exact", "rough~2")
    assert verifiers_that_judge(verifiers, "sympy") == ("sympy", "exact")


@given(st.integers(1, 5), st.integers(0, 9))
def test_a_replicate_adds_to_the_seeds_of_training_verifiers_and_of_no_other(count: int, seed: int) -> None:
    data = {
        "name": "x",
        "replicates": count,
        "gold": "truth",
        "arms": [{"name": name, "verifier": name} for name in ("truth", "rough", "exact")],
        "verifiers": {"rough": {"type": "noisy", "seed": seed}, "truth": {"type": "noisy"}},
    }
    suite = Suite.model_validate(data)
    whole = suite.replicated(["truth", "rough"])
    assert whole.arms[:3] == suite.arms
    assert len({arm.name for arm in whole.arms}) == len(whole.arms) == 3 * count
    for number in range(count):
        assert [arm.verifier for arm in whole.arms[3 * number : 3 * number + 3]] == [
            "truth",
            replicate("rough", number),
            "exact",
        ]
        assert whole.verifiers[replicate("rough", number)] == {"type": "noisy", "seed": seed + number}


def test_a_suite_without_replicates_stays_as_it_stands() -> None:
    suite = load_suite("linear_1d", ["replicates=1"])
    assert suite.replicated(["random"]) == suite


@pytest.mark.parametrize("place", ["arms", "verifiers", "gold"])
def test_no_name_may_look_like_a_replicates(place: str) -> None:
    data = {"name": "x", "arms": [{"name": "a", "verifier": "exact"}]}
    marked = {
        "arms": {"arms": [{"name": f"a{MARK}1", "verifier": "exact"}]},
        "verifiers": {"verifiers": {f"exact{MARK}1": {}}},
        "gold": {"gold": f"sympy{MARK}1"},
    }
    with pytest.raises(ConfigError, match=r"stands for replicates|expected 1 to 64 letters"):
        parse_suite(data | marked[place], "x.toml")


@pytest.mark.parametrize(("name", "seeded"), [("noisy", True), ("random", True), ("sympy", False), ("judge", False)])
def test_the_catalog_knows_who_takes_a_seed(name: str, seeded: bool) -> None:
    assert catalog.takes(name, "seed") == seeded
    assert catalog.takes("mine", "seed", {"mine": {"type": name}}) == seeded


@pytest.mark.parametrize(
    ("table", "control"),
    [
        ({"type": "accept_all"}, True),
        ({"type": "random", "rate": 0.3}, True),
        ({"type": "noisy", "tpr": 0.4, "fpr": 0.4}, True),
        ({"type": "noisy", "tpr": 0.5, "fpr": 0.4}, False),
        ({"type": "noisy"}, False),
        ({"type": "inverted"}, False),
    ],
)
def test_what_accepts_right_and_wrong_alike_is_a_control(table: dict[str, object], control: bool) -> None:
    assert catalog.uninformative("mine", {"mine": table}) == control


def test_replicate_0_has_the_rows_of_a_run_without_replicates(replicated: Path, suite_file: Path) -> None:
    alone = run(suite_file, suite_file.parent / "one", "replicates=1")
    expected, rows = lasting_rows(alone), lasting_rows(replicated)
    drawn = {sample[0] for sample in expected["sample"]}
    assert {row for row in rows["checkpoint"] if MARK not in row[0]} == set(expected["checkpoint"])
    assert {row for row in rows["sample"] if MARK not in row[1]} == set(expected["sample"])
    assert {row for row in rows["selection"] if MARK not in row[0]} == set(expected["selection"])
    assert rows["problem"] == expected["problem"]
    with Store(replicated) as store:
        other, first = (store.run()["verifiers"][name] for name in ("rough~1", "rough"))
        theirs = {sample.id for sample in store.samples("sympy/1", "test")}
    # A verifier with a seed in each replicate measures its own arm's samples, and no other's.
    lost = set(expected["verdict"]) - {row for row in rows["verdict"] if row[0] in drawn and row[1] != other}
    assert {(row[0], row[1]) for row in lost} == {(sample, first) for sample in theirs}


def test_replicates_start_from_one_base_and_draw_their_own(replicated: Path) -> None:
    with Store(replicated) as store:
        trained = {c.id: c for c in store.checkpoints() if c.kind == "trained"}
        texts = [[s.text for s in store.samples(id, "train")] for id in ("base", "base~1")]
        assert store.samples("base~1", "test") == []
        hashes = {c.params_sha256 for c in store.checkpoints() if c.kind == "base"}
    assert {id: (c.started_from, c.sampled_from) for id, c in trained.items()} == {
        "sympy/1": ("base", "base"),
        "rough/1": ("base", "base"),
        "sympy~1/1": ("base", "base~1"),
        "rough~1/1": ("base", "base~1"),
    }
    assert len(hashes) == 1
    assert len({c.params_sha256 for c in trained.values()}) == 4
    assert texts[0] != texts[1]


def test_a_replicates_verifier_errs_elsewhere(replicated: Path) -> None:
    with Store(replicated) as store:
        prints = [store.run()["verifiers"][name] for name in ("rough", "rough~1")]
        decisions = [
            [v.outcome for v in store.verdicts("base", "test", fingerprint).values()] for fingerprint in prints
        ]
        settings = dict(store.query("SELECT name, settings FROM verifier"))
    assert prints[0] != prints[1]
    assert decisions[0] != decisions[1]
    assert json.loads(settings["rough~1"])["seed"] == 1


def test_progress_counts_the_samples_of_all_replicates(replicated: Path, suite_file: Path) -> None:
    suite = load_suite(str(suite_file))
    with Store(replicated) as store:
        ((drawn,),) = store.query("SELECT count(*) FROM sample")
    shared = 2 * 8 * 4  # each base's training samples, which its second arm finds in run.db
    assert planned_samples(suite.replicated(["rough"]), suite_problems(suite)) == drawn + shared


def test_a_finished_run_of_replicates_lacks_nothing(replicated: Path) -> None:
    with Store(replicated) as store:
        assert missing(read_run(store, brief=True)) == []


@pytest.mark.parametrize("stage", ["selection", "sample"])
def test_replicates_cut_back_to_an_earlier_moment_end_with_the_same_rows(
    replicated: Path, suite_file: Path, tmp_path: Path, stage: str
) -> None:
    folder = Path(shutil.copytree(replicated, tmp_path / "cut"))
    with edited(folder) as db:
        later = "SELECT id FROM sample WHERE checkpoint = 'rough~1/1'"
        if stage == "sample":  # a problem has all its samples or none
            later += " AND problem IN (SELECT id FROM problem WHERE position > 2)"
        db.execute("DELETE FROM run WHERE key = 'finished'")
        db.execute(f"DELETE FROM verdict WHERE sample IN ({later})")
        db.execute(f"DELETE FROM sample WHERE id IN ({later})")
        if stage == "selection":
            db.execute("DELETE FROM checkpoint WHERE id = 'rough~1/1'")
            db.execute("DELETE FROM selection WHERE checkpoint = 'rough~1/1'")
    assert lasting_rows(run(suite_file, folder)) == lasting_rows(replicated)


def test_a_run_until_the_base_trains_nothing_and_is_not_finished(planned: Path) -> None:
    with Store(planned) as store:
        assert [c.id for c in store.checkpoints()] == ["base"]
        assert "finished" not in store.run()
        for name, fingerprint in store.run()["verifiers"].items():
            # A further replicate of a verifier will judge the training samples that its own arm draws.
            for split, count in (("train", 0 if MARK in name else 32), ("test", 24)):
                assert len(store.verdicts("base", split, fingerprint)) == count, (name, split)


def test_a_run_until_the_base_goes_on_to_the_rows_of_one_that_did_not_stop(
    planned: Path, replicated: Path, suite_file: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(planned, tmp_path / "on"))
    assert restem("run", suite_file, "--out", folder, "--quiet").exit_code == 0
    rows, expected = lasting_rows(folder), lasting_rows(replicated)
    with Store(folder) as store:
        at_base = {sample.id for sample in store.samples("base", "train")}
    assert {**rows, "verdict": []} == {**expected, "verdict": []}
    more = set(rows["verdict"]) - set(expected["verdict"])
    assert set(expected["verdict"]) <= set(rows["verdict"])
    assert {row[0] for row in more} <= at_base
    assert "The plan, checked" in (folder / "report.md").read_text()


def test_a_run_of_an_earlier_version_resumes(replicated: Path, suite_file: Path, tmp_path: Path) -> None:
    """Its stored suite lacks settings that have come since: they count as their defaults."""
    folder = Path(shutil.copytree(replicated, tmp_path / "old"))
    with Store(folder) as store:
        suite = store.run()["suite"]
    with edited(folder) as db:
        db.execute("UPDATE run SET value = ? WHERE key = 'suite'", (json.dumps({**suite, "extra": 1}),))
    with pytest.raises(ConfigError, match="extra: unknown key"):
        run(suite_file, folder)
    older = {key: value for key, value in suite.items() if key != "policy"}
    with edited(folder) as db:
        db.execute("UPDATE run SET value = ? WHERE key = 'suite'", (json.dumps(older),))
    assert lasting_rows(run(suite_file, folder)) == lasting_rows(replicated)


def test_the_reports_standing_is_the_mean_of_the_replicates(replicated: Path) -> None:
    with Store(replicated) as store:
        findings = find(read_run(store))
    standing = findings.standings["rough", 1]
    assert [replicate_standing.arm.name for replicate_standing in standing.replicates if replicate_standing.arm] == [
        "rough",
        "rough~1",
    ]
    values = [replicate_standing.accuracy.value for replicate_standing in standing.replicates]
    assert standing.accuracy.value == pytest.approx(sum(values) / 2)
    assert standing.counts.decided.sum() == sum(
        replicate_standing.counts.decided.sum() for replicate_standing in standing.replicates
    )
    for replica in findings.run.replicates(findings.run.arms[1]):
        assert findings.alone(replica, 1) in standing.replicates
    data = next(item for item in findings.data if item.arm.name == "rough")
    assert data.sampled == data.kept + sum(data.dropped.values()) == 2 * 8 * 4
