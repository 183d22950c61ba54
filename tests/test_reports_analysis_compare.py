"""Two real runs compared: the figures are those of reports/metrics, and what cannot be compared is refused."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from restem.harness.store.store import Store
from restem.reports.analysis.comparability import MismatchCode, NotComparable
from restem.reports.analysis.compare import NoteCode, Rerun, compare
from restem.reports.data.read import read_run
from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts
from restem.reports.stats.paired_tests import equivalence, problem_flips
from restem.reports.tables.provenance import provenance
from tests.conftest import restem
from tests.edited import edited


@pytest.fixture(scope="module")
def other_run(finished_run: Path) -> Path:
    """The small suite, trained faster and for one iteration, with fewer samples and one more verifier."""
    folder = finished_run.parent / "other"
    changes = ("iterations=1", "training.learning_rate=0.003", "sampling.test_samples=2", "arms.1.verifier=format_only")
    result = restem(
        *("run", finished_run.parent / "small.toml", "--out", folder, "--quiet"),
        *(word for change in changes for word in ("--set", change)),
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def changed(finished_run: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of the finished run after some SQL."""

    def change(sql: str) -> Path:
        folder = tmp_path / "changed"
        folder.mkdir()
        with sqlite3.connect(finished_run / "run.db") as source, sqlite3.connect(folder / "run.db") as copy:
            source.backup(copy)
        source.close()
        copy.close()
        with edited(folder) as database:
            database.executescript(sql)
        return folder

    return change


def suite(path: str, value: str) -> str:
    """SQL that changes one setting of the recorded suite."""
    return f"UPDATE run SET value = json_set(value, '$.{path}', {value}) WHERE key = 'suite';"


def counts(folder: Path, checkpoint: str) -> Counts:
    """Correct and decided samples by the gold, test problem by test problem, in the order of ids."""
    with Store(folder) as store:
        rows = store.query(
            "SELECT sum(v.outcome = 'correct'), sum(v.outcome <> 'undecided') FROM problem p"
            " JOIN sample s ON s.problem = p.id JOIN verdict v ON v.sample = s.id"
            " WHERE p.split = 'test' AND s.checkpoint = ? AND v.verifier = ? GROUP BY p.id ORDER BY p.id",
            (checkpoint, store.run()["verifiers"]["sympy"]),
        )
    return Counts(*np.array(rows, np.int64).T)


def refused(left: Path, right: Path) -> Result:
    result = restem("compare", left, right, "--output", "/nowhere")
    assert result.exit_code == 2
    assert result.stdout == ""
    return result


@pytest.mark.parametrize("checkpoint", ["base", "sympy/1"])
def test_figures_are_those_of_metrics_on_the_same_counts(finished_run: Path, other_run: Path, checkpoint: str) -> None:
    pair = next(p for p in compare(finished_run, other_run).pairs if p.names == (checkpoint, checkpoint))
    left, right = counts(finished_run, checkpoint), counts(other_run, checkpoint)
    alone = estimates.paired(left, right)
    assert alone
    difference = pair.contest.difference
    expected = seeds.with_seeds(alone, [] if checkpoint == "base" else [None, None])
    assert difference.value == pytest.approx(expected.value)
    assert (difference.low, difference.high) == pytest.approx((alone.low, alone.high))
    assert (pair.contest.claim.low, pair.contest.claim.high) == pytest.approx((expected.low, expected.high))
    assert pair.contest.p_value == pytest.approx(expected.p_value)
    assert pair.contest.flips.gained == problem_flips(left, right).gained
    assert pair.contest.equivalence.p_value == pytest.approx(equivalence(expected, 0.05).p_value)
    assert pair.left.accuracy.value == pytest.approx(left.correct.sum() / left.decided.sum())


def test_all_checkpoints_that_both_have_are_one_family(finished_run: Path, other_run: Path) -> None:
    pairs = compare(finished_run, other_run).pairs
    assert [pair.names for pair in pairs] == [("base", "base"), ("sympy/1", "sympy/1")]
    adjusted = estimates.holm([pair.contest.p_value for pair in pairs])
    assert [pair.contest.adjusted_p for pair in pairs] == pytest.approx(adjusted)


