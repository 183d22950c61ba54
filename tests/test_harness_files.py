"""Files that commands write: whole or not at all, whatever the disk does and whatever the path leads to."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.files import write_whole
from restem.verifiers.adapters.recorder import append
from tests.conftest import restem
from tests.faults import environment
from tests.small_disk import disk

ROW = '{"id": "a", "question": "Solve 3*x = 6 for x.", "reference": "2", "response": "x = 2"}\n'


@given(st.text(st.characters(codec="utf-8")))
def test_text_comes_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "text"
    write_whole(path, text)
    assert path.read_bytes() == text.encode()


@pytest.mark.parametrize("before", [None, b"old"])
def test_a_full_disk_leaves_the_old_file_or_none(tmp_path: Path, before: bytes | None) -> None:
    with disk(tmp_path / "small", "size=16k"):
        path = tmp_path / "small" / "out"
        if before:
            path.write_bytes(before)
        with pytest.raises(OSError, match=r"No space left on device: '.*/small/out'"):
            write_whole(path, bytes(100_000))
        assert [file.read_bytes() for file in path.parent.iterdir()] == [before] * bool(before)


def test_a_file_that_is_replaced_keeps_its_rights_and_a_link_to_it(tmp_path: Path) -> None:
    path, link = tmp_path / "out", tmp_path / "link"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to("out")
    write_whole(link, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode), link.is_symlink()) == ("new", 0o640, True)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_a_new_file_has_the_rights_that_the_umask_gives(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "out", "new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == mode


def test_a_pipe_gets_what_is_written_and_stays(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    assert restem("generate", "linear_1d", "--count", 2, "--output", tmp_path / "pipe").exit_code == 0
    reader.join()
    assert read == [restem("generate", "linear_1d", "--count", 2).stdout]
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("output", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("into_file", [False, True])
def test_standard_output_gets_what_is_written_by_its_name(tmp_path: Path, output: str, into_file: bool) -> None:
    (tmp_path / "link").symlink_to("/dev/stdout")
    code = f"from restem.harness.files import write_whole as w; from pathlib import Path; w(Path('{output}'), 'whole')"
    with (tmp_path / "out").open("w+") as file:
        to = file if into_file else subprocess.PIPE
        child = subprocess.run(
            [sys.executable, "-c", f"{code}; print(' and more')"], cwd=tmp_path, env=environment(), stdout=to, text=True
        )
    assert (child.stdout or (tmp_path / "out").read_text()) == "whole and more\n"
    assert sorted(os.listdir(tmp_path)) == ["link", "out"]


def test_a_device_takes_what_is_written(tmp_path: Path) -> None:
    assert restem("generate", "linear_1d", "--count", 2, "--output", "/dev/null").exit_code == 0
    result = restem("generate", "linear_1d", "--count", 2, "--output", "/dev/full")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "restem: /dev/full: No space left on device; free some space: the same command then goes on"
    )


def test_a_full_disk_leaves_whole_rows_in_a_file_that_grows(tmp_path: Path) -> None:
    with disk(tmp_path / "small", "size=16k"):
        path, rows = tmp_path / "small" / "rows.jsonl", [{"text": "x" * 400}] * 12
        append(path, rows)
        with pytest.raises(OSError, match="No space left"):
            append(path, rows * 3)
        written = path.read_text().splitlines()
    assert [json.loads(line) for line in written] == rows


COMMANDS = (
    "generate linear_1d --count 100 --output {small}/out",
    "verify --verifier sympy --input {rows} --output {small}/out",
    "probe --verifier accept_all --count 40 --output {small}/out",
    "gate --from-run {run} --verifier exact --verifier accept_all --output {small}/out",
    "label {run} --verifier exact --split test --count 40 --out {small}/out",
    "report {run} --plan --output {small}",
    "compare {run} {run} --output {small}",
    "run {run}/suite.toml --out {small} --quiet",
)
WHOLE = ("filler", "run.db", "run.lock", "plan.json")  # what the disk had room for


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.partition(" {")[0])
def test_a_full_disk_stops_every_command_with_one_line_and_no_part_of_a_file(
    command: str, finished_run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished_run, tmp_path / "run"))
    (tmp_path / "rows.jsonl").write_text("".join(ROW.replace('"a"', f'"{n}"') for n in range(300)))
    with disk(tmp_path / "small", "size=8k"):
        small = tmp_path / "small"
        (small / "filler").write_bytes(bytes(4000))
        result = restem(*command.format(small=small, rows=tmp_path / "rows.jsonl", run=run).split())
        left = [path.name for path in small.rglob("*") if path.is_file() and path.name not in WHOLE]
    assert (result.exit_code, left) == (1, []), result.output
    assert isinstance(result.exception, SystemExit)
    assert any(text in result.stderr.splitlines()[-1] for text in ("No space left", "the disk is full"))
