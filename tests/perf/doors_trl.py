"""Trains with TRL's own GRPOTrainer for a few steps, imports the Parquet files that it wrote, and compares the means.

    uv venv -p 3.11 trl && uv pip install -p trl "trl==1.16.0" pandas pyarrow math-verify torch
    trl/bin/python tests/perf/doors_trl.py write FOLDER
    python -m tests.perf.doors_trl compare FOLDER

`write` runs where TRL is installed and imports nothing of ours: a random Qwen2 of two layers on the CPU, four steps of
three prompts with four generations each, and three reward functions: TRL's `accuracy_reward` (one reference that it
cannot parse, so None), one with a graded score, one that returns None for about half of the completions. `compare` runs
where restem is installed: the mean of every reward at every step in run.db against the mean that TRL logged.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PROBLEMS = [("What is 3 + 4?", "7"), ("What is 2 * 3?", "6"), ("Which number did I think of?", "")]
STEPS, GENERATIONS = 4, 4
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def letter_tokenizer():
    """A tokenizer of single characters and of boxed digits, so that random completions hold answers."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = ["<|pad|>", "<|im_end|>", "<|im_start|>"]
    letters = [*special, *map(chr, range(32, 127)), "\n"]
    inner = Tokenizer(models.WordLevel({letter: i for i, letter in enumerate(letters)}, unk_token="?"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    inner.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="<|pad|>", eos_token="<|im_end|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.add_tokens([f"$\\boxed{{{digit}}}$" for digit in range(10)])
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def digit_share(completions, **_columns):
    """Score between 0 and 1: the share of digits among the characters."""
    texts = [completion[0]["content"] for completion in completions]
    return [sum(letter.isdigit() for letter in text) / max(1, len(text)) for text in texts]


def sometimes(completions, **_columns):
    """1 for an even length; None, that is "not scored", where the first character is no letter of a to z."""
    texts = [completion[0]["content"] for completion in completions]
    return [float(len(text) % 2 == 0) if text[:1].isalpha() and text[:1].islower() else None for text in texts]


def write(folder: Path) -> None:
    """FOLDER/completions/*.parquet as TRL writes them and FOLDER/metrics.json with the means that TRL logged."""
    import torch
    import trl
    from datasets import Dataset
    from transformers import Qwen2Config, Qwen2ForCausalLM
    from trl.rewards import accuracy_reward

    torch.manual_seed(0)
    tokenizer = letter_tokenizer()
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    rows = [{"prompt": [{"role": "user", "content": q}], "solution": a} for q, a in PROBLEMS]
    trainer = trl.GRPOTrainer(
        model=Qwen2ForCausalLM(config),
        processing_class=tokenizer,
        reward_funcs=[accuracy_reward, digit_share, sometimes],
        train_dataset=Dataset.from_list(rows * STEPS),
        args=trl.GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=len(PROBLEMS) * GENERATIONS,
            num_generations=GENERATIONS,
            max_completion_length=12,
            max_steps=STEPS,
            logging_steps=1,
            log_completions=True,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            bf16=False,
            shuffle_dataset=False,
        ),
    )
    trainer.train()
    logged = [row for row in trainer.state.log_history if "reward" in row]
    (folder / "metrics.json").write_text(json.dumps({"trl": trl.__version__, "log": logged}, indent=1))


def trl_means(folder: Path) -> dict[tuple[int, str], float]:
    """(step, reward) -> the mean that TRL logged; a step where nothing was scored is not listed."""
    log = json.loads((folder / "metrics.json").read_text())["log"]
    return {
        (row["step"], key.split("/")[1]): value
        for row in log
        for key, value in row.items()
        if key.startswith("rewards/") and key.endswith("/mean") and value is not None and not math.isnan(value)
    }


@contextlib.contextmanager
def imported_run(source: Path) -> Iterator[Path]:
    """A run folder that a file or folder was imported into; gone afterwards."""
    from restem.harness.app.import_rollouts import Request, import_rollouts, print_results

    with tempfile.TemporaryDirectory() as folder:
        print_results(import_rollouts(Request(paths=[source]), Path(folder), quiet=True))
        yield Path(folder)


def rewards_of_run(run: Path) -> list[tuple[int, str, float | None]]:
    """Step, verifier and number of every recorded reward, in the order of the source's rows."""
    sql = (
        "SELECT c.iteration, f.name, v.raw_reward, s.source FROM verdict v JOIN sample s ON s.id = v.sample"
        " JOIN checkpoint c ON c.id = s.checkpoint JOIN verifier f ON f.fingerprint = v.verifier"
    )
    with contextlib.closing(sqlite3.connect(run / "run.db")) as db:
        rows = db.execute(sql).fetchall()
    rows.sort(key=lambda row: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", row[3])])
    return [row[:3] for row in rows]


def compare(folder: Path) -> None:
    """Prints the mean of every reward at every step, as TRL logged it and as run.db has it."""
    with imported_run(folder / "completions") as run:
        read_back = rewards_of_run(run)
    furthest = 0.0
    for (step, name), logged in sorted(trl_means(folder).items()):
        ours = [raw for at, verifier, raw in read_back if (at, verifier) == (step, f"recorded:{name}")]
        numbers = [raw for raw in ours if raw is not None]
        mean = sum(numbers) / len(numbers)
        furthest = max(furthest, abs(mean - logged))
        print(f"step {step} {name}: TRL {logged:.9f}, run.db {mean:.9f} of {len(numbers)} of {len(ours)} samples")
    print(f"largest distance {furthest:.2g}")


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