def test_a_run_does_not_differ_from_itself(finished_run: Path) -> None:
    comparison = compare(finished_run, finished_run)
    assert {pair.contest.difference.value for pair in comparison.pairs} == {0.0}
    assert not any(pair.contest.decided for pair in comparison.pairs)
    assert comparison.settings == ()


@pytest.mark.parametrize("calls", [0, 2])
def test_requests_without_a_reply_are_no_setting_and_are_reported_where_there_are_any(
    finished_run: Path, changed: Callable[[str], Path], calls: int
) -> None:
    other = changed(f"INSERT INTO run VALUES ('judge_unanswered:judge-1', '{{\"calls\": {calls}}}')")
    assert compare(finished_run, other).settings == ()
    with Store(other) as store:
        reported = str(provenance(read_run(store)).rows)
    assert ("judge_unanswered:judge-1" in reported) == bool(calls)


ALL_WRONG = (
    "UPDATE verdict SET outcome = 'wrong' WHERE verifier LIKE 'sympy-%'"
    " AND sample IN (SELECT id FROM sample WHERE checkpoint = 'accept_all/1');"
    "UPDATE verdict SET outcome = 'correct' WHERE verifier LIKE 'sympy-%'"
    " AND sample IN (SELECT id FROM sample WHERE checkpoint = 'sympy/1');"
)


# Runs of earlier versions recorded the hash of the base's parameters.
BASE_OF_BEFORE = (
    "UPDATE run SET value = (SELECT json_quote(params_sha256) FROM checkpoint WHERE id = 'base')"
    " WHERE key = 'base_sha256';"
)


@pytest.mark.parametrize(
    ("sql", "rerun"),
    [
        ("", Rerun.SAME_SEED),
        (suite("sampling.rows", "3") + suite("mesh.data", "2"), Rerun.SAME_SEED),
        (suite("seed", "7"), Rerun.OTHER_SEED),
        (suite("training.learning_rate", "0.5"), None),
        (suite("sampling.train_samples", "3"), None),
        ("UPDATE run SET value = '\"other\"' WHERE key = 'base_sha256';", None),
        (BASE_OF_BEFORE, Rerun.SAME_SEED),
    ],
)
def test_a_run_and_its_rerun_are_known_by_their_resolved_suite(
    finished_run: Path, changed: Callable[[str], Path], sql: str, rerun: Rerun | None
) -> None:
    assert compare(finished_run, changed(sql)).rerun is rerun


def test_two_checkpoints_of_one_run_are_no_rerun(finished_run: Path) -> None:
    assert compare(finished_run, finished_run, chosen=("sympy/1", "accept_all/1")).rerun is None


@pytest.mark.parametrize(
    ("sql", "verdict"),
    [("", "differs"), (suite("seed", "7"), "differs"), (suite("training.learning_rate", "0.5"), "right_better")],
)
def test_no_side_of_one_seed_or_of_a_rerun_is_called_better(
    finished_run: Path, changed: Callable[[str], Path], tmp_path: Path, sql: str, verdict: str
) -> None:
    other = changed(ALL_WRONG + sql)
    data = json.loads(restem("compare", finished_run, other, "--json", "--output", tmp_path).stdout)
    results = {pair["left"]: pair["verdict"] for pair in data["comparisons"]}
    assert results["sympy/1"] == verdict
    shown = restem("compare", finished_run, other, "--output", tmp_path).stdout
    assert not re.search("[AB] is better", shown)
    assert ("is ahead" in shown) == (verdict == "right_better")


def test_sides_changed_over_change_signs(finished_run: Path, other_run: Path) -> None:
    there, back = compare(finished_run, other_run).pairs, compare(other_run, finished_run).pairs
    for a, b in zip(there, back, strict=True):
        assert a.contest.difference.value == pytest.approx(-b.contest.difference.value)
        assert a.contest.flips.gained == b.contest.flips.lost
        assert a.contest.equivalence.not_worse == pytest.approx(b.contest.equivalence.not_better)


def test_problems_in_another_order_are_paired_by_their_ids(finished_run: Path, changed: Callable[[str], Path]) -> None:
    turned = changed(
        "UPDATE problem SET position = -1 - position WHERE split = 'test';"
        "UPDATE problem SET position = 16 + position WHERE split = 'test';"
    )
    assert {pair.contest.difference.value for pair in compare(finished_run, turned).pairs} == {0.0}
    assert {pair.contest.flips.problems for pair in compare(finished_run, turned).pairs} == {0}


