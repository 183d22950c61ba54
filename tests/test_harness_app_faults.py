"""A run through any sequence of faults ends with the rows of an undisturbed one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, example, given, settings

from tests.fault_sequences import FAULTS, Disturbed, Fault, broken_promises, sequences, undisturbed
from tests.faults import chance_answer, smallest_suite
from tests.judge_server import JudgeServer
from tests.warm_process import WarmProcess


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disturbed]:
    folder = tmp_path_factory.mktemp("faults")
    with JudgeServer(chance_answer) as server, WarmProcess() as process:
        yield undisturbed(process, server, smallest_suite(folder), folder)


@example([Fault(kind, 0.2, number) for number, kind in enumerate(FAULTS)])
@given(sequences(most=3))
@settings(max_examples=3, phases=[Phase.explicit, Phase.generate])
def test_any_sequence_of_faults_ends_with_the_rows_of_an_undisturbed_run(run: Disturbed, faults: list[Fault]) -> None:
    assert broken_promises(run, faults) == []
