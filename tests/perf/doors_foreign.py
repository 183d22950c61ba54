"""Foreign reward functions as verifiers, against the numbers that their frameworks' own callers give.

Every framework stands in an environment of its own; ours needs none of them, because the option `python` runs a
function in another interpreter. A name is left out where its argument is:

    uv venv -p 3.11 E/trl   && uv pip install -p E/trl 'trl==1.16.0' 'math-verify[antlr4_13_2]==0.9.0' 'torch==2.13.0'
    uv venv -p 3.11 E/verl  && uv pip install -p E/verl 'verl==0.9.1' 'torch==2.13.0'
    uv venv -p 3.11 E/rlhf  && uv pip install -p E/rlhf --no-deps 'openrlhf==0.11.2' torch transformers aiohttp ...
    uv venv -p 3.12 E/insp  && uv pip install -p E/insp 'inspect-ai==0.3.285'
    uv venv -p 3.12 E/vf0   && uv pip install -p E/vf0 'verifiers==0.1.14'
    uv venv -p 3.12 E/vf    && uv pip install -p E/vf 'verifiers==0.4.0'
    uv venv -p 3.12 E/gym   && uv pip install -p E/gym 'nemo-gym==0.7.0' 'math-verify[antlr4_13_2]'
    python tests/perf/doors_foreign.py trl=E/trl verl=E/verl openrlhf=E/rlhf inspect=E/insp rubrics=E/vf0 tasks=E/vf \
        gym=E/gym

Prints one line for each function: how many numbers are equal to 1e-6, what our verdicts are, and seconds a response.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from restem.benchmarks.problem import Problem
from restem.verifiers import Attempt, build, checked

CALLS = Path(__file__).with_name("doors_foreign_calls.py")
REFERENCES = ("7", "-3", "12", "1/3", "\\frac{1}{2}", "x^2+1", "0.5", "42")
FORMS = (
    "\\boxed{{{right}}}",
    "<think>\nLet me see.\n</think>\nThe answer is $\\boxed{{{right}}}$.",
    "So the answer is {right}",
    "#### {right}",
    "ANSWER: {right}",
    "\\boxed{{{wrong}}}",
    "It is not \\boxed{{{right}}} but \\boxed{{{wrong}}}",
    "I do not know.",
    "",
    "\\boxed{{" * 40,
    "{right} or {wrong} \u00b7 \u4e03 \U0001f600",
)


def rows() -> list[dict[str, str]]:
    """Right, wrong, empty and odd responses in the usual forms."""
    wrong = (*REFERENCES[1:], REFERENCES[0])
    return [
        {
            "question": f"What is the value of number {n}?",
            "reference": reference,
            "response": form.format(right=reference, wrong=other),
        }
        for n, (reference, other) in enumerate(zip(REFERENCES, wrong, strict=True))
        for form in FORMS
    ]


NAMES: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
    "trl": {
        "accuracy_reward": ("trl:trl.rewards:accuracy_reward", {}),
        "think_format_reward": ("trl:trl.rewards:think_format_reward", {}),
        "open_r1_format": ("trl:{calls}:open_r1_format", {}),
    },
    "verl": {
        "default_compute_score": ("verl:verl.utils.reward_score:default_compute_score", {"data": "openai/gsm8k"}),
        "compute_score": ("verl:{calls}:compute_score", {}),
    },
    "openrlhf": {"reward_func": ("openrlhf:{calls}:reward_func", {})},
    "inspect": {
        "match": ("inspect:match", {}),
        "includes": ("inspect:inspect_ai/includes", {}),
        "answer": ("inspect:answer", {"keywords": {"pattern": "line"}}),
        "exact": ("inspect:inspect_ai.scorer:exact", {}),
        "f1": ("inspect:f1", {}),
    },
    "rubrics": {
        "rubric": ("verifiers:{made}:rubric", {}),
        "MathRubric": ("verifiers:verifiers:MathRubric", {}),
    },
    "tasks": {
        "Sum": ("verifiers:{calls}:Sum", {}),
        "verify_boxed_math_answer": ("reward:verifiers.v1.utils.score:verify_boxed_math_answer", {}),
    },
}


def own_numbers(framework: str, interpreter: str, table: list[dict[str, str]]) -> dict[str, list[float | None]]:
    """Function -> the numbers that the framework's own caller gives."""
    with tempfile.TemporaryDirectory() as logs:
        done = subprocess.run(
            [interpreter, str(CALLS), framework],
            input=json.dumps(table),
            capture_output=True,
            text=True,
            env={**os.environ, "DOORS_LOGS": logs, "TOKENIZERS_PARALLELISM": "false"},
        )
    line = next((line for line in done.stdout.splitlines() if line.startswith("NUMBERS ")), None)
    if line is None:
        raise SystemExit(f"{framework}: {done.stderr[-2000:]}")
    return json.loads(line.removeprefix("NUMBERS "))


