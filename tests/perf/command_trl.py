"""A run whose M-step is TRL's SFTTrainer: two iterations, killed while the second one trains, and resumed.

    ENV/bin/python -c "import trl, datasets, torch"      an environment with TRL (1.16.0 was tried)
    python -m tests.perf.command_trl ENV/bin/python FOLDER

Prints the rows of the resumed run beside those of an undisturbed one, and how often TRL was called in each.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from tests.small_suite import small_suite

PROGRAM = """
import sys

import trl
from datasets import load_dataset

data, start, output, steps, seed, rate = sys.argv[1:]
trainer = trl.SFTTrainer(
    model=start,
    train_dataset=load_dataset("json", data_files=data, split="train"),
    args=trl.SFTConfig(
        output_dir=output, max_steps=int(steps), seed=int(seed), learning_rate=float(rate), report_to=[],
        save_strategy="no", use_cpu=True, bf16=False, per_device_train_batch_size=4
    ),
)
trainer.train()
trainer.save_model(output)
"""
ARM = '[[arms]]\nname = "sympy"\nverifier = "sympy"\n'


def command(python: str, folder: Path, out: str) -> list[str]:
    words = [python, str(folder / "sft.py"), "{data}", "{start}", "{output}", "{steps}", "{seed}", "{learning_rate}"]
    settings = [f"training.command={words}", 'training.engine="command"', "training.learning_rate=1e-4"]
    options = [part for setting in settings for part in ("--set", setting)]
    run = [sys.executable, "-m", "restem.harness.cli", "run", str(folder / "suite.toml"), "--out", str(folder / out)]
    return [*run, *options, "--quiet"]


def facts(run: Path) -> dict[str, object]:
    db = sqlite3.connect(run / "run.db")
    rows = db.execute("SELECT id, kind, params_sha256 FROM checkpoint ORDER BY id").fetchall()
    samples = db.execute("SELECT count(*), count(DISTINCT id) FROM sample").fetchone()
    calls = db.execute("SELECT count(*) FROM event WHERE kind = 'command'").fetchone()[0]
    return {"checkpoints": rows, "samples": samples, "commands that ended": calls}


def main(python: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "sft.py").write_text(PROGRAM)
    (folder / "suite.toml").write_text(small_suite("command", ARM, iterations=2, steps=2))
    subprocess.run(command(python, folder, "whole"), check=True)
    process = subprocess.Popen(command(python, folder, "killed"))
    second = folder / "killed" / "training" / "sympy-2"
    while not any(second.glob("output-*")) and process.poll() is None:
        time.sleep(0.05)
    time.sleep(2)  # the program is importing TRL
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    print("killed; left:", sorted(path.name for path in second.iterdir()))
    subprocess.run(command(python, folder, "killed"), check=True)
    whole, resumed = facts(folder / "whole"), facts(folder / "killed")
    print("whole  ", whole)
    print("resumed", resumed)
    print("equal:", whole == resumed, "; left:", sorted(path.name for path in second.iterdir()))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
