"""No reader of outside data ends in a traceback: some damaged files for each; perf/faults_fuzz.py tries thousands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz_files import file_readers, policy_readers
from tests.fuzz_imports import import_readers
from tests.fuzz_runs import run_readers
from tests.fuzz_servers import server_readers, verifier_reader
from tests.fuzzing import Reader, ending, tried

SEED = 16  # no other seed is better; it is fixed so that a failure is found again
COUNT = 4  # mutations a reader


def faults(readers: list[Reader], folder: Path) -> list[str]:
    """What is wrong with the endings of COUNT mutations a reader; the numbers repeat them in perf/faults_fuzz.py."""
    found: list[str] = []
    for reader in readers:
        for number in range(SEED * 10**6, SEED * 10**6 + COUNT):
            place = folder / f"{len(found)} {reader.name.replace('/', ' ')} {number}"
            place.mkdir()
            _, fault = tried(reader, number, place)
            if fault:
                found.append(f"{reader.name} {number}: {fault}")
    return found


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    with server_readers() as asking, verifier_reader() as served:
        for reader in [*file_readers(), *import_readers(), *run_readers(), *policy_readers(), *asking, served]:
            for name, data in list(reader.seeds.items())[: reader.is_quick]:
                place = tmp_path / reader.name.replace("/", " ")
                place.mkdir(parents=True)
                (place / name).write_bytes(data)
                result = reader.read(place / name)
                code, fault = ending(result, set(), set())
                assert not fault, f"{reader.name}: {fault}"
                assert code in reader.sound, f"{reader.name}, {name}: {result.output}"


@pytest.mark.parametrize("readers", [file_readers, import_readers, run_readers, policy_readers])
def test_a_damaged_file_is_one_short_message_or_is_read(readers: Callable[[], list[Reader]], tmp_path: Path) -> None:
    quick = [reader for reader in readers() if reader.is_quick]
    assert faults(quick, tmp_path) == []


def test_a_damaged_reply_or_body_is_one_short_message_or_is_read(tmp_path: Path) -> None:
    with server_readers() as asking, verifier_reader() as served:
        assert faults([*asking, served], tmp_path) == []
