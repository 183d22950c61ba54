"""Inspect asks a served policy; its logs are imported, and the scores compared with its own.

    uv venv inspect && uv pip install --python inspect "inspect_ai==0.3.285" openai
    python tests/perf/doors_inspect.py inspect/bin/inspect [--keep FOLDER] [--count 40]

Two epochs of every problem and two scorers; the second gives partial credit, and leaves long replies unscored. One
sample ends in an error. The log is kept as `.json` and as `.eval`; the latter is read by Inspect's own Python, through
inspect_ai.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from doors_served import by_problem, mean, problems, served, table

TASK = """
import json
import re
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import Score, accuracy, match, scorer
from inspect_ai.solver import generate, solver


@scorer(metrics=[accuracy()])
def near():
    async def score(state, target):
        numbers = re.findall("-?[0-9]+", state.output.completion)
        if not numbers:
            return Score(value="N", explanation="no number in the reply")
        if len(numbers) > 8:
            return Score.unscored(reason="too many numbers")
        error = abs(int(numbers[-1]) - int(target[0]))
        return Score(value="C" if error == 0 else "P" if error < 4 else "I", answer=numbers[-1])

    return score


@solver
def sometimes_broken():
    async def solve(state, generate):
        if state.sample_id == "broken":
            raise RuntimeError("the tool does not answer")
        return state

    return solve


@task
def equations():
    rows = [json.loads(line) for line in open("problems.jsonl")]
    targets = [[row["answer"], row["answer"] + ".0"] for row in rows]
    samples = [Sample(id=row["id"], input=row["question"], target=target) for row, target in zip(rows, targets)]
    samples.append(Sample(id="broken", input="Solve x = 1 for x.", target="1"))
    return Task(
        dataset=samples,
        solver=[sometimes_broken(), generate()],
        scorer=[match(location="end", numeric=True), near()],
        fail_on_error=False,
    )
"""
READ = """
import json, sys
from pathlib import Path
from restem.harness.imports.inspect_log import FORMAT
from restem.harness.imports.rollout import Rollout
from restem.harness.imports.sources import Source
rows = [row for row in FORMAT.read(Source(Path(sys.argv[1]))) if isinstance(row, Rollout)]
numbers = {name: {} for name in rows[0].rewards}
for row in rows:
    for name, number in row.rewards.items():
        numbers[name].setdefault(row.group, []).append(number)
print(json.dumps(numbers))
"""
STRIPPED = """
import sys
from inspect_ai.log import read_eval_log, write_eval_log
log = read_eval_log(sys.argv[1], resolve_attachments=True)
for sample in log.samples:
    sample.events, sample.error_retries = [], []
    if sample.error:
        sample.error.traceback = sample.error.traceback_ansi = ""
log.eval.revision, log.eval.task_file = None, "equations.py"
for path in sys.argv[2:]:
    write_eval_log(log, path)
"""


def main() -> None:
    """Runs the evaluator, imports its logs, prints both means."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("inspect", help="the program inspect of an environment")
    arguments.add_argument("--keep", type=Path, help="copy the logs there, without their events")
    arguments.add_argument("--count", type=int, default=40)
    options = arguments.parse_args()
    program = Path(options.inspect).absolute()
    with tempfile.TemporaryDirectory() as name, served() as (base_url, model):
        folder = Path(name)
        problems(folder / "problems.jsonl", options.count)
        (folder / "equations.py").write_text(TASK)
        environment = {**os.environ, "RESTEM_API_KEY": "none", "RESTEM_BASE_URL": base_url, "INSPECT_DISPLAY": "plain"}
        command = [str(program), "eval", "equations.py", "--model", f"openai-api/restem/{model}", "--epochs", "2"]
        subprocess.run([*command, "--max-tokens", "64", "--log-dir", "logs"], cwd=folder, check=True, env=environment)
        (log,) = (folder / "logs").glob("*.eval")
        kept = [folder / "equations.json", folder / "equations.eval"]
        python = program.with_name("python")
        subprocess.run([str(python), "-c", STRIPPED, str(log), *map(str, kept)], cwd=folder, check=True)
        log = json.loads(kept[0].read_text())
        compare(by_problem(kept[:1], folder / "run"), log)
        through = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
        command = [str(python), "-c", READ, str(kept[1])]
        compare(json.loads(subprocess.run(command, check=True, env=through, capture_output=True).stdout), log)
        if options.keep is not None:
            options.keep.mkdir(parents=True, exist_ok=True)
            for path in kept:
                shutil.copy(path, options.keep)


def compare(numbers: dict[str, dict[str, list[float | None]]], log: dict[str, Any]) -> None:
    """Prints the mean of every scorer's values in the log beside that of the rollouts."""
    words = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
    rows = []
    for scorer, of in numbers.items():
        values = [sample["scores"][scorer]["value"] for sample in log["samples"] if sample.get("scores")]
        own = [words.get(value, value) for value in values]
        scored = [value for value in own if value is not None and not math.isnan(value)]
        rows.append((scorer, sum(scored) / len(scored), [number for each in of.values() for number in each]))
    table(rows)
    for score in log["results"]["scores"]:
        # Inspect's accuracy is the mean over samples of the mean over the epochs that were scored.
        of = numbers[score["name"]].values()
        means = [mean(each) for each in of if any(number is not None for number in each)]
        accuracy = score["metrics"]["accuracy"]["value"]
        print(f"{score['name']}: Inspect's accuracy {accuracy:.4f}, from the imported numbers {mean(means):.4f}")


if __name__ == "__main__":
    main()
