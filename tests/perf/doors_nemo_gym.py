"""The rollouts that NeMo Gym ships are imported; its rewards are compared with `sympy` where a row has a reference.

    pip download --no-deps --python-version 3.13.14 --only-binary=:all: "nemo-gym==0.7.0"
    unzip -q nemo_gym-0.7.0-py3-none-any.whl -d gym
    python tests/perf/doors_nemo_gym.py gym [--out RUN]

Every server's `data/example_rollouts*.jsonl` is read; a file of placeholders is no rollouts. `--out` keeps the run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from restem.harness.app.import_rollouts import Request, SourceResult, import_rollouts
from restem.harness.errors import ConfigError
from restem.harness.store.store import Store

OTHERS = ("_materialized_inputs", "_reward_profiling", "_metrics")
PAIRS = """
SELECT a.outcome, b.outcome, s.source, p.reference, s.text, b.reason, b.rule FROM verdict a
JOIN verdict b ON a.sample = b.sample JOIN sample s ON s.id = a.sample JOIN problem p ON p.id = s.problem
JOIN verifier va ON va.fingerprint = a.verifier JOIN verifier vb ON vb.fingerprint = b.verifier
WHERE va.name = ? AND vb.name = 'sympy' AND p.reference IS NOT NULL
"""


def main() -> None:
    """Imports all files, verifies the run, prints the tables."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("gym", type=Path, help="the unpacked wheel")
    arguments.add_argument("--out", type=Path, help="keep the run there")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as name:
        out = options.out or Path(name) / "run"
        started = time.perf_counter()
        results = read_all(options.gym, out)
        print(f"imported in {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        command = [sys.executable, "-m", "restem.harness.cli", "verify", str(out), "--verifier", "sympy"]
        subprocess.run(command, check=True)
        print(f"verified in {time.perf_counter() - started:.1f} s")
        print_counts(results)
        print_pairs(out)


def read_all(gym: Path, out: Path) -> list[SourceResult]:
    """Imports every file of rollouts; one that is none is named."""
    files = sorted(gym.rglob("*example_rollouts*.jsonl"))
    results: list[SourceResult] = []
    for file in (file for file in files if not any(other in file.name for other in OTHERS)):
        try:
            results += import_rollouts(Request(paths=(file,), gold="sympy"), out, quiet=True)
        except ConfigError as error:
            print(f"no rollouts: {str(error).replace(str(gym), '')[:150]}")
    return results


def print_counts(results: list[SourceResult]) -> None:
    """Prints what became of the rows."""
    refused = sum((result.counts.refused for result in results), Counter[str]())
    imported = sum(result.counts.imported for result in results)
    known = sum(result.counts.known for result in results)
    same = sum(result.skipped is not None for result in results)
    print(f"{len(results)} files, {same} of them equal to another; {imported} rollouts, {known} known, {refused}")


def print_pairs(out: Path) -> None:
    """Prints Gym's rewards against sympy, and the rows that sympy calls wrong where Gym's reward is 1."""
    with Store(out) as store:
        for name in ("recorded:reward", "recorded:library_reward", "recorded:judge"):
            rows = store.query(PAIRS, (name,))
            counts = Counter((own, other) for own, other, *_ in rows)
            print(f"{name}, {len(rows)} rows with a reference")
            for own in ("correct", "wrong"):
                cells = {other: counts[own, other] for other in ("correct", "wrong", "undecided")}
                print(f"  {own:8} {sum(cells.values()):4}: sympy {cells}")
        for own, other, source, reference, text, reason, rule in store.query(PAIRS, ("recorded:reward",)):
            if (own, other) == ("correct", "wrong"):
                print(f"  {source}: {reference!r:.60} {rule} {reason}: ...{text[-120:]!r}")


if __name__ == "__main__":
    main()
