"""A run of a model that our network cannot compute: a random Qwen3 or Llama, trained by TRL and sampled by vLLM.

    TRL/bin/python -c "import trl, datasets"     an environment with TRL (1.16.0 was tried)
    VLLM/bin/python -c "import vllm"             one with vLLM (the CPU build 0.32.0 was tried)
    python -m tests.perf.any_model qwen3 TRL/bin/python VLLM/bin/python FOLDER

The first iteration trains on worked solutions, so that a model of random weights learns to answer at all, the second on
what the gold accepts of its samples. The run is killed (SIGKILL) while it samples the first checkpoint, and while TRL
trains the second one. Prints the rows of checkpoints, the numbers of samples and the last event of the engine.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.perf.engines import VLLM_VARIABLES

MAKE = """
import sys
import torch, transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
kind, folder = sys.argv[1:]
letters = sorted(pre_tokenizers.ByteLevel.alphabet())
inner = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
inner.decoder = decoders.ByteLevel()
inner.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
tokenizer = transformers.PreTrainedTokenizerFast(
    tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>"
)
tokenizer.chat_template = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\\n{{ m['content'] }}<|im_end|>\\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\\n{% endif %}"
)
ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
shape = dict(vocab_size=320, hidden_size=128, intermediate_size=384, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, head_dim=32, max_position_embeddings=512, tie_word_embeddings=True)
torch.manual_seed(0)
config = {"qwen3": transformers.Qwen3Config, "llama": transformers.LlamaConfig}[kind](**shape, **ids)
model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
model.generation_config = transformers.GenerationConfig(eos_token_id=ids["eos_token_id"])
model.save_pretrained(folder)
tokenizer.save_pretrained(folder)
"""
TRAIN = """
import sys
import trl
from datasets import load_dataset
data, start, output, steps, seed, rate = sys.argv[1:]
trainer = trl.SFTTrainer(
    model=start,
    train_dataset=load_dataset("json", data_files=data, split="train"),
    args=trl.SFTConfig(
        output_dir=output, max_steps=int(steps), seed=int(seed), learning_rate=float(rate), report_to=[],
        save_strategy="no", use_cpu=True, bf16=False, per_device_train_batch_size=16
    ),
)
trainer.train()
trainer.save_model(output)
"""
SUITE = """
name = "any_model"
iterations = 2
policy = "{model}"

[benchmark]
regime = [3.0, 3.5]
train = 256
validation = 1
test = 64

[sampling]
engine = "openai"
train_samples = 8
test_samples = 4
max_new_tokens = 96

[engine]
reload = "restart"
concurrency = 16

[training]
engine = "command"
steps = {steps}
learning_rate = 3e-3
row_length = 512
checks = 0

[probe]
problems = 0

[[arms]]
name = "sympy"
verifier = "sympy"
source = "references"
"""
STEPS = 120
SERVE = ["-m", "vllm.entrypoints.openai.api_server", "--model", "{folder}", "--port", "{port}", "--dtype", "float32"]
# The CPU build 0.32.0 stops where the prompt of a request with a seed is computed in pieces.
SERVE += ["--no-enable-chunked-prefill", "--max-num-batched-tokens", "2048"]
SERVE += ["--logprobs-mode", "processed_logprobs", "--enforce-eager", "--max-model-len", "512", "--max-num-seqs", "64"]


def command(trl: str, vllm: str, folder: Path) -> list[str]:
    words = [trl, str(folder / "sft.py"), "{data}", "{start}", "{output}", "{steps}", "{seed}", "{learning_rate}"]
    options = ["--set", f"training.command={words}", "--set", f"engine.start={[vllm, *SERVE]}"]
    run = [sys.executable, "-m", "restem.harness.cli", "run", str(folder / "suite.toml"), "--out", str(folder / "run")]
    return [*run, *options, "--quiet"]


def killed_when(words: list[str], reached: Callable[[], bool]) -> None:
    """Runs a command, and kills it when something is there."""
    process = subprocess.Popen(words, env={**os.environ, **VLLM_VARIABLES})
    while not reached():
        if process.poll() is not None:
            raise SystemExit(f"the run ended with {process.returncode} before it was killed")
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def count(run: Path, query: str) -> int:
    try:
        with sqlite3.connect(f"file:{run / 'run.db'}?mode=ro", uri=True) as db:
            return db.execute(query).fetchone()[0]
    except sqlite3.OperationalError:  # not made yet
        return 0


def main(kind: str, trl: str, vllm: str, folder: Path) -> None:
    folder.mkdir(parents=True)
    subprocess.run([trl, "-c", MAKE, kind, str(folder / "model")], check=True)
    (folder / "sft.py").write_text(TRAIN)
    (folder / "suite.toml").write_text(SUITE.format(model=folder / "model", steps=STEPS))
    run, words = folder / "run", command(trl, vllm, folder)
    first = "SELECT count(*) FROM sample WHERE checkpoint = 'sympy/1'"
    killed_when(words, lambda: count(run, first) > 0)
    print("killed with", count(run, first), "samples of sympy/1 stored")
    second = run / "training" / "sympy-2"
    killed_when(words, lambda: (second / "log.txt").is_file() and (second / "log.txt").stat().st_size > 0)
    print("killed while TRL trains sympy/2; left:", sorted(path.name for path in second.iterdir()))
    started = time.monotonic()
    subprocess.run(words, check=True, env={**os.environ, **VLLM_VARIABLES})
    print("the rest took", round(time.monotonic() - started), "s")
    with sqlite3.connect(run / "run.db") as db:
        rows = db.execute("SELECT id, kind, path, substr(params_sha256, 1, 12) FROM checkpoint ORDER BY id").fetchall()
        events = [json.loads(row[0]) for row in db.execute("SELECT detail FROM event WHERE kind = 'engine'")]
        samples = db.execute(
            "SELECT checkpoint, count(*), count(token_ids), count(mean_logprob) FROM sample GROUP BY checkpoint"
        ).fetchall()
    print(json.dumps({"checkpoints": rows, "samples, with ids, with log-probabilities": samples}, indent=1))
    print(json.dumps(events[-1], indent=1))
    subprocess.run([sys.executable, "-m", "restem.harness.cli", "check", str(run)], check=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]).resolve())
