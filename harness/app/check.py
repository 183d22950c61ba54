"""What `restem check` does: looks at every row, page and checkpoint of a run, and says what is damaged.

Takes a run folder; gives findings: for each stage whether it is sound, and how it can be made again where it is not.
Changes nothing. Imports JAX only where the run has checkpoints and the extra `train` is installed.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from restem.harness.app.extra import lacking
from restem.harness.app.outside_training import damage_of
from restem.harness.app.training_command import FOLDER
from restem.harness.names import ENGINE
from restem.harness.store import schema, seals
from restem.harness.store.records import Checkpoint
from restem.harness.store.store import Store


class State(enum.StrEnum):
    """What was found."""

    SOUND = "sound"
    DAMAGED = "damaged"
    LOST = "lost"  # a policy folder is not there
    NOT_SEALED = "not sealed"  # a version without seals made the run
    NOT_CHECKED = "not checked"


class Remedy(enum.StrEnum):
    """How a damaged stage can be made again."""

    COPY = "copy"  # a copy of run.db has it; or the whole run is made again elsewhere, with the same rows
    IMPORT = "import"  # the same files, imported into a new folder, give the same rows
    RESTORE = "restore"  # training again gives the same parameters


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found in one stage of a run.

    Attributes:
        stage: The stage, in words.
        state: Whether it is sound.
        rows: How many rows it has; None where it has none.
        detail: What is wrong.
        remedy: How it can be made again; None where it is sound.
    """

    stage: str
    state: State
    rows: int | None = None
    detail: str = ""
    remedy: Remedy | None = None


def check_run(folder: Path) -> Iterator[Finding]:
    """The findings in a run, one after the other, as they are made.

    Raises:
        NoRun: The folder holds no run.
        StoreFailed: SQLite cannot open it.
    """
    with Store(folder, check=False) as store:
        *rows, pages = store.stages()
        damaged = {stage.table for stage in rows if stage.damage}
        imported = schema.RUN.name not in damaged and store.run().get("imported")
        remedy = Remedy.IMPORT if imported else Remedy.COPY
        of_run = [] if schema.CHECKPOINT.name in damaged else store.checkpoints()
        checkpoints = [row for row in of_run if row.path is not None]
        engine = [] if damaged else [*_of_engine(store, of_run)]
    if not rows:
        yield Finding(stage="rows", state=State.NOT_SEALED)
    for stage in (*rows, pages):
        yield _finding(stage, remedy)
    yield from engine
    yield from _of_folders(folder, checkpoints)


def _of_folders(folder: Path, checkpoints: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Whether the folders of policies hold them: those that a command left, and our own."""
    left = [row for row in checkpoints if Path(str(row.path)).is_relative_to(FOLDER)]
    own = [row for row in checkpoints if row not in left]
    yield from (_of_folder(folder, row, damage_of) for row in left)
    if own and (missing := lacking()):
        detail = f"{len(own)} folders; needs {missing[0]}, of the extra train"
        yield Finding(stage="policy folders", state=State.NOT_CHECKED, detail=detail)
    elif own:
        from restem.harness.loop import stored_policy  # it imports JAX

        yield from (_of_folder(folder, row, stored_policy.damage_of) for row in own)


def _of_engine(store: Store, checkpoints: Sequence[Checkpoint]) -> Iterator[Finding]:
    """Whether servers drew every checkpoint's samples with its weights; nothing where our own sampler drew them."""
    sampling = (store.run().get("suite") or {}).get("sampling") or {}
    if sampling.get("engine", "own") == "own":
        return
    held: dict[str, set[str]] = {}
    for event in store.logged(ENGINE):
        held.setdefault(event["checkpoint"], set()).add(event["weights"])
    sampled = {checkpoint for checkpoint, _ in store.sampled_splits()}
    drawn = [row for row in checkpoints if row.id in sampled and row.kind != "references"]
    wrong = [row.id for row in drawn if held.get(row.id) != {row.params_sha256}]
    detail = f"the weights that drew {', '.join(wrong)} are not known to be its own" if wrong else ""
    state, remedy = (State.DAMAGED, Remedy.COPY) if wrong else (State.SOUND, None)
    yield Finding(stage="engine", state=state, rows=len(drawn), detail=detail, remedy=remedy)


def _finding(stage: seals.Stage, remedy: Remedy) -> Finding:
    rows = stage.rows if stage.table else None
    if not stage.damage:
        return Finding(stage=stage.name, state=State.SOUND, rows=rows)
    return Finding(stage=stage.name, state=State.DAMAGED, rows=rows, detail=stage.damage, remedy=remedy)


def _of_folder(folder: Path, row: Checkpoint, damage_of: Callable[[Path, Checkpoint], str | None]) -> Finding:
    stage = f"policy folder of {row.id}"
    if not (folder / str(row.path)).is_dir():
        return Finding(stage=stage, state=State.LOST, detail=str(row.path), remedy=Remedy.RESTORE)
    damage = damage_of(folder, row)
    state, remedy = (State.DAMAGED, Remedy.RESTORE) if damage else (State.SOUND, None)
    return Finding(stage=stage, state=state, detail=damage or "", remedy=remedy)
