"""What an E-step kept, as a file for supervised fine-tuning: `restem export RUN --selection`.

Takes a run folder; gives JSON Lines. Needs no JAX and no tokenizer. Each line has the question and the response twice:
as `messages`, which axolotl reads, and as `prompt` and `completion`, which TRL reads; docs/doors.md tells how each
trainer is set.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.harness.errors import ConfigError
from restem.harness.files import write_parts
from restem.harness.model.prompt_text import prompt_text
from restem.harness.names import unmarked
from restem.harness.store.selected import Counts, Kept, counts, kept, selections
from restem.harness.store.store import Store


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """The checkpoint that was (or is to be) trained on a selection, and what the selection holds."""

    checkpoint: str
    counts: Counts


def write_selection(run: Path, arm: str | None, iteration: int | None, output: Path) -> Written:
    """Writes the kept responses of one E-step of a run.

    Args:
        run: The run folder.
        arm: The arm's name; None: the run has one arm.
        iteration: The iteration; None: the last one that has a selection.
        output: The file.

    Raises:
        ConfigError: There is no such arm or iteration, several arms and none named, or an arm of GRPO.
    """
    with Store(run) as store, store.snapshot():
        facts = store.run()
        checkpoint = _chosen(run, selections(store), arm, iteration)
        _check_algorithm(facts, checkpoint)
        held = counts(store, checkpoint)
        if not held.kept:
            raise ConfigError(f"{run}: {checkpoint}: the training verifier accepted nothing, so nothing was kept")
        instruction = facts.get("suite", {}).get("benchmark", {}).get("instruction") or None
        write_parts(output, selection_lines(store, checkpoint, instruction))
    return Written(checkpoint=checkpoint, counts=held)


def _chosen(run: Path, stored: list[str], arm: str | None, iteration: int | None) -> str:
    """The id of the checkpoint whose selection is meant."""
    iterations: dict[str, list[int]] = {}
    for id in stored:
        name, _, number = id.rpartition("/")
        iterations.setdefault(name, []).append(int(number))
    if not iterations:
        raise ConfigError(f"{run}: no E-step of this run has selected anything yet")
    names = ", ".join(iterations)
    if arm is None:
        if len(iterations) > 1:
            raise ConfigError(f"{run}: several arms; give --arm, one of {names}")
        (arm,) = iterations
    if arm not in iterations:
        raise ConfigError(f"{run}: --arm {arm}: expected one of {names}{did_you_mean(arm, [*iterations])}")
    if iteration is not None and iteration not in iterations[arm]:
        there = ", ".join(map(str, iterations[arm]))
        raise ConfigError(f"{run}: --iteration {iteration}: expected one that {arm} has a selection of: {there}")
    return f"{arm}/{iterations[arm][-1] if iteration is None else iteration}"


def _check_algorithm(facts: Mapping[str, Any], checkpoint: str) -> None:
    """Checks that the arm is not trained by GRPO, whose selection holds advantages of all samples."""
    name = unmarked(checkpoint.rpartition("/")[0])
    for arm in facts.get("suite", {}).get("arms", ()):
        if arm["name"] == name and arm.get("algorithm") == "grpo":
            raise ConfigError(f"arm {name!r} is trained by GRPO: it weighs all samples by advantages and keeps none")


def selection_lines(store: Store, checkpoint: str, instruction: str | None) -> Iterator[bytes]:
    """The lines of the file of the selection that a checkpoint was (or is to be) trained on."""
    held = counts(store, checkpoint)
    with_ids = held.with_ids == held.kept
    for response in kept(store, checkpoint):
        line = sft_row(response, instruction) | {"checkpoint": checkpoint}
        if with_ids:  # in every line or in none: readers take the columns' types from the first ones
            line["completion_ids"] = response.token_ids
        yield f"{json.dumps(line)}\n".encode()


def sft_row(response: Kept, instruction: str | None) -> dict[str, Any]:
    """A line of the file as JSON: the conversation in both forms, the weight, and where it comes from."""
    asked = [{"role": "user", "content": prompt_text(response.question, instruction)}]
    answered = [{"role": "assistant", "content": response.response}]
    return {
        "messages": asked + answered,
        "prompt": asked,
        "completion": answered,
        "weight": response.weight,
        "problem": response.problem,
        "index": response.index,
        "sampled_from": response.sampled_from,
    }
