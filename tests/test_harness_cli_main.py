"""The command line as a user meets it: runs, resumes, verdicts of files, exit codes."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from restem.benchmarks.catalog import find_benchmark
from restem.harness.app.resume import check_same
from restem.harness.app.suite_check import suite_problems
from restem.harness.config import load_suite, to_toml
from restem.harness.errors import ConfigError
from restem.harness.loop.planned_work import planned_samples
from restem.harness.store.store import Store
from tests.conftest import restem
from tests.rows import lasting_rows

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "restem.harness.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_samples(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Returns once run.db holds so many samples, or the process has ended."""
    while process.poll() is None:
        try:
            with sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True) as db:
                stored = db.execute("SELECT count(*) FROM sample").fetchone()[0]
            db.close()
        except sqlite3.OperationalError:
            stored = 0
        if stored >= count:
            return
        time.sleep(0.02)


def test_generate_prints_the_names_of_all_benchmarks() -> None:
    names = restem("generate", "--names").stdout.split()
    assert {"linear_1d", "numbers", "numbers__gcd", "mathematics", "reasoning_gym:TASK"} <= set(names)
    assert "file" not in names


@pytest.mark.parametrize("command", ["run", "verify", "report", "show", "label", "gate", "generate", "probe", "serve"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = restem(command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output


def test_a_run_ends_with_its_report(finished_run: Path) -> None:
    for name in ("run.db", "suite.toml", "report.md", "report.html", "figures", "checkpoints"):
        assert (finished_run / name).exists(), name


def test_every_sample_of_a_checkpoint_has_one_verdict_of_every_measuring_verifier(finished_run: Path) -> None:
    with Store(finished_run) as store:
        verifiers = set(store.run()["verifiers"].values())
        assert len(verifiers) == 4  # sympy, accept_all, exact, steps
        for checkpoint in (c for c in store.checkpoints() if c.kind != "candidate"):
            samples = {sample.id for sample in store.samples(checkpoint.id, "test")}
            assert len(samples) == 16 * 4
            for fingerprint in verifiers:
                assert set(store.verdicts(checkpoint.id, "test", fingerprint)) == samples


def test_all_arms_share_one_sampling_of_the_base(finished_run: Path) -> None:
    with Store(finished_run) as store:
        assert store.query("SELECT count(*) FROM sample WHERE checkpoint = 'base'") == [(24 * 4 + 16 * 4,)]
        sampled_from = {c.id: c.sampled_from for c in store.checkpoints() if c.kind == "trained"}
    assert sampled_from["sympy/1"] == sampled_from["accept_all/1"] == "base"
    assert sampled_from["sympy/2"] == "sympy/1"


def test_every_m_step_starts_from_the_base(finished_run: Path) -> None:
    with Store(finished_run) as store:
        assert {c.started_from for c in store.checkpoints() if c.kind == "trained"} == {"base"}


def test_progress_counts_every_sample_that_a_run_draws(finished_run: Path) -> None:
    with Store(finished_run) as store:
        ((drawn,),) = store.query("SELECT count(*) FROM sample")
        stopped_early = sum(1 for c in store.checkpoints() if c.kind == "trained" and c.steps < 4)
    shared = 24 * 4  # the base's training samples, which the second arm finds in run.db
    suite = load_suite(str(finished_run / "suite.toml"))
    planned = planned_samples(suite, suite_problems(suite))
    assert drawn + shared <= planned <= drawn + shared + stopped_early * 16


def test_a_finished_run_asked_again_changes_nothing(finished_run: Path) -> None:
    rows, report = lasting_rows(finished_run), (finished_run / "report.md").read_bytes()
    assert restem("run", finished_run / "suite.toml", "--out", finished_run).exit_code == 0
    assert lasting_rows(finished_run) == rows
    assert (finished_run / "report.md").read_bytes() == report


def test_a_run_killed_again_and_again_ends_with_the_rows_of_an_undisturbed_one(
    finished_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A program half written by a killed process stays in a folder of its own.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "xla"))
    folder = tmp_path / "killed"
    arguments = ("run", finished_run / "suite.toml", "--out", folder, "--quiet")
    for samples in (1, 150, 300):
        process = start(*arguments)
        wait_for_samples(folder, samples, process)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    process = start(*arguments)
    errors = process.communicate()[1]
    assert process.returncode == 0, errors
    assert lasting_rows(folder) == lasting_rows(finished_run)


def test_a_second_process_on_the_same_folder_is_refused(finished_run: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "run", write=True):
        result = restem("run", finished_run / "suite.toml", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "another process" in result.output


def test_a_changed_suite_is_refused_and_the_keys_named(finished_run: Path) -> None:
    result = restem("run", finished_run / "suite.toml", "--out", finished_run, "--set", "seed=4")
    assert result.exit_code == 2
    assert "seed: 3 now 4" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "nosuch"), "no suite 'nosuch'"),
        (("run", "--set", "arms.0.verifier=sympi"), "did you mean 'sympy'"),
        (("run", "--set", "policy=nowhere"), "policy 'nowhere'"),
        (("run", "--set", "benchmark.regime=hard"), "unknown regime"),
        (("run", "--set", "verifiers.judge.modle=x"), "modle"),
        (("run", "--set", "verifiers.judge.model=gpt-4"), "neither OPENAI_API_KEY nor base_url"),
        (("run", "--set", "training.row_length=32"), "training.row_length"),
        (("verify", ".", "--verifier", "sympy"), "no run"),
        (("verify", "--verifier", "sympy"), "either a RUN or --input"),
        (("generate", "linear_1d", "--count", "3", "--regime", "x"), "unknown regime"),
        (("generate", "linear_1d", "--count", "3", "--regime", "100,100"), "expected 0 <= low <= high <= 30"),
        (("generate", "linear_1d", "--count", "3", "--regime", "nan,4"), "expected 0 <= low <= high <= 30"),
        (("generate", "linear_1d", "--count", "3", "--regime", "5,4,3"), "'5,4,3', expected a name, or LOW,HIGH"),
        (("generate", "file", "--count", "3"), "benchmark 'file'"),
        (("generate", "linear_1d", "--count", "3", "--output", "nope/x"), "there is no folder nope"),
        (("show", "."), "no run"),
    ],
)
def test_a_wrong_request_exits_with_2_before_any_work(
    tmp_path: Path, arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    result = restem(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def rows_file(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_verify_gives_one_row_per_input_row_and_verifier_in_input_order(tmp_path: Path) -> None:
    question = "Solve 3*x = 6 for x."
    rows = [
        {"id": i, "question": question, "reference": "2", "response": response, "problem_id": f"p{i % 2}"}
        for i, response in enumerate(["x = 2", "x = 3", "2", "so x = 6/3"])
    ]
    arguments = ["--verifier", "sympy", "--verifier", "exact", "--input", rows_file(tmp_path, rows)]
    result = restem("verify", *arguments, "--output", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    rows_out = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(row["id"], row["verifier"]) for row in rows_out] == [(i, v) for i in range(4) for v in ("sympy", "exact")]
    assert [row["reward"] for row in rows_out if row["verifier"] == "sympy"] == [1, 0, 1, 1]
    fields = {"id", "verifier", "outcome", "reward", "score", "answer", "rule", "reason", "seconds", "cost_usd"}
    assert set(rows_out[0]) == fields


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("not json", "rows.jsonl:2: not JSON"),
        ('{"id": "b", "question": "q", "reference": "1"}', "rows.jsonl:2: response"),
        ('{"id": "b", "question": "q", "reference": {}, "response": "r"}', "rows.jsonl:2: reference"),
        ("[]", "rows.jsonl:2: expected a JSON object"),
    ],
)
def test_a_bad_row_stops_the_command_before_any_work(tmp_path: Path, line: str, message: str) -> None:
    path = rows_file(tmp_path, [{"id": "a", "question": "q", "reference": "1", "response": "1"}])
    path.write_text(path.read_text() + line + "\n")
    result = restem("verify", "--verifier", "sympy", "--input", path, "--output", tmp_path / "out.jsonl")
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--output", "nowhere/out.jsonl"), "no folder"),
        (("--output", "."), "'--output'"),
        (("--config", "."), "'--config'"),
        (("--set", "verifiers.randm.rate=0.9"), "verifiers.randm"),
        (
            ("--verifier", "exat", "--set", "verifiers.randm.rate=0.9"),
            "unknown verifier 'exat' (did you mean 'exact'?)",
        ),
        (("--set", "verifiers.sympy=3"), "expected one table"),
        (("--set", "sympy.x=3"), "expected verifiers.NAME"),
    ],
)
def test_wrong_options_of_verify_are_named(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    path = rows_file(tmp_path, [{"id": "a", "question": "q", "reference": "1", "response": "1"}])
    result = restem("verify", "--verifier", "sympy", "--input", path, *arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("table", ["verifier.sympy", "verifer.judge", "options.judge", "judge"])
def test_a_table_that_nobody_reads_is_refused(tmp_path: Path, table: str) -> None:
    path = rows_file(tmp_path, [{"id": "a", "question": "q", "reference": "1", "response": "1"}])
    (tmp_path / "mine.toml").write_text(f"[{table}]\n")
    result = restem("verify", "--verifier", "sympy", "--input", path, "--config", tmp_path / "mine.toml")
    assert result.exit_code == 2
    assert f"mine.toml: {table.partition('.')[0]}: unknown key" in result.stderr
    assert ("did you mean 'verifiers'" in result.stderr) == table.startswith("ver")


def test_a_whole_suite_serves_as_a_config(tmp_path: Path) -> None:
    path = rows_file(tmp_path, [{"id": "a", "question": "q", "reference": "1", "response": "1"}])
    (tmp_path / "suite.toml").write_text(to_toml(load_suite("linear_1d")))
    result = restem("verify", "--verifier", "sympy", "--input", path, "--config", tmp_path / "suite.toml")
    assert result.exit_code == 0, result.output


def test_a_verifier_that_is_named_twice_speaks_once(tmp_path: Path) -> None:
    path = rows_file(tmp_path, [{"id": "a", "question": "q", "reference": "1", "response": "1"}])
    result = restem("verify", *["--verifier", "sympy"] * 2, "--input", path)
    assert len(result.stdout.splitlines()) == 1


def test_other_problems_under_the_same_suite_are_refused(tmp_path: Path) -> None:
    set_path, suite_path = tmp_path / "problems.txt", tmp_path / "mine.toml"
    suite_path.write_text(
        'name = "mine"\n[benchmark]\nname = "file"\npath = "problems.txt"\n'
        '[[arms]]\nname = "sympy"\nverifier = "sympy"\n'
    )
    suite = load_suite(str(suite_path))
    set_path.write_text("".join(f"Solve {n}*x = {2 * n} for x.\n2\n" for n in range(1, 40)))
    problems = suite_problems(suite)
    with Store(tmp_path / "run", write=True) as store:
        store.put_run({"suite": suite.model_dump(mode="json")})
        for items in problems.values():
            store.add_problems(items)
        check_same(store, suite, problems)
        set_path.write_text(set_path.read_text().replace("= 4 ", "= 6 "))
        with pytest.raises(ConfigError, match="not those that this run began with"):
            check_same(store, suite, suite_problems(suite))


def test_verify_adds_verdicts_to_a_run_and_keeps_the_old_ones(small_copy: Path) -> None:
    before = lasting_rows(small_copy)["verdict"]
    result = restem("verify", small_copy, "--verifier", "random")
    assert result.exit_code == 0, result.output
    after = lasting_rows(small_copy)["verdict"]
    assert set(map(repr, before)) < set(map(repr, after))
    assert "0 new verdicts" in restem("verify", small_copy, "--verifier", "random").output
    assert restem("report", small_copy).exit_code == 0
    assert "random" in (small_copy / "report.md").read_text()


@pytest.fixture
def small_copy(finished_run: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(finished_run, tmp_path / "copy"))


def test_the_report_is_the_same_bytes_every_time(small_copy: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert restem("report", small_copy, "--output", tmp_path / name).exit_code == 0
    one, two = (
        {p.relative_to(tmp_path / n): p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()}
        for n in ("one", "two")
    )
    assert one == two
    assert Path("report.html") in one


def test_generated_problems_read_back_as_a_suites_benchmark(tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    arguments = ["--count", 40, "--seed", 1, "--regime", "3,4.5", "--format", "lines", "--output", path]
    assert restem("generate", "linear_1d", *arguments).exit_code == 0
    splits = find_benchmark("file", path).problems(0, None, {"train": 9, "test": 9})
    assert 0 < sum(map(len, splits.values())) <= 40


def test_show_gives_the_standings_to_programs(finished_run: Path) -> None:
    shown = json.loads(restem("show", finished_run, "--json").output)
    assert shown["unfinished"] == []
    assert [(row["arm"], row["iteration"]) for row in shown["standings"]] == [
        (None, 0),
        *((arm, iteration) for arm in ("sympy", "accept_all") for iteration in (1, 2)),
    ]
    for row in shown["standings"]:
        value, low, high = row["accuracy"]
        assert 0 <= low <= value <= high <= 1


def test_a_command_leaves_the_signal_handler_of_its_process_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert restem("generate", "linear_1d", "--count", 1).exit_code == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_works_in_a_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(restem, "generate", "linear_1d", "--count", 1).result()
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_command_leaves_the_import_path_and_the_log_of_its_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path, handlers = list(sys.path), list(logging.getLogger("restem.verifiers").handlers)
    assert restem("generate", "linear_1d", "--count", 1).exit_code == 0
    assert (sys.path, logging.getLogger("restem.verifiers").handlers) == (path, handlers)


@pytest.mark.parametrize("out", ["file", "file/below/it", "file/../x", "x" * 300, "not-utf-8-\udcff"])
def test_an_impossible_run_folder_is_refused_before_any_work(
    tmp_path: Path, out: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = restem("run", "--out", out)
    assert result.exit_code == 2
    assert "--out" in result.stderr
    assert "JAX" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
