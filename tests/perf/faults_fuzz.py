"""Damages what every reader of outside data reads, and counts how the commands end.

    python tests/perf/faults_fuzz.py --count 5000 --seed 0 [--reader TEXT] [--save FOLDER]

Prints a table `reader | mutations | exit 0, 1, 2 | tracebacks | other faults`, and exits 1 where there is one. Each
damaged file with a fault is saved with its message under `--save`; `--reader` takes the readers whose names hold a
text, and `--one N` does the mutation N of that reader again. Mutations are drawn from `--seed` and the reader's name:
the same seed damages the same way. Takes about 0.15 s a mutation; reports and comparisons take more, so that they get
a tenth of the others' share.

The readers, and what reads them:

    rows of `verify --input`, `probe --input`              benchmarks/json_lines.py, verifiers/rows.py, probe_rows.py
    problem files: JSON lines, JSON, CSV, two lines,       benchmarks/files.py, file_formats.py, columns.py
      Parquet; `import --references`
    suites, `--set`, `--config`, few_shot_file             harness/toml.py, config.py, verifiers/options.py, catalog.py
    gate baselines and golden rows, also `--update`        harness/gate/baseline.py, golden.py, update.py
    marks (`verify RUN --import`), labels (`label --from`) harness/gate/annotations.py, app/label.py
    plan.json, a judge's prompt file                       reports/analysis/plan_check.py, verifiers/judge/prompt.py
    rollouts in the formats of harness/imports/catalog.py  harness/imports/sources.py and a file a format
    run.db: show, verify RUN, gate --from-run, import,     harness/store/, reports/data/
      report, report --plan, compare
    a judge's replies, its list of models, batch results   verifiers/chat/live.py, batch.py, reply.py, models.py
    replies of a reward server                             verifiers/foreign_rewards/server.py
    bodies of `restem serve`, with a policy and with       harness/serving/http.py, requests.py, parameters.py,
      verifiers                                            verifier_server.py
    policy.json, config.json of Hugging Face               harness/model/architecture.py, weights/huggingface_config.py

Not here: answers of programs under test and of worker processes (tests/test_verifiers_code_hostile.py and
test_verifiers_worker.py), parameters and tokenizers (tests/perf/faults_policy.py), texts of plug-in verifiers
(tests/test_verifiers_hostile.py).
"""

from __future__ import annotations

import argparse
import collections
import logging
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.fuzz_files import file_readers, policy_readers
from tests.fuzz_imports import import_readers
from tests.fuzz_runs import run_readers
from tests.fuzz_servers import server_readers, serving_readers
from tests.fuzzing import Reader, tried

SLOW_SHARE = 0.1  # of the mutations of another reader


def main() -> int:
    """Tries all readers and prints the table; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="")
    parser.add_argument("--one", type=int)
    parser.add_argument("--save", type=Path, default=Path("faults_fuzz"))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    total: collections.Counter[str] = collections.Counter()
    with server_readers() as asking, serving_readers() as served:
        readers = [*file_readers(), *import_readers(), *run_readers(), *policy_readers(), *asking, *served]
        readers = [reader for reader in readers if options.reader in reader.name]
        share = options.count / sum(1.0 if reader.is_quick else SLOW_SHARE for reader in readers)
        print(f"{'reader':32} {'n':>5} {'0':>5} {'1':>5} {'2':>5} {'tracebacks':>10} {'others':>6} {'s':>6}")
        for reader in readers:
            count = round(share if reader.is_quick else share * SLOW_SHARE) or 1
            numbers = (
                [options.one] if options.one is not None else range(options.seed * 10**6, options.seed * 10**6 + count)
            )
            began = time.perf_counter()
            counts = collections.Counter(_tried(reader, number, options.save) for number in numbers)
            line = " ".join(f"{counts[code]:5}" for code in ("0", "1", "2"))
            seconds = time.perf_counter() - began
            faults = f"{counts['traceback']:10} {counts['fault']:6} {seconds:6.1f}"
            print(f"{reader.name:32} {sum(counts.values()):5} {line} {faults}", flush=True)
            total += counts
    line = " ".join(f"{total[code]:5}" for code in ("0", "1", "2"))
    print(f"{'all':32} {sum(total.values()):5} {line} {total['traceback']:10} {total['fault']:6}")
    return int(bool(total["traceback"] + total["fault"]))


def _tried(reader: Reader, number: int, save: Path) -> str:
    """How a mutation ended; what ends in a fault is saved."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        code, fault = tried(reader, number, folder)
        if not fault:
            return str(code)
        kept = save / "-".join([*re.findall(r"\w+", reader.name), str(number)])
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        (kept / "message.txt").write_text(fault, "utf-8", errors="backslashreplace")
        return "traceback" if isinstance(code, str) else "fault"


if __name__ == "__main__":
    sys.exit(main())