def attempts(table: list[dict[str, str]], data: dict[str, Any]) -> list[Attempt]:
    problems = {
        row["question"]: Problem(
            id=row["question"],
            question=row["question"],
            reference=row["reference"],
            split="test",
            source="doors",
            data=data,
        )
        for row in table
    }
    return [Attempt(problem=problems[row["question"]], response=row["response"]) for row in table]


def compared(label: str, name: str, options: dict[str, Any], table: list[dict[str, str]], own: list[Any]) -> bool:
    """Prints one line; whether all numbers are equal."""
    data = {"data_source": options.pop("data")} if "data" in options else {}
    began = time.perf_counter()
    verifier = build(name, {name: options})
    loaded = time.perf_counter() - began
    began = time.perf_counter()
    verdicts = checked(verifier, attempts(table, data))
    seconds = (time.perf_counter() - began) / len(table)
    equal = [
        (verdict.raw_reward is None) == (number is None)
        and (number is None or abs((verdict.raw_reward or 0.0) - number) < 1e-6)
        for verdict, number in zip(verdicts, own, strict=True)
    ]
    outcomes = Counter(verdict.outcome.value for verdict in verdicts)
    reasons = Counter(verdict.reason for verdict in verdicts if verdict.reason)
    print(
        f"{label:34} {sum(equal):3d} of {len(equal)} equal  {dict(outcomes)}  {1e3 * seconds:.2f} ms a response, "
        f"loaded in {loaded:.1f} s {dict(reasons) or ''}"
    )
    print(f"    {name}: {getattr(verifier, 'note', '')}")
    for row, verdict, number, same in zip(table, verdicts, own, equal, strict=True):
        if not same:
            print(f"    {row['reference']!r} {row['response'][:60]!r}: theirs {number}, ours {verdict}")
    return all(equal)


@contextmanager
def gym_server(interpreter: str) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([interpreter, str(CALLS), "serve_gym", str(port)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with socket.socket() as client:
                if client.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/verify"
    finally:
        process.terminate()
        process.wait()


def main(arguments: list[str]) -> int:
    table, same = rows(), True
    for argument in arguments:
        framework, _, folder = argument.partition("=")
        interpreter = folder if folder.endswith("python") else f"{folder}/bin/python"
        own = own_numbers(framework, interpreter, table)
        if framework == "gym":
            with gym_server(interpreter) as address:
                same &= compared("gym math_with_judge", address, {"seconds": 60.0}, table, own["verify"])
            continue
        with tempfile.TemporaryDirectory() as folder_of_made:
            made = Path(folder_of_made, "made_rubric.py")
            made.write_text(f"import sys\nsys.path.insert(0, {str(CALLS.parent)!r})\n")
            made.write_text(made.read_text() + "import doors_foreign_calls\nrubric = doors_foreign_calls.rubric()\n")
            for function, (name, options) in NAMES[framework].items():
                place = name.format(calls=CALLS) if framework != "rubrics" else name.format(made=made)
                given = {**options, "python": interpreter, "seconds": 60.0}
                same &= compared(f"{framework} {function}", place, given, table, own[function])
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
