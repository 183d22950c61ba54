"""The embedded judge: through the real client it separates right from wrong, and it ends with its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from restem.benchmarks.linear_1d import problems
from restem.benchmarks.linear_equations import parse_question, worked_solution
from tests.conftest import restem

ROOT = Path(__file__).parents[1]


def rows() -> list[dict[str, str]]:
    """Worked solutions of 40 test problems, each once with the right reference and once with a neighbour of it."""
    result = []
    for problem in problems(77, (3.0, 4.5), {"test": 40})["test"]:
        response = "\n".join(worked_solution(parse_question(problem.question)))
        for label, reference in (("right", problem.reference), ("wrong", str(int(problem.reference or 0) + 1))):
            result.append(
                {
                    "id": f"{problem.id}:{label}",
                    "question": problem.question,
                    "reference": str(reference),
                    "response": response,
                }
            )
    return result


def test_without_a_key_the_embedded_judge_compares_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    result = restem("verify", "--verifier", "judge", "--input", path, "--output", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    verdicts = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    right = [verdict["reward"] for verdict in verdicts if verdict["id"].endswith("right")]
    wrong = [verdict["reward"] for verdict in verdicts if verdict["id"].endswith("wrong")]
    assert sum(reward == 1 for reward in right) >= 36
    assert sum(reward == 0 for reward in wrong) >= 36


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads process states from /proc")
def test_the_judge_ends_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from restem.harness.serving.embedded_judge import embedded_judge\n"
        "with embedded_judge(pathlib.Path(sys.argv[1])):\n"
        "    print('up', flush=True)\n"
        "    time.sleep(600)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, str(tmp_path / "judge.log")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
        assert len(children) == 1
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while running(int(children[0])) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(int(children[0]))
