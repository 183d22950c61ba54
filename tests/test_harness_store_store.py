"""run.db: what goes in comes out, one writer, and files of another time are refused."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.benchmarks.problem import ATTACK, Probe
from restem.harness.errors import ConfigError, RunBusy, StoreFailed
from restem.harness.store import schema
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.harness.store.rows import batched, packed_ids, unpacked_ids
from restem.harness.store.store import Store
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import problem
from tests.old_runs import SCHEMAS, as_of
from tests.strategies import judged_samples


def filled(folder: Path, samples: list[Sample]) -> Store:
    store = Store(folder, write=True)
    store.add_problems([problem("q", "1", id=id) for id in dict.fromkeys(s.problem for s in samples)])
    store.add_samples(samples)
    store.add_verifier("v-1", "v", {})
    return store


def sample(**changes: Any) -> Sample:
    fields = {"checkpoint": "base", "problem": "p", "index": 0, "text": "", "token_count": 0, "mean_logprob": 0.0}
    ids = changes.get("token_ids")
    return Sample(**{**fields, "finish_reason": "stop", **changes} | ({"token_count": len(ids)} if ids else {}))


def set_version(folder: Path, version: int) -> None:
    with closing(sqlite3.connect(folder / "run.db")) as db:
        db.execute(f"PRAGMA user_version = {version}")


def columns(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Table -> its columns: name, type, constraints."""
    """Name, type, default and key of every column; a file of version 5 keeps three columns of `sample` NOT NULL."""
    sql = "SELECT name, type, dflt_value, pk FROM pragma_table_info(?)"
    return {table.name: store.query(sql, (table.name,)) for table in schema.TABLES}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(judged_samples())
def test_samples_and_verdicts_come_back_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, judged: tuple[list[Sample], dict[int, Verdict]]
) -> None:
    samples, verdicts = judged
    with filled(tmp_path_factory.mktemp("run"), samples) as store:
        store.add_verdicts("v-1", verdicts.items())
        assert store.samples("base", "test") == samples
        assert store.verdicts("base", "test", "v-1") == verdicts


def test_problems_come_back_in_their_order(tmp_path: Path) -> None:
    problems = [problem(f"q{i}", str(i), id=f"p{9 - i}") for i in range(5)]
    with Store(tmp_path, write=True) as store:
        store.add_problems(problems)
        assert store.problems("test") == store.problems() == problems


def test_checkpoints_and_selections_come_back(tmp_path: Path) -> None:
    checkpoint = Checkpoint(id="a/1", arm="a", iteration=1, kind="trained", losses=(0.5, 0.25), steps=2)
    record = sample()
    selection = Selection(checkpoint="a/1", rows=(Selected(sample=record.id, weight=0.0, dropped_by="wrong"),))
    with filled(tmp_path, [record]) as store:
        store.add_checkpoint(checkpoint)
        store.add_selection(selection)
        assert store.checkpoint("a/1") == checkpoint
        assert store.selection("a/1") == selection
        assert store.selection("a/2") is None


def test_a_second_verdict_of_the_same_verifier_is_refused(tmp_path: Path) -> None:
    record = sample()
    with filled(tmp_path, [record]) as store:
        rows = [(record.id, Verdict(outcome=Outcome.WRONG, score=0.0))]
        store.add_verdicts("v-1", rows)
        with pytest.raises(StoreFailed):
            store.add_verdicts("v-1", rows)
        assert len(store.query("SELECT * FROM verdict")) == 1


def test_a_second_writer_is_refused_and_told_who_holds_the_run(tmp_path: Path) -> None:
    import os

    with Store(tmp_path, write=True), pytest.raises(RunBusy, match=str(os.getpid())):
        Store(tmp_path, write=True)


def test_a_store_that_cannot_be_opened_leaves_the_folder_free(tmp_path: Path) -> None:
    Store(tmp_path, write=True).close()
    set_version(tmp_path, 99)
    with pytest.raises(ConfigError):
        Store(tmp_path, write=True)
    set_version(tmp_path, schema.VERSION)
    Store(tmp_path, write=True).close()


