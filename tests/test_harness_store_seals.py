"""Seals of run.db: what a writer adds and what a reader finds agree, and any other row stops every command."""

from __future__ import annotations

import json
import marshal
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.benchmarks.problem import ATTACK, Probe
from restem.harness.errors import DamagedRun
from restem.harness.store import schema
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.harness.store.rows import as_stored
from restem.harness.store.store import ImportBatch, Store
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import problem, restem
from tests.old_runs import SCHEMAS, as_of

NUMBERS = st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.floats() | st.floats(width=32).map(np.float64)
VALUES = {"TEXT": st.none() | st.text(st.characters(exclude_categories=["Cs"])), "REAL": NUMBERS}
VALUES |= {"INTEGER": st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1), "BLOB": st.none() | st.binary()}
ANY = schema.Table(name="anything", columns={"a": "INTEGER", "b": "TEXT", "c": "REAL", "d": "BLOB"})


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({name: VALUES[kind] for name, kind in ANY.columns.items()}), max_size=5))
def test_a_row_is_sealed_as_sqlite_gives_it_back(new: list[dict[str, Any]]) -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE anything (a INTEGER, b TEXT, c REAL, d BLOB)")
        db.executemany(ANY.insert(), as_stored(ANY, new))
        back = db.execute("SELECT * FROM anything ORDER BY rowid").fetchall()
    assert [marshal.dumps(row, 2) for row in back] == [marshal.dumps(row, 2) for row in as_stored(ANY, new)]


def test_the_bytes_that_are_hashed_are_the_same_in_every_version_of_python() -> None:
    expected = "28060000006c0300000000000000000469ffffffff7502000000c3a967000000000000e03f4e730100000000"
    assert marshal.dumps((2**40, -1, "é", 0.5, None, b"\x00"), 2).hex() == expected


CALL = {name: 0 for name in schema.JUDGE_CALL.columns} | {"request_sha256": "a", "request": "{}", "verifier": "v-1"}


def fill(folder: Path) -> None:
    """A run with rows in every table, by every method that adds some; each is added a second time where it may be."""
    first, second, third = (
        Sample(checkpoint="base", problem="p", index=i, text="1", token_count=1, mean_logprob=-0.0, finish_reason="s")
        for i in range(3)
    )
    verdict = Verdict(outcome=Outcome.CORRECT, score=1, seconds=np.float64(0.5))
    with Store(folder, write=True) as store:
        for value in (1, 2):
            store.put_run({"verifiers": {"v": "v-1"}, "kept": value, "imported": True})
            store.set_run("replaced", value)
            store.add_problems([problem("q", "1", id="p")])
            store.add_verifier("v-1", "v", {"value": value})
            store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base", steps=value))
            store.store_calls([CALL | {"seconds": value}])
            store.log("sampled", value=value)
        store.add_samples([first, second])
        store.add_verdicts(
            "v-1", [(first.id, verdict), (second.id, Verdict(outcome=Outcome.WRONG, score=float("nan")))]
        )
        store.add_probes([Probe(problem="p", kind=ATTACK, form="empty", text="")])
        store.add_probe_verdicts("v-1", [(0, verdict)])
        store.add_selection(Selection(checkpoint="a/1", rows=(Selected(sample=first.id, weight=1.0),)))
        facts = {"replaced": 3}
        store.add_import(ImportBatch(samples=[third], verdicts=[(third.id, "v-1", verdict)], facts=facts))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    fill(folder)
    return folder


@pytest.fixture
def run(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "run"))


def changed(folder: Path, *statements: str) -> None:
    """Changes the run behind the program's back."""
    with closing(sqlite3.connect(folder / "run.db")) as db, db:
        for statement in statements:
            db.execute(statement)


def without_hash(folder: Path) -> Path:
    """The run as one that was killed, whose rows must be looked at."""
    (folder / "run.db.sha256").unlink()
    return folder


def test_what_every_method_added_is_sealed(run: Path) -> None:
    with Store(without_hash(run)) as store:
        stages = store.stages()
    assert {stage.table for stage in stages if stage.rows} == {table.name for table in schema.ROWS}
    assert [stage for stage in stages if stage.damage] == []


CHANGES = {
    "run": "UPDATE run SET value = '2' WHERE key = 'kept'",
    "problem": "UPDATE problem SET reference = '2'",
    "checkpoint": "UPDATE checkpoint SET steps = 0",
    "sample": "UPDATE sample SET text = 'x' WHERE idx = 1",
    "verifier": "UPDATE verifier SET settings = '{}'",
    "verdict": "UPDATE verdict SET score = 1.0000000000000002 WHERE score = 1.0",
    "selection": "UPDATE selection SET weight = 2",
    "judge_call": "UPDATE judge_call SET reply = '1'",
    "event": "UPDATE event SET kind = 'probed' WHERE id = 1",
    "probe": "UPDATE probe SET text = 'x'",
    "probe_verdict": "UPDATE probe_verdict SET outcome = 'wrong'",
    "a row more": "INSERT INTO run VALUES ('more', '1')",
    "a row less": "DELETE FROM verdict WHERE outcome = 'wrong'",
    "a seal": "UPDATE seal SET count = count + 1 WHERE sealed_table = 'verdict'",
    "no seals": "DELETE FROM seal",
    "no text": "UPDATE sample SET text = CAST(x'0aff0a' AS TEXT)",
    "a schema version": "PRAGMA user_version = 6",
}


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_any_table_is_noticed_by_readers_and_writers(run: Path, change: str, write: bool) -> None:
    changed(run, CHANGES[change])
    with pytest.raises(DamagedRun) as error:
        Store(run, write=write)
    assert "\n" not in str(error.value)


