"""`restem gate` and the pytest plug-in: baselines and golden rows as files, exit codes, updates, rows of a run."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.json_lines import parse_json_line
from restem.harness.errors import ConfigError
from restem.harness.gate.baseline import Expected, read_baseline, with_expected
from restem.harness.gate.golden import golden_row, read_rows, row_id, with_outcomes
from restem.harness.store.store import Store
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import restem
from tests.judge_server import JudgeServer

ROOT = Path(__file__).parents[1]
# A verifier that reads its errors from a file: what a change to its code would do.
PLUG_IN = '''
import pathlib
from restem.verifiers.verdict import Outcome, Verdict

class Faulty:
    """Right, but for the responses that the file names."""
    name = "faulty"
    fingerprint = "faulty-1"

    def __init__(self, *, path, undecided=False):
        self.faults = set(pathlib.Path(path).read_text().split())
        self.undecided = undecided

    def verify(self, attempts):
        return [self._one(a.response, a.problem.reference) for a in attempts]

    def _one(self, response, reference):
        outcome = Outcome.CORRECT if response == reference else Outcome.WRONG
        if response in self.faults:
            if self.undecided:
                return Verdict(outcome=Outcome.UNDECIDED, reason="lost")
            outcome = Outcome.WRONG if outcome is Outcome.CORRECT else Outcome.CORRECT
        return Verdict(outcome=outcome, score=float(outcome is Outcome.CORRECT), rule="looked_up")
'''
BASELINE = """# About this file.
rows = ["rows.jsonl"]
margin = 0.01

[verifiers."faulty_verifier:Faulty"]
pinned = {pinned}  # as asked

[options."faulty_verifier:Faulty"]
path = '{faults}'
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 100 labelled rows and a baseline on them that has been written by --update."""
    (tmp_path / "faulty_verifier.py").write_text(PLUG_IN)
    monkeypatch.syspath_prepend(tmp_path)
    write_rows(tmp_path / "rows.jsonl", [numbered(n) for n in range(100)])
    return tmp_path


def numbered(n: int, **fields: Any) -> dict[str, Any]:
    """Row n: the response is n, and right where n is even."""
    reference = str(n if n % 2 == 0 else n + 1)
    question = f"Solve x + {n} = 0 for x."
    row = {"id": f"r{n}", "question": question, "reference": reference, "response": str(n), "expected": 1 - n % 2}
    return row | fields


def gate(*arguments: object) -> Result:
    """`restem gate` with the permission to execute the baseline's own verifier."""
    return restem("gate", *arguments, "--allow-code")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def baseline(folder: Path, *, pinned: bool, faults: str = "") -> Path:
    """The path of a baseline that expects the verifier's outcomes with these faults."""
    path = folder / "own.gate.toml"
    set_faults(folder, faults)
    path.write_text(BASELINE.format(pinned=str(pinned).lower(), faults=folder / "faults.txt"))
    assert gate(path, "--update").exit_code == 0
    return path


def set_faults(folder: Path, faults: str) -> None:
    (folder / "faults.txt").write_text(faults)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_what_was_just_updated_passes(folder: Path) -> None:
    result = gate(baseline(folder, pinned=True))
    assert result.exit_code == 0
    assert "passed" in result.stdout