def test_chosen_checkpoints_are_compared_and_named(finished_run: Path, tmp_path: Path) -> None:
    sides = ("--left", "sympy/2", "--right", "base")
    result = restem("compare", finished_run, finished_run, *sides, "--json", "--output", tmp_path)
    (comparison,) = json.loads(result.stdout)["comparisons"]
    assert (comparison["left"], comparison["right"]) == ("sympy/2", "base")
    alone = estimates.paired(counts(finished_run, "sympy/2"), counts(finished_run, "base"))
    assert alone
    expected = seeds.with_seeds(alone, [None])
    assert comparison["difference"] == [round(x, 6) for x in (expected.value, expected.low, expected.high)]


def test_one_name_stands_for_both_sides(finished_run: Path, tmp_path: Path) -> None:
    side = ("--right", "sympy/1")
    result = restem("compare", finished_run, finished_run, *side, "--json", "--output", tmp_path)
    assert [(c["left"], c["right"]) for c in json.loads(result.stdout)["comparisons"]] == [("sympy/1", "sympy/1")]


@pytest.mark.parametrize("name", ["sympy/3", "sympy", "sympy/x", "nobody/1", "/1", "-1"])
def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(finished_run: Path, name: str) -> None:
    result = restem("compare", finished_run, finished_run, f"--left={name}")
    assert result.exit_code == 2
    assert "there are: base, sympy/1, sympy/2, accept_all/1, accept_all/2" in result.stderr


@pytest.mark.parametrize(
    ("sql", "code", "values"),
    [
        (suite("sampling.temperature", "1.5"), MismatchCode.SAMPLING, (0.7, 1.5)),
        (suite("sampling.top_k", "7"), MismatchCode.SAMPLING, (40, 7)),
        (suite("sampling.top_p", "0.5"), MismatchCode.SAMPLING, (1.0, 0.5)),
        (suite("sampling.max_new_tokens", "9"), MismatchCode.SAMPLING, (48, 9)),
        (
            "UPDATE problem SET reference = '77' WHERE split = 'test' AND position < 2;",
            MismatchCode.REFERENCE,
            None,
        ),
        (
            "UPDATE problem SET question = 'Solve b = 1 for b.' WHERE split = 'test' AND position = 3;",
            MismatchCode.QUESTION,
            None,
        ),
        ("UPDATE problem SET split = 'other' WHERE split = 'test' AND position = 3;", MismatchCode.ONLY_LEFT, None),
        (
            "UPDATE run SET value = json_set(value, '$.sympy', 'sympy-other') WHERE key = 'verifiers';",
            MismatchCode.GOLD,
            None,
        ),
    ],
)
def test_what_does_not_measure_the_same_is_refused_with_what_differs(
    finished_run: Path, changed: Callable[[str], Path], sql: str, code: MismatchCode, values: tuple[float, float] | None
) -> None:
    with pytest.raises(NotComparable) as refusal:
        compare(finished_run, changed(sql))
    (mismatch,) = refusal.value.mismatches
    assert mismatch.code is code
    if values:
        assert (mismatch.left, mismatch.right) == values


def test_every_mismatch_is_a_line_of_the_error(finished_run: Path, changed: Callable[[str], Path]) -> None:
    other = changed(suite("sampling.temperature", "1.5") + suite("sampling.top_k", "7"))
    lines = refused(other, finished_run).stderr.splitlines()
    assert len(lines) == 3
    assert "sampling.temperature is 1.5 in A, 0.7 in B" in lines[1]


def test_a_run_that_did_not_record_top_p_was_sampled_without_it(
    finished_run: Path, changed: Callable[[str], Path]
) -> None:
    older = changed("UPDATE run SET value = json_remove(value, '$.sampling.top_p') WHERE key = 'suite';")
    assert compare(finished_run, older).pairs


def test_a_folder_without_a_run_is_refused(finished_run: Path, tmp_path: Path) -> None:
    assert "no run here" in refused(tmp_path, finished_run).stderr


