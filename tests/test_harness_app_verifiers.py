"""Controls, noise, combinations and plug-ins as the command line uses them: in a run, on a run, on rows of a file."""

from __future__ import annotations

import gc
import json
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from restem.harness.store.store import Store
from restem.verifiers.exact.sympy_exact import Sympy
from restem.verifiers.rows import read_rows
from restem.verifiers.verdict import Attempt, Outcome, Verdict
from tests.conftest import SMALL_SUITE, restem
from tests.judge_server import JudgeServer

# Of the same shapes as the small suite: what is compiled for one serves the other.
SUITE = (
    SMALL_SUITE.partition("[[arms]]")[0]
    .replace("iterations = 2", "iterations = 1")
    .replace("checks = 2", "checks = 0")
    .replace('["exact"]', '["majority"]')
    + """
[[arms]]
name = "noisy"
verifier = "noisy_80_30"

[[arms]]
name = "nothing"
verifier = "nothing"

[verifiers.noisy_80_30]
type = "noisy"
base = "sympy"
tpr = 0.8
fpr = 0.3
tied_to = "problem"

[verifiers.nothing]
type = "reject_all"
"""
)


class Backwards:
    """A plug-in that judges well and answers from the last to the first."""

    name = fingerprint = "backwards"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        return [Verdict(outcome=v.outcome, score=v.score) for v in Sympy().verify(attempts)][::-1]


class Broken:
    """A plug-in whose verdicts are those that its option names."""

    name = fingerprint = "broken"

    def __init__(self, *, give: str) -> None:
        self.give = give

    def verify(self, attempts: Sequence[Attempt]) -> Any:
        score = {"not_a_number": float("nan"), "two": 2, "none": None, "bool": True}.get(self.give, 1.0)
        verdicts = [Verdict(outcome=Outcome.CORRECT, score=score) for _ in attempts]
        return {"short": verdicts[1:], "long": [*verdicts, *verdicts], "nothing": None}.get(self.give, verdicts)


