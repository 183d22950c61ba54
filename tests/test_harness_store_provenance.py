"""What of two processes of a run differs, and where it is written down."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from restem.harness.store.provenance import PROCESS, differences, log_process, provenance
from restem.harness.store.store import Store
from restem.reports.data.read import read_run
from restem.reports.tables import provenance as table

FIRST: dict[str, Any] = {
    "versions": {"jax": "0.10.0", "openai": "1.0", "optax": None},
    "python": "3.12.1",
    "platform": "Linux x86_64",
    "device": "2 x cpu",
    "git_commit": "abc",
}


def test_a_process_differs_from_itself_in_nothing() -> None:
    assert differences(provenance(), provenance()) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"versions": {"jax": "0.10.1", "openai": "1.0"}}, ["jax 0.10.1 instead of 0.10.0"]),
        ({"versions": {"jax": "0.10.0", "openai": "2.0", "flax": "1"}}, []),
        ({"versions": {"jax": "0.10.0", "openai": "1.0", "optax": "0.2"}}, ["optax 0.2 instead of none"]),
        ({"python": "3.12.9", "device": "1 x cpu"}, []),
        ({"python": "3.13.0"}, ["python 3.13 instead of 3.12"]),
        ({"device": "1 x NVIDIA H200"}, ["device NVIDIA H200 instead of cpu"]),
        ({"device": None}, []),
        ({"git_commit": None}, ["git_commit none instead of abc"]),
        ({"platform": "Linux aarch64"}, ["platform Linux aarch64 instead of Linux x86_64"]),
    ],
)
def test_only_what_may_change_rows_is_a_difference(change: dict[str, Any], expected: list[str]) -> None:
    assert differences(FIRST, FIRST | change) == expected


def test_a_process_is_compared_with_the_last_one_of_its_command_or_with_what_an_earlier_version_recorded(
    tmp_path: Path,
) -> None:
    with Store(tmp_path, write=True) as store:
        assert log_process(store, "run") == []
        store.put_run(provenance() | {"python": "2.7.18"})
        assert log_process(store, "run") == []
        assert any(line.endswith("instead of 2.7") for line in log_process(store, "verify"))
        assert [process["command"] for process in store.logged(PROCESS)] == ["run", "run", "verify"]
        log_process(store, "verify", repeat=False)
        assert len(store.logged(PROCESS)) == 3


def test_the_report_names_every_other_program_once(tmp_path: Path) -> None:
    with Store(tmp_path, write=True) as store:
        store.put_run(FIRST)
        for jax in ("0.10.0", "0.10.1", "0.10.1", "0.10.2"):
            versions = FIRST["versions"] | {"jax": jax}
            store.log(PROCESS, command="run", **FIRST | {"versions": versions})
        run = read_run(store)
    assert table.other_programs(run) == [
        "Not one program made all rows of this run: process 2 (restem run) had jax 0.10.1 instead of 0.10.0; "
        "process 4 (restem run) had jax 0.10.2 instead of 0.10.0."
    ]
