"""The M-step by a command of the user's: `training.engine = "command"`.

Takes a selection, the policy to start from and the command; gives trained parameters. The command gets the selection
as JSON Lines and the policy as a Hugging Face folder, and leaves such a folder. Everything stands in the run folder:

    training/start-HASH/       the policy that training starts from, once for all M-steps that do
    training/ARM-ITERATION/    data.jsonl, log.txt, and output/ as the command left it

`output/` gets this name when the command has ended without an error and its parameters can be loaded. It is used again
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
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from restem.harness.app.code_permission import check_command
from restem.harness.app.selection_file import selection_lines
from restem.harness.config import Suite
from restem.harness.distributed.hosts import Hosts
from restem.harness.errors import CheckpointMismatch, ConfigError, TrainingFailed
from restem.harness.files import write_parts
from restem.harness.loop.stage import Trainer
from restem.harness.model.mesh import shardings_of
from restem.harness.model.policy import Params, Policy, policy_hash
from restem.harness.settings import PLACEHOLDER, TrainingConfig
from restem.harness.store.store import Store
from restem.harness.training.m_step import Fitted
from restem.harness.weights.huggingface import load_hf_params, save_hf
from restem.harness.weights.huggingface_config import to_config

FOLDER = "training"
_MADE_BY = "made_by.json"
# The command ends with this process, however that ends. Linux alone can do it; elsewhere an orphan ends by itself.
_LAUNCH = (
    "import ctypes, os, sys\n"
    "if sys.platform == 'linux': ctypes.CDLL(None).prctl(1, 9)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])"
)


def check_training(suite: Suite, base: Policy, hosts: Hosts) -> None:
    """Checks that a suite's command, where it has one, may train this policy on these hosts.

    Raises:
        ConfigError: It is not permitted, there are several hosts, or the policy has no form that it could be given in.
    """
    if suite.training.engine == "own":
        return
    check_command(suite.training)
    if hosts.count > 1:
        raise ConfigError(f'training.engine: "command" trains on one host, found --hosts {hosts.count}')
    to_config(base.architecture, base.tokenizer, "float32")


def trainer_of(suite: Suite, store: Store, base: Policy, hosts: Hosts) -> Trainer | None:
    """What trains instead of our own M-step; None where a suite has no command."""
    if suite.training.engine == "own":
        return None
    return CommandTrainer(store=store, instruction=base.tokenizer.instruction, hosts=hosts)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CommandTrainer:
    """Trains by the command of a run.

    Attributes:
        store: Of the run.
        instruction: What follows every question of a prompt.
        hosts: The devices that hold the parameters.
    """

    store: Store
    instruction: str | None
    hosts: Hosts

    def __call__(self, target: str, start: Policy, training: TrainingConfig, seed: int) -> Fitted:
        """The parameters that the command leaves for the checkpoint `target`.

        Raises:
            TrainingFailed: It ended with an error, or left no policy of this shape.
            SaveFailed: The policy to start from cannot be written.
        """
        place = self.store.folder / FOLDER / target.replace("/", "-")
        place.mkdir(parents=True, exist_ok=True)
        write_parts(place / "data.jsonl", selection_lines(self.store, target, self.instruction))
        made_by = {
            "training": training.model_dump(mode="json"),
            "seed": seed,
            "data_sha256": hashlib.sha256((place / "data.jsonl").read_bytes()).hexdigest(),
            "start_sha256": policy_hash(start),
        }
        for left in place.glob("output-*"):  # by commands that were stopped
            shutil.rmtree(left)
        output = place / "output"
        if _read(output / _MADE_BY) == made_by:
            params = _loaded(output, start)
        else:
            shutil.rmtree(output, ignore_errors=True)
            params = self._train(place, output, start, training, made_by)
        shardings = shardings_of(self.hosts.meshes.local, params, over_data=False)
        params = jax.device_put(params, shardings)
        return Fitted(params=params, steps=training.steps, losses=(), validation_reward=None)

    def _train(
        self, place: Path, output: Path, start: Policy, training: TrainingConfig, made_by: Mapping[str, Any]
    ) -> Params:
        """The parameters that the command leaves; `output` is then there."""
        folder = self.store.folder / FOLDER / f"start-{policy_hash(start)[:12]}"
        if not folder.exists():
            save_hf(start, folder)
        attempt = place / f"output-{os.urandom(4).hex()}"
        attempt.mkdir()
        places = {"data": place / "data.jsonl", "start": folder, "output": attempt, "seed": made_by["seed"]}
        values = training.model_dump(mode="json") | {name: _text(value) for name, value in places.items()}
        arguments = [_filled(part, values) for part in training.command]
        started = time.monotonic()
        log = place / "log.txt"
        code = execute(arguments, log)
        self.store.log("command", arguments=arguments, code=code, seconds=time.monotonic() - started)
        if code:
            raise TrainingFailed(f"training.command ended with {code}: {_last_line(log)}; all that it wrote: {log}")
        params = _loaded(attempt, start)
        (attempt / _MADE_BY).write_text(json.dumps(made_by), "utf-8")
        attempt.rename(output)
        return params


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


def _loaded(folder: Path, start: Policy) -> Params:
    try:
        return load_hf_params(folder, start.architecture)
    except (ConfigError, CheckpointMismatch) as error:
        raise TrainingFailed(
            f"training.command ended without an error, but its policy cannot be used: {error}"
        ) from None