def test_a_failed_transaction_leaves_no_rows_and_lets_the_next_one_begin(tmp_path: Path) -> None:
    with filled(tmp_path, [sample()]) as store:
        with pytest.raises(StoreFailed):
            store.add_samples([sample(index=1), sample()])
        store.add_samples([sample(index=2)])
        assert {s.index for s in store.samples("base", "test")} == {0, 2}


def test_a_reader_sees_what_a_writer_has_committed(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as writer:
        writer.put_run({"a": 1})
        with Store(tmp_path) as reader:
            assert reader.run() == {"a": 1}
            writer.put_run({"a": 2, "b": [3]})
            assert reader.run() == {"a": 1, "b": [3]}


def test_a_folder_without_a_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run"):
        Store(tmp_path / "nothing")


@pytest.mark.parametrize("write", [False, True])
def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path, write: bool) -> None:
    (tmp_path / "run.db").write_text("junk\n" * 300)
    with pytest.raises(StoreFailed, match=r"run\.db: damaged \(file is not a database\); restore it from a copy"):
        Store(tmp_path, write=write)
    assert (tmp_path / "run.db").read_text() == "junk\n" * 300


def test_a_database_of_another_schema_is_refused(tmp_path: Path) -> None:
    Store(tmp_path, write=True).close()
    set_version(tmp_path, 99)
    with pytest.raises(ConfigError, match="schema version 99"):
        Store(tmp_path)


def test_probes_and_their_verdicts_come_back(tmp_path: Path) -> None:
    some = [Probe(problem="p", kind=ATTACK, form=form, text=form) for form in ("empty", "claim")]
    verdict = Verdict(outcome=Outcome.CORRECT, score=1.0, answer="empty", span=(0, 5), tokens=3)
    with filled(tmp_path, []) as store:
        store.add_problems([problem("q", "1", id="p")])
        store.add_probes(some)
        store.add_probe_verdicts("v-1", [(0, verdict)])
        assert list(store.probes().values()) == some
        assert store.probe_verdicts("v-1") == {0: verdict}
        assert store.probe_verdicts("v-2") == {}


def test_a_run_of_version_2_is_read_as_one_without_probes(tmp_path: Path) -> None:
    filled(tmp_path, []).close()
    as_of(tmp_path, 2)
    with Store(tmp_path) as store:
        assert store.probes() == store.probe_verdicts("v-1") == {}


def test_data_alternatives_and_strata_of_problems_come_back(tmp_path: Path) -> None:
    full = dataclasses.replace(
        problem("q", "1"), data={"tests": [1]}, alternatives=("2", "3"), strata={"level": "5", "type": "Algebra"}
    )
    with Store(tmp_path, write=True) as store:
        store.add_problems([full, problem("r", None, id="plain")])
        assert store.problems() == [full, problem("r", None, id="plain")]


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_run_of_an_earlier_version_gives_the_same_records_without_what_came_later(
    tmp_path: Path, version: int
) -> None:
    with filled(tmp_path, [sample(token_ids=(5, 7))]) as store:
        problems = store.problems()
    as_of(tmp_path, version)
    for write in (False, True):
        with Store(tmp_path, write=write) as store:
            ids = None if version < schema.SAMPLE.added["token_ids"] else (5, 7)
            assert store.samples("base", "test") == [dataclasses.replace(sample(token_count=2), token_ids=ids)]
            assert store.problems() == problems


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_writer_gives_a_run_of_an_earlier_version_what_it_lacks(tmp_path: Path, version: int) -> None:
    filled(tmp_path, []).close()
    with Store(tmp_path) as store:
        today = columns(store)
    as_of(tmp_path, version)
    with Store(tmp_path, write=True) as store:
        assert columns(store) == today
        assert store.query("PRAGMA user_version") == [(schema.VERSION,)]
        assert store.query("SELECT name FROM verifier") == [("v",)]