def test_samples_a_problem_may_differ_and_it_is_said(finished_run: Path, other_run: Path) -> None:
    notes = {note.code: note for note in compare(finished_run, other_run).notes}
    assert (notes[NoteCode.SAMPLE_COUNTS].left, notes[NoteCode.SAMPLE_COUNTS].right) == (4, 2)
    assert notes[NoteCode.ONLY_LEFT].names == ("sympy/2", "accept_all/2")
    trained = notes[NoteCode.ARM_VERIFIER]
    assert trained.names == ("accept_all",)
    assert str(trained.left).startswith("accept_all-")
    assert str(trained.right).startswith("format_only-")


def test_an_arm_trained_on_another_verifier_is_left_out_unless_it_is_chosen(
    finished_run: Path, other_run: Path
) -> None:
    comparison = compare(finished_run, other_run)
    assert [pair.names for pair in comparison.pairs] == [("base", "base"), ("sympy/1", "sympy/1")]
    assert NoteCode.ARM_VERIFIER in {note.code for note in comparison.notes}
    place = "accept_all/1"
    chosen = compare(finished_run, other_run, chosen=(place, place))
    assert [pair.names for pair in chosen.pairs] == [(place, place)]
    codes = {note.code for note in chosen.notes}
    assert NoteCode.CHOSEN_ARM_VERIFIER in codes
    assert not codes & {NoteCode.ARM_VERIFIER, NoteCode.ONLY_LEFT, NoteCode.ONLY_RIGHT}


def test_a_verifier_with_another_fingerprint_is_left_out_of_reward_quality(
    finished_run: Path, changed: Callable[[str], Path]
) -> None:
    other = changed(
        "PRAGMA foreign_keys = OFF;"
        "UPDATE verifier SET fingerprint = 'exact-other' WHERE name = 'exact';"
        "UPDATE verdict SET verifier = 'exact-other' WHERE verifier LIKE 'exact-%';"
        "UPDATE run SET value = json_set(value, '$.exact', 'exact-other') WHERE key = 'verifiers';"
    )
    assert {item.verifier for item in compare(finished_run, finished_run).quality} == {"exact", "accept_all"}
    comparison = compare(finished_run, other)
    assert {item.verifier for item in comparison.quality} == {"accept_all"}
    (note,) = (note for note in comparison.notes if note.code is NoteCode.VERIFIER)
    assert (note.names, note.right) == (("exact",), "exact-other")


def test_settings_that_differ_are_listed_with_both_values(finished_run: Path, other_run: Path) -> None:
    settings = {key: (ours, theirs) for key, ours, theirs in compare(finished_run, other_run).settings}
    assert settings["suite.training.learning_rate"] == (0.001, 0.003)
    assert settings["arm.accept_all.verifier"] == ("accept_all", "format_only")
    assert "suite.seed" not in settings


def test_the_same_runs_give_the_same_bytes(finished_run: Path, other_run: Path, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        result = restem("compare", finished_run, other_run, "--output", tmp_path / folder)
        assert result.exit_code == 0, result.output
    for name in ("compare.md", "compare.html"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_page_loads_nothing_and_shows_hostile_settings_as_text(
    finished_run: Path, changed: Callable[[str], Path], tmp_path: Path
) -> None:
    hostile = "'<script>alert(1)</script> | ![x](http://x.invalid/) ' || char(27, 8238)"
    other = changed(suite("policy", hostile))
    result = restem("compare", finished_run, other, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "compare.html").read_text("utf-8")
    assert "default-src 'none'" in page
    assert "&lt;script&gt;alert(1)" in page
    for text in (page, (tmp_path / "compare.md").read_text("utf-8"), result.stdout):
        assert "<script>alert" not in text
        assert not {"\x1b", "\u202e"} & set(text)


def test_pages_lie_beside_the_first_run_and_the_screen_has_every_checkpoint(
    finished_run: Path, other_run: Path, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    shutil.copy(finished_run / "run.db", left)
    result = restem("compare", left, other_run)
    assert result.exit_code == 0, result.output
    assert (left / "compare.html").is_file()
    for title in ("base", "sympy/1"):
        assert re.search(rf"^{title} ", result.stdout, re.MULTILINE)