def test_one_flipped_row_of_a_pinned_verifier_fails_and_is_named_with_its_rule(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    set_faults(folder, "41")
    result = gate(path)
    assert result.exit_code == 1
    assert "r41: wrong -> correct (label wrong); rule looked_up" in result.stdout
    assert "question: Solve x + 41 = 0 for x." in result.stdout
    assert "response: 41" in result.stdout
    assert "1 golden row flipped: 1 for the worse" in result.stdout


def test_an_unpinned_verifier_may_flip_within_noise_and_not_beyond(folder: Path) -> None:
    path = baseline(folder, pinned=False, faults="1 2 3 4")
    set_faults(folder, "5 6 7 8 9 10")  # six for the worse, four for the better
    assert gate(path).exit_code == 0
    set_faults(folder, " ".join(map(str, range(1, 20))))
    result = gate(path)
    assert result.exit_code == 1
    assert "significantly worse than the margin allows" in result.stdout
    assert "r19: wrong -> correct" in result.stdout


def test_a_verifier_that_stops_deciding_fails(folder: Path) -> None:
    path = baseline(folder, pinned=False)
    set_faults(folder, " ".join(map(str, range(30))))
    path.write_text(path.read_text() + "undecided = true\n")
    result = gate(path)
    assert result.exit_code == 1
    assert "decided 70.0 %" in result.stdout
    assert "reason lost" in result.stdout


def test_another_fingerprint_alone_is_a_note(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    path.write_text(path.read_text().replace("faulty-1", "faulty-0"))
    result = gate(path)
    assert result.exit_code == 0
    assert "note: another verifier than the baseline's: faulty-0 -> faulty-1" in result.stdout


def test_an_update_writes_the_new_figures_and_shows_old_and_new(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    set_faults(folder, "3 4")
    assert gate(path).exit_code == 1
    result = gate(path, "--update")
    assert result.exit_code == 0
    assert "agreement, % 100.0 -> 98.0" in result.stdout
    assert "r3: wrong -> correct" in result.stdout
    assert gate(path).exit_code == 0
    expected = read_baseline(path).verifiers["faulty_verifier:Faulty"].expected
    assert expected is not None
    assert (expected.fingerprint, expected.n, expected.agreement, expected.undecided) == ("faulty-1", 100, 0.98, 0.0)
    assert (expected.ac1, expected.kappa, expected.prevalence) == (0.96, 0.96, (0.5, 0.5))
    assert expected.interval is not None
    assert 0.9 < expected.interval[0] < 0.98 < expected.interval[1] < 1


def test_an_update_that_changes_nothing_changes_no_byte(folder: Path) -> None:
    for pinned in (True, False):
        path = baseline(folder, pinned=pinned, faults="7")
        before = contents(folder)
        assert "nothing changed" in gate(path, "--update").stdout
        assert contents(folder) == before


def test_an_update_keeps_comments_and_options_and_the_lines_that_do_not_change(folder: Path) -> None:
    before = (folder / "rows.jsonl").read_bytes().splitlines()
    path = baseline(folder, pinned=True, faults="7")
    text = path.read_text()
    assert text.startswith("# About this file.\n")
    assert "pinned = true  # as asked\n" in text
    assert text.endswith(f"[options.\"faulty_verifier:Faulty\"]\npath = '{folder / 'faults.txt'}'\n")
    after = (folder / "rows.jsonl").read_bytes().splitlines()
    changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    assert changed == [7]  # a pinned verifier's outcome is written down only where it is not the label
    assert json.loads(after[7]) == {**numbered(7), "outcomes": {"faulty_verifier:Faulty": "correct"}}


def test_an_unpinned_verifiers_outcome_is_written_down_in_every_row(folder: Path) -> None:
    baseline(folder, pinned=False)
    assert all(row.outcomes.keys() == {"faulty_verifier:Faulty"} for row in read_rows(folder / "rows.jsonl"))


def test_a_new_golden_row_needs_only_its_label_and_holds_a_pinned_verifier_to_it(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    with (folder / "rows.jsonl").open("a") as rows:
        rows.write(json.dumps({"question": "q", "reference": "5", "response": "6", "label": "correct"}) + "\n")
    result = gate(path)
    assert result.exit_code == 1
    assert f"{row_id('q', '5', '6')}: correct -> wrong" in result.stdout
    assert "the baseline had 100 labelled rows, now there are 101" in result.stdout


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 99), slice(1, 100)])
def test_golden_rows_that_are_gone_fail_until_an_update_accepts_it(folder: Path, kept: slice) -> None:
    path = baseline(folder, pinned=True)
    rows = [numbered(n) for n in range(100)]
    write_rows(folder / "rows.jsonl", rows[kept])
    result = gate(path)
    assert result.exit_code == 1
    assert "--update accepts" in result.stdout or not rows[kept]
    assert gate(path, "--update").exit_code == (0 if rows[kept] else 2)
    assert gate(path).exit_code == (0 if rows[kept] else 1)


def test_a_flipped_row_is_not_silenced_by_other_rows_in_its_place(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    set_faults(folder, "41")
    write_rows(folder / "rows.jsonl", [numbered(n) for n in range(105) if n != 41])
    result = gate(path)
    assert result.exit_code == 1
    assert "rows.jsonl does not begin with the 100 rows of the baseline" in result.stdout


def test_rows_without_label_or_outcome_check_nothing_and_fail(folder: Path) -> None:
    write_rows(folder / "rows.jsonl", [numbered(n, expected=None) for n in range(3)])
    (folder / "own.gate.toml").write_text("rows = ['rows.jsonl']\n[verifiers.sympy]\n")
    result = gate(folder / "own.gate.toml")
    assert result.exit_code == 1
    assert "nothing was checked" in result.stdout


SAME = "the fingerprint is the same: raise the verifier's version"


def test_a_flip_under_an_unchanged_fingerprint_says_that_stored_verdicts_stay(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    set_faults(folder, "41")
    assert SAME in gate(path).stdout
    path.write_text(path.read_text().replace("faulty-1", "faulty-0"))
    assert SAME not in gate(path).stdout


def test_a_new_row_that_a_verifier_gets_wrong_is_no_change_of_its_mind(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    write_rows(folder / "rows.jsonl", [*map(numbered, range(100)), numbered(100, expected=0)])
    result = gate(path)
    assert result.exit_code == 1
    assert SAME not in result.stdout


def test_an_update_keeps_the_ends_of_lines(folder: Path) -> None:
    path = baseline(folder, pinned=True, faults="7")
    for name in ("rows.jsonl", path.name):
        (folder / name).write_bytes((folder / name).read_bytes().replace(b"\n", b"\r\n"))
    before = contents(folder)
    gate(path, "--update")
    assert contents(folder) == before
    set_faults(folder, "8 9")
    assert gate(path, "--update").exit_code == 0
    path.write_bytes(path.read_bytes().replace(b"[verifiers", b"[verifiers.reject_all]\r\n\r\n[verifiers", 1))
    assert gate(path, "--update").exit_code == 0
    for data in ((folder / "rows.jsonl").read_bytes(), path.read_bytes()):
        assert data.count(b"\n") == data.count(b"\r\n") > 20
        assert b"\r\r" not in data
    assert gate(path, "--verifier", "faulty_verifier:Faulty").exit_code == 0


def test_json_lists_every_verifier_with_its_figures_and_flips(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    set_faults(folder, "41")
    result = gate(path, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert not report["passed"]
    assert [flip["id"] for flip in report["verifiers"][0]["flips"]] == ["r41"]
    assert report["verifiers"][0]["agreement"][0] == 0.99


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows = []", "rows: "),
        ("rows = ['rows.jsonl']", "no verifier to compare"),
        ("rows = ['nowhere.jsonl']\n[verifiers.sympy]", "nowhere.jsonl"),
        ("rows = ['rows.jsonl']\n[verifiers.sympy]\npined = true", "pined"),
        ("rows = ['rows.jsonl']\n[verifiers.simpy]", "did you mean 'sympy'"),
        ("rows = ['rows.jsonl']\n[verifiers.sympy]\npinned = false", "nothing is expected of sympy yet"),
        ("rows = ['rows.jsonl']\nmargin = 2\n[verifiers.sympy]", "margin"),
        ("rows = ['bad.jsonl']\n[verifiers.sympy]", "bad.jsonl:2: label: "),
        ("rows = ['rows.jsonl', 'rows.jsonl', 'again.jsonl']\n[verifiers.sympy]", "two rows have the id r0"),
        ("rows = ['rows.jsonl']\n[verifiers.sympy]\n[options.jugde]\nmodel = 'm'", "options.jugde"),
        ("rows", "not TOML"),
    ],
)
def test_what_is_asked_wrongly_ends_with_2_and_names_the_place(folder: Path, text: str, message: str) -> None:
    write_rows(folder / "again.jsonl", [numbered(0)])
    write_rows(folder / "bad.jsonl", [numbered(0), numbered(1, label="maybe")])
    (folder / "own.gate.toml").write_text(text)
    result = gate(folder / "own.gate.toml")
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "arguments", [(), ("--update", "--table"), ("own.gate.toml", "--limit", "3"), ("own.gate.toml", "--verifier", "x")]
)
def test_options_that_do_not_go_together_end_with_2(folder: Path, arguments: tuple[str, ...]) -> None:
    path = baseline(folder, pinned=True)
    assert gate(*[path if a == "own.gate.toml" else a for a in arguments]).exit_code == 2


def test_a_verifier_that_asks_a_judge_is_not_pinned_unless_the_baseline_says_so(
    folder: Path, running: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    path = folder / "judge.gate.toml"
    path.write_text(
        f"rows = ['rows.jsonl']\n[verifiers.judge]\n[options.judge]\nmodel = 'm'\nbase_url = '{running.base_url}'\n"
    )
    assert gate(path, "--update").exit_code == 0
    report = json.loads(gate(path, "--json").stdout)
    assert report["passed"]
    assert report["verifiers"][0]["pinned"] is False


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
expectations = st.builds(
    Expected,
    fingerprint=st.none() | texts,
    n=st.integers(0, 10**6),
    agreement=st.floats(0, 1),
    kappa=st.none() | st.floats(-1, 1),
    prevalence=st.none() | st.tuples(st.floats(0, 1), st.floats(0, 1)),
    rows=st.none() | st.dictionaries(texts, st.just("3-0f0e0d0c0b0a"), max_size=3),
)


@given(st.dictionaries(st.sampled_from(["sympy", "a.b", "m:F", 'q"', "ü"]), expectations, min_size=1))
def test_expectations_come_back_from_a_baseline_as_they_were_written(expected: Mapping[str, Expected]) -> None:
    keys = {name: f"'{name}'" if name != "sympy" else name for name in expected}  # not as with_expected spells them
    text = 'rows = ["r"]\n' + "".join(
        f"\n# of it\n[verifiers.{key}]  # its own\nmargin = 0.5\n" for key in keys.values()
    )
    once = with_expected(text, expected, "b")
    assert with_expected(once, expected, "b") == once
    assert [line for line in text.split("\n") if line not in once.split("\n")] == []
    verifiers = tomllib.loads(once)["verifiers"]
    assert {name: Expected.model_validate(verifiers[name]["expected"]) for name in expected} == expected


@pytest.mark.parametrize(
    "table", ["verifiers = { sympy = {} }\n", "[verifiers]\nsympy = {}\n", "verifiers.sympy = {}\n"]
)
def test_a_baselines_tables_may_be_written_on_one_line(table: str) -> None:
    expected = Expected(n=1, agreement=1, rows={"r": "1-0123456789ab"})
    once = with_expected(f"rows = ['r']\n{table}# end\n", {"sympy": expected}, "b")
    assert Expected.model_validate(tomllib.loads(once)["verifiers"]["sympy"]["expected"]) == expected
    assert once.endswith("# end\n")


def test_new_figures_change_no_other_line_of_their_table() -> None:
    old = Expected(n=1, agreement=0.5, kappa=0.25)
    text = with_expected("rows = ['r']\n[verifiers.sympy]\n\n# next\n[options.x]\n", {"sympy": old}, "b")
    text = text.replace("n = 1\n", "n = 1  # labelled\n")
    new = with_expected(text, {"sympy": Expected(n=1, agreement=1)}, "b")
    assert new == text.replace("agreement = 0.5\n", "agreement = 1.0\n").replace("kappa = 0.25\n", "")


@given(st.text(), st.sampled_from(list(Outcome)), st.booleans())
def test_outcomes_come_back_from_a_row_with_any_response(response: str, outcome: Outcome, pinned: bool) -> None:
    fields = {"question": "q", "reference": None, "response": response, "label": "wrong", "note": "kept"}
    for ascii_only in (True, False):
        line = json.dumps(fields, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        row = golden_row(parse_json_line(line, "here", ConfigError))
        written = with_outcomes(row, {"v": outcome}, ["v"] if pinned else [])
        again = golden_row(parse_json_line(written, "here", ConfigError))
        assert again.expected("v", pinned) == outcome
        assert (again.response, again.id) == (response, row.id)
        assert json.loads(written)["note"] == "kept"
        assert with_outcomes(again, {"v": outcome}, ["v"] if pinned else []) == written


def test_rows_of_a_runs_disagreements_are_golden_rows_once_each(finished_run: Path, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    arguments = ("gate", "--from-run", finished_run, "--verifier", "sympy", "--verifier", "accept_all")
    assert restem(*arguments, "--output", output).exit_code == 0
    rows = read_rows(output)
    with Store(finished_run) as store:
        fingerprints = store.run()["verifiers"]
        differing = store.query(
            "SELECT DISTINCT s.problem, s.text FROM sample s JOIN verdict a ON a.sample = s.id"
            " JOIN verdict b ON b.sample = s.id WHERE a.verifier = ? AND b.verifier = ? AND a.outcome != b.outcome",
            (fingerprints["sympy"], fingerprints["accept_all"]),
        )
    assert sorted((row.problem.id, row.response) for row in rows) == sorted(differing)
    assert rows
    for row in rows:
        assert row.outcomes["accept_all"] is Outcome.CORRECT
        assert row.outcomes["sympy"] is not Outcome.CORRECT
        assert row.label in (Outcome.WRONG, None)  # the gold's verdict, which is sympy's here
        assert row.problem.source.startswith("run small, checkpoint ")
    limited = restem(*arguments, "--limit", 3).stdout.splitlines()
    assert limited == output.read_text().splitlines()[:3]


def test_a_human_chooses_rows_where_named_and_never_becomes_an_outcome(finished_run: Path, tmp_path: Path) -> None:
    with sqlite3.connect(finished_run / "run.db") as source, sqlite3.connect(tmp_path / "run.db") as copy:
        source.backup(copy)
    source.close()
    copy.close()
    with Store(tmp_path, write=True) as store:
        gold = store.run()["verifiers"]["sympy"]
        ((id,),) = store.query("SELECT sample FROM verdict WHERE verifier = ? AND outcome = 'wrong' LIMIT 1", (gold,))
        store.add_verifier("human:ada", "human:ada", {})
        store.set_run("verifiers", {**store.run()["verifiers"], "human:ada": "human:ada"})
        store.add_verdicts("human:ada", [(id, Verdict(outcome=Outcome.CORRECT, score=1.0, rule="mark"))])
    plain, marked = (gate("--from-run", folder).stdout for folder in (finished_run, tmp_path))
    assert plain == marked
    named = gate("--from-run", tmp_path, "--verifier", "sympy", "--verifier", "human:ada").stdout.splitlines()
    assert [json.loads(line)["outcomes"] for line in named] == [{"sympy": "wrong"}]


def test_the_rows_of_a_run_hold_the_verifiers_to_what_they_said(finished_run: Path, tmp_path: Path) -> None:
    restem(
        *("gate", "--from-run", finished_run, "--verifier", "sympy", "--verifier", "accept_all", "--limit", 40),
        *("--output", tmp_path / "rows.jsonl"),
    )
    path = tmp_path / "run.gate.toml"
    path.write_text("rows = ['rows.jsonl']\n[verifiers.sympy]\n[verifiers.accept_all]\n")
    assert gate(path).exit_code == 0
    path.write_text("rows = ['rows.jsonl']\n[verifiers.reject_all]\n[verifiers.accept_all]\n")
    assert gate(path, "--verifier", "accept_all").exit_code == 0


@pytest.mark.parametrize("names", [("sympy",), ("sympy", "nobody")])
def test_a_run_without_two_known_verifiers_gives_no_rows(finished_run: Path, names: tuple[str, ...]) -> None:
    options = [option for name in names for option in ("--verifier", name)]
    assert gate("--from-run", finished_run, *options).exit_code == 2


def test_the_table_gives_sensitivity_and_specificity_on_each_kind_of_the_projects_calibration_rows() -> None:
    arguments = ("gate", "--table", "--verifier", "sympy", "--verifier", "accept_all")
    lines = restem(*arguments).stdout.splitlines()
    named = [line.split("|")[1].strip() for line in lines if line.startswith("| ") and "TPR" not in line]
    report = json.loads(restem(*arguments, "--json").stdout)
    assert list(report) == ["linear_1d.jsonl", "word_problems.jsonl", "mathematics.jsonl", "hostile.jsonl"]
    assert named == ["sympy", "accept_all"] * len(report)
    for rates in report.values():
        assert rates["accept_all"]["sensitivity"][0] == 1.0
        assert rates["accept_all"]["specificity"][0] == 0.0
    assert report["linear_1d.jsonl"]["sympy"]["sensitivity"][0] > 0.99
    assert report["linear_1d.jsonl"]["sympy"]["specificity"][0] > 0.99


def pytest_in(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a real child pytest that finds the plug-in as an installed one: by its entry point."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]["pytest11"]
    info = folder / "gate_entry_point-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gate_entry_point\nVersion: 1.0\n")
    lines = [f"{name} = {module}" for name, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "--rootdir", folder, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)])},
        capture_output=True,
        text=True,
    )
    return process.returncode, process.stdout + process.stderr


def test_pytest_makes_one_test_a_verifier_and_fails_with_the_message_and_no_traceback(folder: Path) -> None:
    path = baseline(folder, pinned=True)
    path.write_text(path.read_text() + "\n[verifiers.accept_all]\npinned = false\n")
    assert gate(path, "--update").exit_code == 0
    set_faults(folder, "41")
    code, output = pytest_in(folder)
    assert code == 1
    assert "own.gate.toml::accept_all PASSED" in output
    assert "own.gate.toml::faulty_verifier:Faulty FAILED" in output
    assert "r41: wrong -> correct (label wrong); rule looked_up" in output
    assert "If this change is meant: restem gate own.gate.toml --update" in output
    assert "Traceback" not in output
    assert "pytest_gate.py" not in output


def test_pytest_without_the_plug_in_leaves_baselines_alone(folder: Path) -> None:
    baseline(folder, pinned=True)
    code, output = pytest_in(folder, "-p", "no:restem_gate")
    assert code == pytest.ExitCode.NO_TESTS_COLLECTED, output


def test_a_broken_baseline_is_an_error_of_collection(folder: Path) -> None:
    (folder / "broken.gate.toml").write_text("rows =")
    code, output = pytest_in(folder)
    assert code == pytest.ExitCode.INTERRUPTED
    assert "broken.gate.toml" in output


def test_the_plug_in_loads_nothing_heavy() -> None:
    script = (
        "import restem.harness.gate.pytest_plugin, sys;"
        "print(*{'numpy', 'jax', 'scipy', 'pydantic', 'sympy'} & set(sys.modules))"
    )
    process = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert process.stdout.strip() == ""
