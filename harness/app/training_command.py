"""A command of the user's that trains, for `training.engine = "command"`: its files, and how it is run.

Takes a selection, a folder to start from and the command; gives the folder that the command left. Loads no JAX, and
does not know what a policy is: whoever calls says what a folder has to hold. Everything stands in the run folder:

    training/ARM-ITERATION/    data.jsonl, log.txt, and output/ as the command left it

`output/` gets this name when the command has ended without an error and what it left can be used. It is used again
where the run was stopped after that; what a stopped command left is removed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from restem.harness.app.selection_file import selection_lines
from restem.harness.errors import CheckpointMismatch, ConfigError, TrainingFailed
from restem.harness.files import write_parts
from restem.harness.settings import PLACEHOLDER, TrainingConfig
from restem.harness.store.store import Store

FOLDER = "training"
OUTPUT = "output"
MADE_BY = "made_by.json"
Loaded = TypeVar("Loaded")
# The command ends with this process, however that ends. Linux alone can do it; elsewhere an orphan ends by itself.
_LAUNCH = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])"
)


def place_of(target: str) -> Path:
    """Where the folder that is trained for a checkpoint stands, inside the run folder."""
    return Path(FOLDER) / target.replace("/", "-") / OUTPUT


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingCommand:
    """The command of a run.

    Attributes:
        store: Of the run.
        instruction: What follows every question of a prompt.
    """

    store: Store
    instruction: str | None

    def train(
        self,
        target: str,
        start: Callable[[], Path],
        start_sha256: str,
        training: TrainingConfig,
        seed: int,
        load: Callable[[Path], Loaded],
    ) -> Loaded:
        """What the command leaves for the checkpoint `target`; its folder is then `place_of(target)`.

        Args:
            target: The checkpoint's id, whose selection is trained on.
            start: Gives the folder to start from, where the command has to be run.
            start_sha256: The hash of the policy in it.
            training: The settings, the command among them.
            seed: A number for the command.
            load: Reads a folder; raises ConfigError or CheckpointMismatch where it cannot be used.

        Raises:
            TrainingFailed: The command ended with an error, or left nothing that can be used.
            SaveFailed: The folder to start from cannot be written.
        """
        output = self.store.folder / place_of(target)
        place = output.parent
        place.mkdir(parents=True, exist_ok=True)
        write_parts(place / "data.jsonl", selection_lines(self.store, target, self.instruction))
        made_by = {
            "training": training.model_dump(mode="json"),
            "seed": seed,
            "data_sha256": hashlib.sha256((place / "data.jsonl").read_bytes()).hexdigest(),
            "start_sha256": start_sha256,
        }
        for left in place.glob(f"{OUTPUT}-*"):  # by commands that were stopped
            shutil.rmtree(left)
        if _read(output / MADE_BY) == made_by:
            return _loaded(output, load)
        shutil.rmtree(output, ignore_errors=True)
        attempt = place / f"{OUTPUT}-{os.urandom(4).hex()}"
        attempt.mkdir()
        places = {"data": place / "data.jsonl", "start": start(), "output": attempt, "seed": seed}
        self._run(training, places, place / "log.txt")
        loaded = _loaded(attempt, load)
        (attempt / MADE_BY).write_text(json.dumps(made_by), "utf-8")
        attempt.rename(output)
        return loaded

    def _run(self, training: TrainingConfig, places: Mapping[str, Path | int], log: Path) -> None:
        values = training.model_dump(mode="json") | {name: _text(value) for name, value in places.items()}
        arguments = [_filled(part, values) for part in training.command]
        started = time.monotonic()
        code = execute(arguments, log)
        self.store.log("command", arguments=arguments, code=code, seconds=time.monotonic() - started)
        if code:
            raise TrainingFailed(f"training.command ended with {code}: {_last_line(log)}; all that it wrote: {log}")


def _text(place: Path | int) -> str:
    return str(place.absolute()) if isinstance(place, Path) else str(place)


def _filled(part: str, values: Mapping[str, Any]) -> str:
    """An argument with the values in the places of their names."""
    return re.sub(PLACEHOLDER, lambda match: str(values[match.group(1)]), part)


def execute(arguments: Sequence[str], log: Path) -> int:
    """The exit code of a program whose output goes into a file; it ends when this process does."""
    launch = [sys.executable, "-c", _LAUNCH, str(os.getpid()), *arguments]
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            launch, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)  # all that it has started
            process.wait()
            raise


def _last_line(log: Path) -> str:
    with open(log, "rb") as stream:
        stream.seek(max(0, log.stat().st_size - 4096))
        lines = stream.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it wrote nothing")


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None


def _loaded(folder: Path, load: Callable[[Path], Loaded]) -> Loaded:
    try:
        return load(folder)
    except (ConfigError, CheckpointMismatch) as error:
        raise TrainingFailed(
            f"training.command ended without an error, but its policy cannot be used: {error}"
        ) from None