@pytest.mark.parametrize("version", SCHEMAS)
def test_a_reader_of_an_earlier_version_sees_every_column_of_today(tmp_path: Path, version: int) -> None:
    filled(tmp_path, [sample()]).close()
    as_of(tmp_path, version)
    with Store(tmp_path) as store:
        for table in schema.TABLES:
            store.query(f"SELECT {table.names()} FROM {table.name}")


def test_a_reader_of_an_earlier_version_goes_on_while_a_writer_adds_what_is_new(tmp_path: Path) -> None:
    filled(tmp_path, []).close()
    as_of(tmp_path, 3)
    with Store(tmp_path) as reader, Store(tmp_path, write=True) as writer:
        writer.add_problems([problem("q", "1", id="p")])
        writer.add_samples([sample(token_ids=(1,))])
        assert [s.id for s in reader.samples("base", "test")] == [sample().id]


@given(st.lists(st.integers(0, 2**32 - 1), max_size=5) | st.lists(st.integers(0, 300), max_size=5))
def test_token_ids_come_back_from_their_bytes(ids: list[int]) -> None:
    assert unpacked_ids(packed_ids(ids), len(ids)) == tuple(ids)


@pytest.mark.parametrize(("most", "width"), [(255, 1), (256, 2), (65_535, 2), (65_536, 4)])
def test_a_token_id_takes_as_many_bytes_as_the_largest_needs(most: int, width: int) -> None:
    assert packed_ids([0, most]) == bytes(width) + most.to_bytes(width, "little")


def test_a_batch_never_splits_a_problem() -> None:
    samples = [
        Sample(checkpoint="b", problem=p, index=i, text="", token_count=0, mean_logprob=0.0, finish_reason="stop")
        for p in "abc"
        for i in range(3)
    ]
    assert ["".join(s.problem for s in batch) for batch in batched(samples, 4)] == ["aaabbb", "ccc"]


def test_a_samples_id_depends_on_checkpoint_problem_and_index_alone() -> None:
    fields = {"checkpoint": "b", "problem": "p", "index": 1, "token_count": 1, "mean_logprob": 0.0}
    record = Sample(**fields, text="x", finish_reason="stop")  # type: ignore[arg-type]
    other = Sample(**fields, text="y", finish_reason="length")  # type: ignore[arg-type]
    assert record.id == other.id


# The columns of probe_verdict are those of verdict.
@pytest.mark.parametrize("table", [t for t in schema.TABLES if t != schema.PROBE_VERDICT], ids=lambda table: table.name)
def test_the_documentation_describes_every_column(table: schema.Table) -> None:
    text = (Path(__file__).parents[1] / "docs" / "run_db.md").read_text("utf-8")
    section = text.partition(f"\n## {table.name}")[2].partition("\n## ")[0]
    assert [name for name in table.columns if f"`{name}`" not in section] == []


def test_a_thread_that_goes_on_when_its_connection_is_closed_gets_an_error(tmp_path: Path) -> None:
    errors: list[BaseException] = []
    began = threading.Event()

    def writes(store: Store) -> None:
        try:
            while True:
                store.log("still here")
                began.set()
        except sqlite3.ProgrammingError as error:
            errors.append(error)

    with Store(tmp_path, write=True) as store:
        with store.beside() as other:
            thread = threading.Thread(target=writes, args=[other])
            thread.start()
            assert began.wait(60)
        thread.join()
        assert "closed" in str(errors)
        assert len(store.logged("still here")) == store.query("SELECT max(id) FROM event")[0][0]


def test_a_signal_while_a_transaction_waits_for_its_lock_leaves_none_open(tmp_path: Path) -> None:
    """SQLite waits for the lock, and Python raises the signal's exception when the transaction has begun."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Store(tmp_path, write=True) as store, store.beside() as other:
        lock = other.transaction()
        lock.__enter__()
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGUSR1]).start()
        threading.Timer(0.3, lock.__exit__, [None, None, None]).start()
        before = signal.signal(signal.SIGUSR1, interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                store.log("interrupted")
        finally:
            signal.signal(signal.SIGUSR1, before)
        other.log("goes on")
        assert [store.logged(kind) for kind in ("interrupted", "goes on")] == [[], [{}]]
