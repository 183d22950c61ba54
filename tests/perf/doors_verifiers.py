"""`vf-eval` of verifiers asks a served policy; its traces are imported, and the rewards compared with its own.

    uv venv vf && uv pip install --python vf "verifiers==0.4.0"           # traces.jsonl
    uv venv vf0 && uv pip install --python vf0 "verifiers==0.1.14"        # results.jsonl
    python tests/perf/doors_verifiers.py vf/bin/vf-eval [--legacy vf0/bin/vf-eval] [--keep FOLDER] [--count 20]

A task set of linear equations with two rewards; the second raises for long replies, which is a missing score.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from doors_served import imported, problems, served, table

NUMBERS = """
import json
import re


def numbers(text):
    return re.findall(r"-?[0-9]+", text or "")


def rows():
    return [json.loads(line) for line in open("problems.jsonl")]
"""
TASKSET = """
import verifiers.v1 as vf
from numbers_in import numbers, rows


class EquationData(vf.TaskData):
    answer: str


class EquationTask(vf.Task[EquationData]):
    @vf.reward(weight=1.0)
    async def correct(self, trace: vf.Trace) -> float:
        found = numbers(trace.nodes[-1].message.content)
        return float(bool(found) and found[-1] == self.data.answer)

    @vf.reward(weight=0.25)
    async def short(self, trace: vf.Trace) -> float:
        found = numbers(trace.nodes[-1].message.content)
        if len(found) > 8:
            raise ValueError("too many numbers to count")
        return 1.0 / (1 + len(found))


class EquationConfig(vf.TasksetConfig):
    pass


class EquationTaskset(vf.Taskset[EquationTask, EquationConfig]):
    def load(self):
        data = [EquationData(prompt=row["question"], answer=row["answer"]) for row in rows()]
        return [EquationTask(each, self.config.task) for each in data]


__all__ = ["EquationTaskset"]
"""
LEGACY = """
import verifiers as vf
from datasets import Dataset
from numbers_in import numbers, rows


def load_environment():
    data = Dataset.from_list([{"question": row["question"], "answer": row["answer"]} for row in rows()])

    def correct(completion, answer, **_):
        found = numbers(completion[-1]["content"])
        return float(bool(found) and found[-1] == answer)

    def short(completion, **_):
        return 1.0 / (1 + len(numbers(completion[-1]["content"])))

    rubric = vf.Rubric(funcs=[correct, short], weights=[1, 0.25])
    return vf.SingleTurnEnv(dataset=data, eval_dataset=data, rubric=rubric)
"""


def main() -> None:
    """Runs the evaluators, imports what they wrote, prints both means."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("vf_eval", help="the program vf-eval of an environment with verifiers 0.4")
    arguments.add_argument("--legacy", help="the same with verifiers 0.1")
    arguments.add_argument("--keep", type=Path, help="copy the files there")
    arguments.add_argument("--count", type=int, default=20)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name, served() as (base_url, model):
        folder = Path(name)
        problems(folder / "problems.jsonl", options.count)
        for module, text in (("numbers_in", NUMBERS), ("equations", TASKSET), ("equations_legacy", LEGACY)):
            (folder / f"{module}.py").write_text(text)
        environment = {**os.environ, "PYTHONPATH": str(folder), "KEY": "none", "COLUMNS": "100"}
        asked = ["-m", model, "-n", str(options.count), "-r", "3", "-c", "4"]
        modern = ["equations", *asked, "--no-push", "-o", "out", "--client.base-url", base_url]
        modern += ["--client.api-key-var", "KEY", "--env.agent.harness.id", "null"]
        modern += ["--env.agent.runtime.type", "subprocess"]
        program = str(Path(options.vf_eval).absolute())
        subprocess.run([program, *modern], cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
        (traces,) = (folder / "out").rglob("traces.jsonl")
        compare(traces, folder / "run", own_traces(traces))
        kept = [traces]
        if options.legacy is not None:
            program = str(Path(options.legacy).absolute())
            legacy = ["equations_legacy", *asked, "-b", base_url, "-k", "KEY", "-s"]
            subprocess.run([program, *legacy], cwd=folder, check=True, env=environment, stdout=subprocess.DEVNULL)
            (results,) = folder.rglob("results.jsonl")
            metadata = json.loads(results.with_name("metadata.json").read_text())
            own = {"reward": metadata["avg_reward"], **metadata["avg_metrics"]}
            compare(results, folder / "run_legacy", own)
            kept += [results, results.with_name("metadata.json")]
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            for path in kept[1:]:
                shutil.copy(path, options.keep)
            (options.keep / traces.name).write_text("".join(stripped(line) for line in traces.open()))


def stripped(line: str) -> str:
    """An episode without what belongs to the machine: the agents' runtimes, times and tracebacks."""
    episode = json.loads(line)
    for trace in episode["traces"]:
        trace["agent"].pop("runtime", None)
        trace.pop("timing", None)
        for error in trace["errors"]:
            error.pop("traceback", None)
    return json.dumps(episode) + "\n"


def own_traces(path: Path) -> dict[str, float]:
    """Name of a reward -> its mean over the traces that have it, from the file itself."""
    scores: dict[str, list[float]] = {}
    for line in path.read_text().splitlines():
        for trace in json.loads(line)["traces"]:
            for name, reward in trace["rewards"].items():
                if reward is not None:
                    scores.setdefault(name, []).append(reward["score"])
    return {name: sum(of) / len(of) for name, of in scores.items()}


def compare(path: Path, out: Path, own: dict[str, float]) -> None:
    """Imports a file and prints the means."""
    numbers = imported([path], out)
    table([(name, own[name], of) for name, of in numbers.items() if name in own])


if __name__ == "__main__":
    main()