def test_an_index_that_lacks_a_row_is_noticed(run: Path) -> None:
    changed(
        run,
        "PRAGMA writable_schema = ON",
        "CREATE INDEX of_text ON sample (text)",
        "UPDATE sqlite_schema SET sql = 'CREATE INDEX of_text ON sample (finish_reason)' WHERE name = 'of_text'",
    )
    with pytest.raises(DamagedRun, match="pages and indexes"):
        Store(run)


def test_facts_are_checked_whenever_they_are_read(run: Path) -> None:
    changed(run, CHANGES["run"])
    with Store(run, check=False) as store, pytest.raises(DamagedRun, match="facts about the run"):
        store.run()


def test_the_hash_of_the_file_stands_beside_it_from_a_writers_end_to_the_next_ones_beginning(run: Path) -> None:
    import hashlib

    line = f"{hashlib.sha256((run / 'run.db').read_bytes()).hexdigest()}  run.db\n"
    assert (run / "run.db.sha256").read_text() == line
    with Store(run, write=True) as store:
        assert not (run / "run.db.sha256").exists()
        store.log("more")
    assert (run / "run.db.sha256").read_text() != line


def test_a_reader_finds_no_damage_while_a_writer_adds_rows(run: Path) -> None:
    with Store(run, write=True) as writer:
        for number in range(20):
            writer.log("more", number=number)
            with Store(run) as reader:
                assert not any(stage.damage for stage in reader.stages())


def test_a_transaction_that_fails_leaves_the_seals_as_they_were(run: Path) -> None:
    with Store(run, write=True) as store:
        (first, *_) = store.samples("base", "test")
        more = Sample(checkpoint="b", problem="p", index=9, text="", token_count=0, mean_logprob=0, finish_reason="s")
        with pytest.raises(Exception, match="UNIQUE"):
            store.add_samples([more, first])
    Store(without_hash(run)).close()


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_run_of_an_earlier_version_is_sealed_by_its_first_writer(run: Path, version: int) -> None:
    as_of(run, version)
    assert restem("check", run).stdout.startswith("not sealed")
    Store(run, write=True).close()
    assert not restem("check", run).stdout.startswith("not sealed")
    changed(run, CHANGES["verdict"])
    with pytest.raises(DamagedRun, match="verdicts of v-1"):
        Store(run)


COMMANDS: dict[str, Callable[[Path, Path], list[object]]] = {
    "show": lambda run, _: ["show", run],
    "show --json": lambda run, _: ["show", run, "--json"],
    "show --watch": lambda run, _: ["show", run, "--watch"],
    "report": lambda run, _: ["report", run],
    "report --plan": lambda run, _: ["report", run, "--plan"],
    "compare": lambda run, other: ["compare", other, run],
    "judge compare": lambda run, _: ["judge", "compare", run, "--from", "v", "--to", "w"],
    "gate": lambda run, _: ["gate", "--from-run", run, "--verifier", "v", "--verifier", "w"],
    "label": lambda run, other: ["label", run, "--count", 2, "--out", other / "labels.jsonl"],
    "verify": lambda run, _: ["verify", run, "--verifier", "exact", "--quiet"],
    "import": lambda run, other: ["import", other / "rows.jsonl", "--out", run],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stops_with_one_line_and_no_figure(run: Path, tmp_path: Path, command: str) -> None:
    other = Path(shutil.copytree(run, tmp_path / "other"))
    (other / "rows.jsonl").write_text(
        json.dumps({"question": "q", "response": "1", "reference": "1", "step": 1}) + "\n"
    )
    changed(run, CHANGES["verdict"])
    result = restem(*COMMANDS[command](run, other))
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, lines
    assert "verdicts of v-1" in lines[0]
    assert f"`restem check {run}`" in lines[0]


def test_check_prints_every_stage_and_ends_with_1_where_one_is_damaged(run: Path) -> None:
    assert restem("check", run).exit_code == 0
    changed(run, CHANGES["sample"])
    page = json.loads((result := restem("check", run, "--json")).stdout)
    assert (result.exit_code, page["sound"]) == (1, False)
    damaged = [finding for finding in page["findings"] if finding["state"] == "damaged"]
    assert [(each["stage"], each["rows"], each["remedy"]) for each in damaged] == [("samples of base", 3, "import")]
    assert restem("check", run.parent).exit_code == 2
