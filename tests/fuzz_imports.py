"""The readers of rollouts, with a sound file of each format."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import Result

from tests import fuzz_mutations as damage
from tests.fuzzing import ROLLOUTS, Reader, command, lines

FORMATS: Mapping[str, Sequence[str]] = {
    "trl": ("trl_1.16/completions_00001.parquet",),
    "verl": (
        "verl_0.9.1/v1/rollouts/1.jsonl",
        "verl_0.9.1/legacy/rollouts/1.jsonl",
        "verl_0.9.1/v1/validation/1.jsonl",
    ),
    "verl parquet": ("verl_0.9.1/generation.parquet",),
    "skyrl": ("skyrl/dumped_evals/global_step_40_evals/openai_gsm8k.jsonl",),
    "areal": ("areal/2/0.jsonl",),
    "nemo_rl": ("nemo_rl/train_data_step3.jsonl", "nemo_rl/val_data_step3.jsonl"),
    "open_instruct": ("open_instruct/run_rollouts_000000.jsonl",),
    "tinker": ("tinker/train_rollout_summaries.jsonl", "tinker/trajectories.jsonl"),
    "tunix": ("tunix/trajectory_log_1.csv",),
    "inspect_log": ("inspect/equations.json",),
    "inspect_log eval": ("inspect/equations.eval",),
    "lm_eval": (
        "lm_eval/samples_equations_2026-11-30T12-13-24.719610.jsonl",
        "lm_eval/samples_equations_repeated_2026-11-30T12-13-24.719610.jsonl",
    ),
    "lm_eval beside": ("lm_eval/results_2026-11-30T12-13-24.719610.json",),
    "lighteval": ("lighteval/details_equations.parquet",),
    "nemo_gym": ("nemo_gym/math.jsonl", "nemo_gym/unjudged_failures.jsonl"),
    "verifiers_traces": ("verifiers/traces.jsonl",),
    "verifiers_results": ("verifiers/results.jsonl",),
    "verifiers_results beside": ("verifiers/metadata.json",),
    "nemo_skills": ("nemo_skills/output-rs1.jsonl",),
    "eval_protocol": ("eval_protocol/rows.jsonl",),
    "openai_evals": ("openai_evals/log.jsonl",),
    "chat": ("chat/chat.jsonl",),
}
# A file beside the damaged one, which the format reads too, or the rows where the damaged one stands beside.
BESIDE = {
    "lm_eval": "lm_eval/results_2026-11-30T12-13-24.719610.json",
    "verifiers_results": "verifiers/metadata.json",
    "lm_eval beside": "lm_eval/samples_equations_2026-11-30T12-13-24.719610.jsonl",
    "verifiers_results beside": "verifiers/results.jsonl",
}
RECORDED = lines(
    *(
        {
            **{"question": "Solve 3*x = 21 for x.", "response": text, "references": ["7"], "step": step, "index": None},
            **{
                "group": 3,
                "rewards": {"a": reward, "b": 0.5},
                "reasons": reasons,
                "seconds": {"a": 0.1},
                "form": "trl",
            },
        }
        for text, step, reward, reasons in (("x = 7", 1, 1.0, {}), ("x = 8", 2, None, {"a": "ValueError: no"}))
    )
)
MAPPED = b"input,output,gts,step,k,score\n1+1?,2,2,0,0,1.0\n1+2?,4,3,0,0,0\n1+2?,3,3,1,1,0.75\n"
MAP = "question=input,response=output,reference=gts,step=step,index=k,reward.acc=score"


def _import(form: str) -> Callable[[Path], Result]:
    name = form.partition(" ")[0]

    def read(path: Path) -> Result:
        source = path
        if form in BESIDE:
            other = ROLLOUTS / BESIDE[form]
            (path.parent / other.name).write_bytes(other.read_bytes())
            source = path.parent / other.name if form.endswith("beside") else path
        chosen = [] if len(path.read_bytes()) % 2 else ["--format", name]
        if name == "mapped":
            chosen = ["--map", MAP] if len(path.read_bytes()) % 3 else []
        out = path.with_name("run")
        result = command("import", source, "--out", out, "--quiet", "--json", *chosen)
        if result.exit_code or result.exception or len(path.read_bytes()) % 2:
            return result
        return command("show", out)

    return read


def references(path: Path) -> Result:
    rows = path.with_name("rows.jsonl")
    rows.write_bytes(lines({"question": "What is 1 + 1?", "response": "2", "reward": 1.0}))
    return command("import", rows, "--out", path.with_name("run"), "--references", path, "--quiet")


@functools.cache
def import_readers() -> list[Reader]:
    """The readers of rollouts: each format is named in half of the cases, and recognised in the others."""
    ours = [("recorded", "rows.jsonl", RECORDED, damage.lines_mutated)]
    ours.append(("mapped", "rows.csv", MAPPED, damage.csv_mutated))
    readers = [
        Reader(name=f"import {name}", seeds={file: sound}, mutate=mutate, read=_import(name))
        for name, file, sound, mutate in ours
    ]
    mutates = {".jsonl": damage.lines_mutated, ".json": damage.json_mutated, ".csv": damage.csv_mutated}
    mutates |= {".parquet": damage.parquet_mutated, ".eval": damage.zip_mutated}
    for form, files in FORMATS.items():
        seeds = {Path(file).name: (ROLLOUTS / file).read_bytes() for file in files}
        if form == "inspect_log eval":  # the stored one is compressed as Python cannot read it
            seeds = {"log.eval": _eval_log(json.loads((ROLLOUTS / "inspect" / "equations.json").read_bytes()))}
        mutate = mutates[Path(files[0]).suffix]
        readers.append(Reader(name=f"import {form}", seeds=seeds, mutate=mutate, read=_import(form)))
    return readers


def _eval_log(log: dict[str, Any]) -> bytes:
    samples = log.pop("samples")
    files = {"header.json": log, **{f"samples/{number}_epoch_1.json": each for number, each in enumerate(samples)}}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, value in files.items():
            archive.writestr(name, json.dumps(value))
    return written.getvalue()
