"""Grades rows with somebody else's grader: JSON lines in, JSON lines out; run by answer_checking.py in a child process.

    python answer_peers.py PEER < rows.jsonl

Runs in the peers' own environment and therefore imports nothing of ours. Some of these graders evaluate what they are
given, so the process takes limits before it reads a line, and its caller gives it an empty folder and no environment.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

Grader: TypeAlias = Callable[[str, str], bool]

MEMORY = 3 << 30


def math_verify() -> Grader:
    """Math-Verify with its defaults, as its README calls it: the reference as LaTeX, the response as it is."""
    from math_verify import parse, verify

    return lambda reference, response: bool(verify(parse(f"${reference}$"), parse(response)))


def inspect_math() -> Grader:
    """Inspect's `math()` scorer, awaited in one event loop, as an evaluation does."""
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.scorer import CORRECT, Target, math
    from inspect_ai.solver import TaskState

    score = math()
    runner = asyncio.Runner()

    def grade(reference: str, response: str) -> bool:
        output = ModelOutput.from_content("mockllm/model", response)
        state = TaskState(ModelName("mockllm/model"), 0, 0, "", [], output=output)
        score_given = runner.run(score(state, Target(reference)))
        return score_given is not None and score_given.value == CORRECT

    return grade


def prm800k() -> Grader:
    """The grader of PRM800K, as the package MathRuler ships it, on what a short extractor finds."""
    from mathruler.grader import extract_boxed_content, grade_answer

    def grade(reference: str, response: str) -> bool:
        box = extract_boxed_content(response)
        return bool(grade_answer(extract(response) if box == "None" else box, reference))

    return grade


def verl_math() -> Grader:
    """verl's reward for MATH: the last box, equal as normalised text.

    Its file is loaded by path, because the package itself imports PyTorch.
    """
    package = importlib.util.find_spec("verl")
    assert package
    assert package.origin
    path = Path(package.origin).parent / "utils" / "reward_score" / "math_reward.py"
    spec = importlib.util.spec_from_file_location("verl_math_reward", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda reference, response: module.compute_score(response, reference) == 1.0


def last_number() -> Grader:
    """The last number of the text, commas taken out, as a fraction."""
    number = re.compile(r"-?\d+(?:/-?\d+|\.\d+)?")

    def grade(reference: str, response: str) -> bool:
        numbers = number.findall(response.replace(",", "").replace("$", ""))
        return bool(numbers) and Fraction(numbers[-1]) == Fraction(reference)

    return grade


def plain_sympy() -> Grader:
    """`parse_expr` on the whole response, and `==`."""
    from sympy.parsing.sympy_parser import parse_expr

    return lambda reference, response: bool(parse_expr(response) == parse_expr(reference))


def extracted_sympy() -> Grader:
    """The same on what `extract` finds."""
    plain = plain_sympy()
    return lambda reference, response: plain(reference, extract(response))


def extract(response: str) -> str:
    """What a short extractor finds: the last box, else after "answer is", else the last line; right of its last `=`."""
    if boxes := re.findall(r"\\boxed\{([^{}]*)\}", response):
        extracted = boxes[-1]
    elif claims := re.findall(r"answer is:?\s*([^\n]*)", response, re.IGNORECASE):
        extracted = claims[-1]
    else:
        extracted = (response.strip().splitlines() or [""])[-1]
    return extracted.rpartition("=")[2].strip().strip("$.").strip()


PEERS: dict[str, Callable[[], Grader]] = {
    "math_verify": math_verify,
    "inspect_math": inspect_math,
    "prm800k": prm800k,
    "verl_math": verl_math,
    "last_number": last_number,
    "plain_sympy": plain_sympy,
    "extracted_sympy": extracted_sympy,
}


def graded(grade: Grader, reference: str, response: str) -> tuple[bool, str]:
    """Whether it accepts the response, and the name of what it raised; an error accepts nothing."""
    try:
        return grade(reference, response), ""
    except (Exception, SystemExit) as problem:  # of another's code nothing is known, and every error is counted
        return False, type(problem).__name__


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a peer prints, or a command that it was made to run, is no answer of ours
    grade = PEERS[sys.argv[1]]()
    graded(grade, "7", "x = 7")  # loads what it loads late
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        began = time.process_time()
        accepted, error = graded(grade, row["reference"], row["response"])
        seconds = time.process_time() - began
        print(json.dumps({"accepted": accepted, "seconds": seconds, "error": error}), file=answers, flush=True)


if __name__ == "__main__":
    main()
