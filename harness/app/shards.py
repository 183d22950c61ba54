"""What `restem verify RUN --shard I/N` and `restem merge` do: one verification over many processes or machines.

Takes a run folder and folders of parts; gives verdicts in a part, or the rows of parts in run.db. A part is a small
run folder with the rows of its shard. So it is verified, stopped and resumed like any run, and run.db itself is read
once, at the start, and never written. Imports no JAX.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.harness.app.code_permission import check_code
from restem.harness.app.judges import Options
from restem.harness.app.shard_share import Calls, Share
from restem.harness.app.verify import verify_run
from restem.harness.errors import ConfigError
from restem.harness.store.parts import FACT, Shard, United, add_slice, missing_shards, unite
from restem.harness.store.provenance import PROCESS
from restem.harness.store.store import UNANSWERED, Store, stored_facts
from restem.verifiers import catalog
from restem.verifiers.chat.budget import NOTHING, Charge


def read_shard(text: str) -> Shard:
    """The shard that `--shard 3/16` names.

    Raises:
        ConfigError: It names none.
    """
    index, _, count = text.partition("/")
    if text.isascii() and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count):
        return Shard(index=int(index), count=int(count))
    raise ConfigError(f"--shard {text}: expected I/N with I from 1 to N, such as 3/16")


def part_folder(run: Path, shard: Shard) -> Path:
    """Where a part stands if no place is named: beside the run folder."""
    return run.absolute().with_name(f"{run.absolute().name}.shards") / f"{shard.index}-of-{shard.count}"


def verify_shard(
    folder: Path,
    part: Path,
    shard: Shard,
    names: Sequence[str],
    options: Options,
    split: str | None,
    quiet: bool,
    workers: int = 1,
) -> Iterator[tuple[str, int]]:
    """Adds verdicts on a shard's samples to its part, as `verify_run` does to a run; gives what that gives.

    Args:
        folder: The run folder, which is only read.
        part: The folder of the part; it is made, or goes on where it was.
        shard: The shard.
        names: The verifiers.
        options: Their tables of options; budgets are those of all shards together.
        split: Only the samples of this split; of all splits where None.
        quiet: Whether to show no progress.
        workers: Processes that verify by rule.

    Raises:
        ConfigError: The part is of another run or shard, or the shard's share of a budget is less than a call.
        VerifierError: As `verify_run` raises it.
    """
    check_code(names, options)
    _check_part(folder, part, shard)
    with Store(folder) as run, run.snapshot():
        if "verifiers" not in run.run():
            raise ConfigError(f"{folder}: this run has not begun; `restem run` begins it")
        share = Share.of(run, shard.count, split)
        with Store(part, write=True) as store:
            store.put_run({FACT: {**dataclasses.asdict(shard), "id": secrets.token_hex(8), "asked": []}})
            add_slice(store, run, shard, catalog.judges(names, options))
    yield from verify_run(part, names, options, split, quiet, share, workers)


def _check_part(folder: Path, part: Path, shard: Shard) -> None:
    """Checks that a folder is not there, is empty, or holds the part of this shard."""
    facts = stored_facts(part) if part.is_dir() else {}
    if facts and FACT not in facts:
        raise ConfigError(f"--out {part}: there is a run; name another folder for the part of {folder}")
    if facts and (found := _shard(facts[FACT])) != shard:
        raise ConfigError(f"--out {part}: there is the part of shard {found}; name another folder for shard {shard}")


def _shard(fact: dict[str, Any]) -> Shard:
    return Shard(index=fact["index"], count=fact["count"])


@dataclasses.dataclass(frozen=True, kw_only=True)
class Merged:
    """What a merge did, of one verifier that parts were asked for.

    Attributes:
        verifier: Its fingerprint.
        name: Its name.
        split: Of the problems on whose samples it was asked for; None: of all splits.
        new: Verdicts that the run did not have.
        known: Verdicts that it had already.
        new_calls: Judge calls that it did not have.
        missing: The shards in which samples are still without its verdict.
    """

    verifier: str
    name: str
    split: str | None
    new: int
    known: int
    new_calls: int
    missing: tuple[Shard, ...]


def merge(folder: Path, parts: Sequence[Path]) -> list[Merged]:
    """Unites parts with their run, all of them or none; gives what was done for each verifier they were asked for.

    Raises:
        ConfigError: A folder holds no part, or a part does not go with the run.
    """
    if "verifiers" not in stored_facts(folder):
        raise ConfigError(f"{folder}: no run has begun here; `restem run` begins one")
    asked: dict[tuple[str, str | None, int], None] = {}
    new, known, new_calls = Counter[str](), Counter[str](), Counter[str]()
    with Store(folder, write=True) as run, run.transaction():
        for place in dict.fromkeys((path.parent if path.is_file() else path).resolve() for path in parts):
            with Store(place) as part, part.snapshot():
                united, fact = _add_part(run, part)
                new.update(united.new)
                known.update(united.known)
                new_calls.update(united.new_calls)
                asked |= dict.fromkeys((verifier, split, fact["count"]) for verifier, split in fact["asked"])
        names = run.verifiers()
        return [
            Merged(
                verifier=verifier,
                name=names[verifier][0],
                split=split,
                new=new[verifier],
                known=known[verifier],
                new_calls=new_calls[verifier],
                missing=tuple(missing_shards(run, verifier, split, count)),
            )
            for verifier, split, count in asked
        ]


def _add_part(run: Store, part: Store) -> tuple[United, dict[str, Any]]:
    """Unites a part with its run; gives what was new, and the fact that describes the part."""
    facts = part.run()
    if FACT not in facts:
        raise ConfigError(f"{part.folder}: no part of a run; `restem verify RUN --shard I/N` makes one")
    fact, united = facts[FACT], unite(run, part)
    for verifier in part.verifiers():
        twice = [
            Charge(calls=1, prompt_tokens=p, completion_tokens=c) for v, p, c in united.paid_twice if v == verifier
        ]
        charge = sum(twice, Calls.of(part, verifier).unanswered)
        if charge != NOTHING:
            run.set_run(f"{UNANSWERED}{verifier}:{fact['id']}", dataclasses.asdict(charge))
    known = run.run()["verifiers"]
    if known != (labels := {**facts["verifiers"], **known}):
        run.set_run("verifiers", labels)
    if united.new or united.new_calls:
        processes = [process for process in part.logged(PROCESS) if process["command"] == "verify"]
        run.log("merge", part=fact["id"], shard=str(_shard(fact)), verdicts=united.new.total(), processes=processes)
    return united, fact
