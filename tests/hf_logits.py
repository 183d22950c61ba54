"""What transformers makes of a Hugging Face folder; run by a Python that has torch, apart from the project's own.

`python hf_logits.py FOLDER TOKENS.json OUT.npz [COPY]` writes the logits of each row of tokens, the ids of the
tokenizer's chat template, and, where a COPY is named, the same model as transformers itself saves it, with new weights.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers


def main() -> None:
    folder, tokens, out, *copy = sys.argv[1:]
    request = json.loads(Path(tokens).read_text())
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    if copy:
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.02)
        model.save_pretrained(copy[0])
    with torch.no_grad():
        logits = model(torch.tensor(request["tokens"])).logits.numpy()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [[{"role": "user", "content": text}] for text in request["questions"]]
    ids = [tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False) for turn in turns]
    np.savez(out, logits=logits, prompts=json.dumps(ids), kind=type(model).__name__, versions=transformers.__version__)


if __name__ == "__main__":
    main()
