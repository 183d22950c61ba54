"""Tokens a second of vLLM, for gpu_parts.py; imports nothing of ours.

    ENV/bin/python gpu_vllm.py MODEL WORK RESULT

The seconds of few new tokens are taken off those of many, so that prompts do not count.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

FEW = 4


def main() -> None:
    import torch
    import vllm

    has_gpu = torch.cuda.is_available()
    folder, work_path, result = sys.argv[1:]
    work = json.loads(Path(work_path).read_text("utf-8"))
    rows = [vllm.TokensPrompt(prompt_token_ids=prompt) for prompt in work["prompts"] for _ in range(work["samples"])]
    model = vllm.LLM(
        model=folder,
        dtype="bfloat16",
        skip_tokenizer_init=True,
        max_model_len=work["columns"],
        max_num_seqs=len(rows),
        disable_log_stats=True,
        enforce_eager=not has_gpu,
        gpu_memory_utilization=0.85 if has_gpu else 0.3,  # on a CPU, of its memory
    )

    def seconds(new: int) -> float:
        settings = vllm.SamplingParams(temperature=0.7, top_k=40, max_tokens=new, ignore_eos=True, detokenize=False)
        began = time.perf_counter()
        model.generate(rows, settings, use_tqdm=False)
        return time.perf_counter() - began

    seconds(FEW)  # warms up
    few, many = (min(seconds(new) for _ in range(2)) for new in (FEW, work["new"]))
    speed = len(rows) * (work["new"] - FEW) / (many - few)
    Path(result).write_text(json.dumps({"version": vllm.__version__, "speed": speed}), "utf-8")


if __name__ == "__main__":
    main()
