"""TRL, axolotl and tunix read what `restem export RUN --selection` wrote; each one's targets beside the drawn tokens.

    restem export RUN --selection --arm ARM --iteration 1 --output kept.jsonl
    restem export tiny --output start
    ENV/bin/python tests/perf/doors_sft.py trl kept.jsonl start OUT
    ENV/bin/python tests/perf/doors_sft.py axolotl kept.jsonl start
    ENV/bin/python tests/perf/doors_sft.py tunix kept.jsonl start

ENV has `trl` (1.16.0 was tried), `axolotl` (0.21.0) with transformers, or `google-tunix` (0.1.7); this file imports
nothing of ours. RUN's base is `start`, so that both have one vocabulary. `trl` also trains for two steps and saves.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

IGNORED = -100  # the label of a token that is no target


def rows_of(file):
    return [json.loads(line) for line in Path(file).read_text("utf-8").splitlines()]


def compare(targets, rows, after=()):
    """Prints how many of the drawn responses are targets, each as often as it stands in the file."""
    drawn = Counter((*row["completion_ids"], *after) for row in rows)
    same = (drawn & Counter(tuple(ids) for ids in targets)).total()
    print(f"targets are the drawn tokens: {same} of {len(rows)}")


def with_trl(file, start, out):
    import trl
    from datasets import load_dataset

    trainer = trl.SFTTrainer(
        model=start,
        train_dataset=load_dataset("json", data_files=file, split="train", cache_dir=f"{out}/cache"),
        args=trl.SFTConfig(
            output_dir=out, max_steps=2, per_device_train_batch_size=8, use_cpu=True, bf16=False, report_to=[]
        ),
    )
    line_break = trainer.processing_class.encode("\n", add_special_tokens=False)  # which ends a turn in the template
    targets = ([id for id in row["labels"] if id != IGNORED] for row in trainer.train_dataset)
    compare(targets, rows_of(file), line_break)
    trainer.train()
    trainer.save_model(f"{out}/trained")


def with_axolotl(file, start):
    import transformers
    from axolotl.prompt_strategies.chat_template import load
    from axolotl.utils.dict import DictDefault

    settings = {"chat_template": "tokenizer_default", "eot_tokens": ["<end_of_turn>"], "sequence_len": 512}
    tokenizer = transformers.AutoTokenizer.from_pretrained(start)
    strategy = load(tokenizer, DictDefault(settings), {"path": file, "type": "chat_template"} | settings)
    rows = rows_of(file)
    labels = (strategy.tokenize_prompt(row)["labels"] for row in rows)
    compare(([id for id in ids if id != IGNORED] for ids in labels), rows)


def with_tunix(file, start):
    import numpy as np
    import transformers
    from tunix.sft.peft_trainer import TrainingInput

    tokenizer = transformers.AutoTokenizer.from_pretrained(start)
    rows, targets = rows_of(file), []
    for row in rows:
        prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=False)
        mask = [0] * len(prompt) + [1] * len(row["completion_ids"])
        example = TrainingInput(input_tokens=np.array([prompt + row["completion_ids"]]), input_mask=np.array([mask]))
        targets.append(example.input_tokens[:, 1:][example.input_mask[:, 1:] > 0].tolist())  # as its loss takes them
    compare(targets, rows)


if __name__ == "__main__":
    {"trl": with_trl, "axolotl": with_axolotl, "tunix": with_tunix}[sys.argv[1]](*sys.argv[2:])