@pytest.fixture(scope="module")
def noisy_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "noise.toml").write_text(SUITE)
    result = restem("run", folder / "noise.toml", "--out", folder / "run", "--quiet")
    assert result.exit_code == 0, result.output
    return folder / "run"


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    responses = ["x = 7", "x = 8", "7", "14/2", "Seventy is 7 times ten and so we see 7"]
    path = tmp_path / "rows.jsonl"
    lines = [
        {"id": i, "question": "Solve x = 7 for x.", "reference": "7", "response": text, "problem_id": "p"}
        for i, text in enumerate(responses)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_an_arm_trains_on_a_verifier_of_a_named_kind(noisy_run: Path) -> None:
    with Store(noisy_run) as store:
        known = store.run()["verifiers"]
        assert {"sympy", "noisy_80_30", "nothing", "majority"} <= known.keys()
        assert known["noisy_80_30"].startswith("noisy-")
        assert store.run()["controls"] == ["nothing"]
        assert {c.id: c.kind for c in store.checkpoints() if c.arm} == {"noisy/1": "trained", "nothing/1": "skipped"}
        truths, noisy = (store.verdicts("base", "train", known[name]) for name in ("sympy", "noisy_80_30"))
    assert truths.keys() == noisy.keys()
    assert {key for key in truths if truths[key].outcome is Outcome.UNDECIDED} == {
        key for key in noisy if noisy[key].outcome is Outcome.UNDECIDED
    }
    assert any(verdict.reason == "noisy" for verdict in noisy.values())


def test_a_noisy_run_says_in_its_report_which_verifier_it_trained_on(noisy_run: Path) -> None:
    assert "noisy_80_30" in (noisy_run / "report.md").read_text()


def test_a_run_is_scored_by_a_combination_and_the_counts_are_json(noisy_run: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(noisy_run, tmp_path / "copy")
    arguments = ["--set", 'verifiers.cascade.members=["exact","majority"]', "--json"]
    counts = [json.loads(restem("verify", copy, "--verifier", "cascade", *arguments).stdout) for _ in range(2)]
    with Store(copy) as store:
        ((samples,),) = store.query("SELECT count(*) FROM sample")
    assert [each["new_verdicts"] for each in counts] == [{"cascade": samples}, {"cascade": 0}]


def verdicts(*arguments: object) -> list[dict[str, Any]]:
    result = restem("verify", *arguments)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_cascade_on_rows_asks_the_judge_only_about_the_rest(
    rows: Path, running: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    address = (f"verifiers.judge.base_url={running.base_url}", "--set", "verifiers.judge.model=m")
    members = 'verifiers.cascade.members=["sympy","judge"]'
    rows_out = verdicts("--verifier", "cascade", "--set", members, "--set", *address, "--input", rows)
    left = [v.outcome is Outcome.UNDECIDED for v in Sympy().verify(read_rows(rows).attempts)]
    assert running.requests == sum(left) > 0
    assert [row["rule"].startswith("cascade: judge") for row in rows_out] == left


def test_majority_counts_the_rows_of_a_problem(rows: Path) -> None:
    rows_out = verdicts("--verifier", "majority", "--input", rows)
    assert [row["outcome"] for row in rows_out] == ["correct", "wrong", "correct", "correct", "undecided"]


def test_a_row_may_have_several_references_and_unknown_fields_are_named_once(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"question": "Name a root of x^2 = 4.", "reference": ["2", -2], "data": {"a": 1}, "label": 1, "colour": 7}
    lines = [{"id": index, **row, "response": response} for index, response in enumerate(("x = -2", "x = 2.0", "3"))]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = restem("verify", "--verifier", "sympy", "--verifier", "exact", "--input", path)
    assert result.exit_code == 0, result.output
    assert [json.loads(line)["reward"] for line in result.stdout.splitlines()] == [1, 1, 1, 0, 0, 0]
    (named,) = [line for line in result.stderr.splitlines() if "colour" in line]
    assert not any(f" {field}" in named for field in ("label", "data", "reference"))


def test_one_kind_stands_under_several_names(rows: Path, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[verifiers.never]\ntype = "random"\nrate = 0.0\n[verifiers.ever]\ntype = "random"\nrate = 1.0\n')
    rows_out = verdicts("--verifier", "never", "--verifier", "ever", "--config", config, "--input", rows)
    assert [(row["verifier"], row["reward"]) for row in rows_out] == [("never", 0), ("ever", 1)] * 5


def test_progress_goes_to_stderr_and_counts_every_verdict(
    rows: Path, running: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("restem.harness.progress.SECONDS_BETWEEN_LINES", 0.0)
    running.reset()
    names = ("--verifier", "majority", "--verifier", "judge", "--input", rows)
    options = ("--set", f"verifiers.judge.base_url={running.base_url}", "--set", "verifiers.judge.model=m")
    shown = restem("verify", *names, *options)
    progress = [line for line in shown.stderr.splitlines() if line.startswith("[")]
    lines = [line.partition("] ")[2].partition(",")[0] for line in progress]
    assert lines[0] == "majority: 0/10 verdicts"
    assert lines[-1] == "judge: 10/10 verdicts"
    counts = [int(line.partition(": ")[2].partition("/")[0]) for line in lines]
    assert counts == sorted(counts)
    assert len(shown.stdout.splitlines()) == 10
    assert restem("verify", *names[:2], *names[4:], "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cascade", 'verifiers.cascade.members=["simpy","judge"]'), "did you mean 'sympy'"),
        (("cascade", 'verifiers.cascade.members=["exact","cascade"]'), "part of itself: cascade -> cascade"),
        (("cascade", "verifiers.cascade.members=[]"), "at least 1"),
        (("cascade", "verifiers.cascade.members=sympy"), "expected a list"),
        (("noisy", 'verifiers.noisy.base=["sympy"]'), "expected the name of a verifier"),
        (("noisy", "verifiers.noisy.tpr=1.5"), "option 'tpr': found 1.5"),
        (("noisy", "verifiers.noisy.tied_to=run"), "option 'tied_to': found 'run'"),
        (("mine", "verifiers.mine.type=nosy"), "did you mean 'noisy'"),
        (("mine", "verifiers.mine.type=3"), "option 'type': found 3"),
    ],
)
def test_what_cannot_be_built_is_told_in_one_line_before_any_work(
    rows: Path, arguments: tuple[str, str], message: str
) -> None:
    name, setting = arguments
    result = restem("verify", "--verifier", name, "--set", setting, "--input", rows)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("give", ["not_a_number", "two", "none", "bool", "short", "long", "nothing"])
def test_a_plug_in_that_breaks_its_contract_is_named_and_leaves_nothing(rows: Path, tmp_path: Path, give: str) -> None:
    options = [
        "--set",
        "verifiers.mine.type=tests.test_harness_app_verifiers:Broken",
        "--set",
        f"verifiers.mine.give={give}",
    ]
    result = restem("verify", "--verifier", "mine", *options, "--input", rows, "--output", tmp_path / "out.jsonl")
    assert result.exit_code == 1
    assert "restem: verifier 'mine'" in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


RAISING = """
import sys
from restem.verifiers.verdict import Outcome, UnknownVerifier, Verdict

class Raising:
    name = fingerprint = "raising"

    def __init__(self, *, when="verify", what="ValueError"):
        self.when, self.what = when, what
        self.stop("init")

    def stop(self, now):
        if now == self.when:
            kinds = {{"ValueError": ValueError("bad\\nthing"), "exit": SystemExit(0), "option": UnknownVerifier("no")}}
            raise kinds[self.what]

    def verify(self, attempts):
        self.stop("verify")
        return [Verdict(outcome=Outcome.CORRECT, score=1.0) for _ in attempts]

{last}
"""


@pytest.mark.parametrize(
    ("last", "options", "message", "code"),
    [
        ("", (), "verify raised ValueError: bad thing (raising_1.py:", 1),
        ("", ("what=exit",), "verify raised SystemExit: 0", 1),
        ("", ("when=init",), "making it raised ValueError: bad thing (raising_", 1),
        ("", ("when=init", "what=option"), "no", 2),
        ("sys.exit(0)", (), "loading it raised SystemExit: 0", 1),
        ("1/0", (), "loading it raised ZeroDivisionError: division by zero (raising_", 1),
        ("def (", (), "loading it raised SyntaxError: ", 1),
    ],
)
def test_whatever_a_plug_in_raises_is_one_line_that_names_it(
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    last: str,
    options: tuple[str, ...],
    message: str,
    code: int,
) -> None:
    (tmp_path / "raising_1.py").write_text(RAISING.format(last=last))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "raising_1", raising=False)
    name = "raising_1:Raising"
    settings = [part for option in options for part in ("--set", f"verifiers.{name}.{option}")]
    result = restem("verify", "--verifier", name, *settings, "--input", rows)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.splitlines()[-1].startswith(
        "restem: no" if code == 2 else f"restem: verifier {name!r}: {message}"
    )
    assert isinstance(result.exception, SystemExit)


class Signalled:
    """A plug-in that is working when the command receives a signal to stop."""

    name = fingerprint = "signalled"
    number = signal.SIGTERM

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        signal.raise_signal(self.number)
        return [Verdict(outcome=Outcome.UNDECIDED)] * len(attempts)


class HungUp(Signalled):
    """The same, of a terminal that is closed."""

    number = signal.SIGHUP


@pytest.fixture
def as_in_a_terminal() -> Iterator[None]:
    """No signal is ignored, as some are in a process that `nohup` or a shell's `&` started."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize("plug_in", [Signalled, HungUp])
def test_a_signal_that_comes_while_a_plug_in_works_stops_the_command_and_blames_nobody(
    rows: Path, plug_in: type[Signalled]
) -> None:
    result = restem("verify", "--verifier", f"tests.test_harness_app_verifiers:{plug_in.__name__}", "--input", rows)
    assert result.exit_code == 128 + plug_in.number
    assert "stopped" in result.stderr
    assert "raised" not in result.stderr


class SignalledInACallback:
    """A plug-in under which a signal comes twice while the garbage collector, as often with JAX, calls Python."""

    name = fingerprint = "signalled_in_a_callback"

    def __init__(self, number: int) -> None:
        self.number = number

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        collections = 0

        def on_collection(*_: object) -> None:
            nonlocal collections
            collections += 1
            if collections <= 2:
                signal.raise_signal(self.number)
                time.sleep(0)

        gc.callbacks.append(on_collection)
        try:
            end = time.monotonic() + 10
            while time.monotonic() < end:
                gc.collect()
                time.sleep(0.1)
        finally:
            gc.callbacks.remove(on_collection)
        return [Verdict(outcome=Outcome.UNDECIDED)] * len(attempts)


@pytest.mark.usefixtures("as_in_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_whose_exception_python_drops_in_a_callback_stops_the_command(rows: Path, number: int) -> None:
    name, hook = "tests.test_harness_app_verifiers:SignalledInACallback", sys.unraisablehook
    option = f"verifiers.{name}.number={int(number)}"
    result = restem("verify", "--verifier", name, "--set", option, "--input", rows)
    assert result.exit_code == 128 + number
    assert result.stderr.splitlines() == ["stopped; `restem run` and `restem verify RUN` go on where they were"]
    assert sys.unraisablehook is hook


def test_under_nohup_a_command_outlives_its_terminal(rows: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        result = restem("verify", "--verifier", "tests.test_harness_app_verifiers:HungUp", "--input", rows)
        assert (result.exit_code, signal.getsignal(signal.SIGHUP)) == (0, signal.SIG_IGN)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_plug_in_that_answers_in_another_order_is_named(rows: Path) -> None:
    result = restem("verify", "--verifier", "tests.test_harness_app_verifiers:Backwards", "--input", rows)
    assert result.exit_code == 1
    assert "verifier 'tests.test_harness_app_verifiers:Backwards': verdicts in another order" in result.stderr
    assert result.stdout == ""


def test_the_rows_of_a_problem_come_in_one_batch(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [{"id": i, "question": "q", "reference": "7", "response": "7", "problem_id": str(i % 7)} for i in range(40)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batches = list(read_rows(path).batches(10))
    assert sorted(number for batch in batches for number in batch) == list(range(40))
    problems = [{number % 7 for number in batch} for batch in batches]
    assert len(batches) > 1
    assert sum(map(len, problems)) == len(set().union(*problems)) == 7
