"""The public audit packages falsepass and reward-doctor, run against our verifiers.

    uv pip install --target /tmp/audits --no-deps falsepass==0.11.0 reward-doctor==0.2.0 rewardlint==0.1.0
    PYTHONPATH=/tmp/audits python tests/perf/doors_audits.py [VERIFIER...]

A verifier is wrapped as a plain function for reward-doctor, where undecided is 0, and as a TRL function for falsepass,
where undecided is None. Prints the headline figures of both: false positives, false negatives and accepted exploits
of reward-doctor; the highest reward of a known-bad text (false-pass ceiling), the reward of the best policy that does
not look at the problem, and the share of right answers refused, of falsepass. Exits with 1 where a known-bad text is
paid by `sympy` or `exact`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from restem.benchmarks.problem import Problem
from restem.verifiers import Attempt, Verdict, build

PAIRS = [
    (12, 13),
    (21, 55),
    (34, 12),
    (7, 8),
    (15, 77),
    (101, 3),
    (45, 19),
    (66, 6),
    (23, 29),
    (31, 37),
    (99, 2),
    (18, 64),
]
NEVER_PAY = ("sympy", "exact")
REWARD = """
from restem.benchmarks.problem import Problem
from restem.verifiers import Attempt, build

VERIFIER = build({name!r})


def reward(prompts, completions, answer, **kwargs):
    texts = [c if isinstance(c, str) else c[0]["content"] for c in completions]
    asked = [p if isinstance(p, str) else p[-1]["content"] for p in prompts]
    problems = [
        Problem(id=str(n), question=q, reference=a, split="test", source="audit")
        for n, (q, a) in enumerate(zip(asked, answer))
    ]
    return [v.reward for v in VERIFIER.verify([Attempt(problem=p, response=t) for p, t in zip(problems, texts)])]
"""
HEADLINES = ("False-pass ceiling", "Lazy-policy reward", "False-fail rate", "Completions on which reward code raised")


def plain(name: str, seen: list[Verdict]) -> Callable[..., float]:
    """The verifier as `f(prompt, completion, reference) -> number`; its verdicts are added to `seen`."""
    verifier = build(name)

    def reward(prompt: str, completion: str, reference: str) -> float:
        problem = Problem(id="p", question=prompt or "What is it?", reference=reference, split="test", source="audit")
        (verdict,) = verifier.verify([Attempt(problem=problem, response=completion)])
        seen.append(verdict)
        return float(verdict.reward or 0)

    return reward


def reward_doctor(name: str) -> bool:
    """Prints the audit; whether no known-bad text is accepted."""
    from reward_doctor.audit import audit

    seen: list[Verdict] = []
    result = audit(plain(name, seen), name=name)
    print(
        f"reward-doctor {name}: false positives {result.false_positive_rate:.1%} of {len(result.should_reject)}, false "
        f"negatives {result.false_negative_rate:.1%} of {len(result.should_accept)}, exploits accepted "
        f"{len(result.exploits_accepted)}, errors {len(result.errors)}; "
        f"{dict(Counter(verdict.outcome.value for verdict in seen))}"
    )
    for outcome in (*result.false_positives, *result.false_negatives)[:12]:
        kind = "paid" if outcome.accepted else "refused"
        print(f"    {kind}: {outcome.case.reference!r} <- {outcome.case.completion[:80]!r}")
    return not result.false_positives


LEFT, RIGHT = range(12, 24), range(13, 25)  # twelve products


def falsepass(name: str) -> bool:
    """Prints the headline figures of all probes and the search; whether no known-bad text is paid."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "rewards.py").write_text(REWARD.format(name=name), "utf-8")
        rows = [{"prompt": f"What is {a} * {b}?", "answer": str(a * b)} for a, b in zip(LEFT, RIGHT, strict=True)]
        Path(folder, "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        start = [sys.executable, "-m", "falsepass.cli", "init", "rewards.py", "--dataset", "data.jsonl"]
        run = [sys.executable, "-m", "falsepass.runner", "audits/audited", "--package", "restem", "--jobs", "1"]
        for command in ([*start, "--func", "reward", "--name", "audited"], [*run, "-n", "12", "--search", "120"]):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        report = Path(folder, "audits/audited/summary.md")
        if not report.is_file():
            raise SystemExit(f"falsepass {name}: {done.stdout[-500:]}{done.stderr[-1500:]}")
        text = report.read_text("utf-8")
    lines = [line for line in text.splitlines() if any(f"**{headline}" in line for headline in HEADLINES)]
    print(f"falsepass {name}:")
    for line in lines:
        print(f"    {line.replace('*', '').lstrip('- ')}")
    print(f"    rewardlint's corpus: {re.findall(r'Profile:.*', text)[-1:]}")
    ceiling = re.search(r"False-pass ceiling:\*\* ([0-9.]+)", text)
    return ceiling is not None and float(ceiling[1]) == 0


def main(names: list[str]) -> int:
    failed = False
    for name in names or [*NEVER_PAY, "math_verify"]:
        holds = [reward_doctor(name), falsepass(name)]
        failed |= name in NEVER_PAY and not all(holds)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
