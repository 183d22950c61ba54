"""Greedy responses of another engine to prompts of ids; run by a Python that has the engine, apart from the project's.

`python engine_greedy.py ENGINE FOLDER REQUEST.json OUT.json`: ENGINE is `transformers`, `ctranslate2` or `vllm`, FOLDER
what `restem export` wrote. The request holds `questions`, `prompts` (our ids of them), `stop_ids` and `new_tokens`. The
answer holds the engine's `version`, its tokenizer's ids of the questions as one user turn each (`prompts`), and the new
ids of each prompt without the stop token (`responses`).
"""

import json
import subprocess
import sys
from pathlib import Path


def with_transformers(folder, request):
    import torch
    import transformers

    torch.set_grad_enabled(False)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    prompts = request["prompts"]
    length = max(map(len, prompts))
    lengths = torch.tensor([[len(prompt)] for prompt in prompts])
    ids = model.generate(
        torch.tensor([[0] * (length - len(prompt)) + prompt for prompt in prompts]),
        attention_mask=(torch.arange(length) >= length - lengths).long(),
        do_sample=False,
        max_new_tokens=request["new_tokens"],
    )
    return transformers.__version__, ids[:, length:].tolist()


def with_ctranslate2(folder, request):
    import ctranslate2

    converted = folder.with_name(folder.name + "-ctranslate2")
    converter = Path(sys.executable).with_name("ct2-transformers-converter")
    subprocess.run([converter, "--model", folder, "--output_dir", converted, "--force"], check=True)
    generator = ctranslate2.Generator(str(converted), compute_type="float32")
    pieces = json.loads((converted / "vocabulary.json").read_text("utf-8"))
    results = generator.generate_batch(
        [[pieces[id] for id in prompt] for prompt in request["prompts"]],
        end_token=request["stop_ids"],
        max_length=request["new_tokens"],
        sampling_topk=1,
        include_prompt_in_result=False,
    )
    return ctranslate2.__version__, [result.sequences_ids[0] for result in results]


def with_vllm(folder, request):
    import vllm

    model = vllm.LLM(model=str(folder), dtype="float32", enforce_eager=True, max_num_seqs=16, disable_log_stats=True)
    settings = vllm.SamplingParams(temperature=0.0, max_tokens=request["new_tokens"], detokenize=False)
    prompts = [vllm.TokensPrompt(prompt_token_ids=prompt) for prompt in request["prompts"]]
    outputs = model.generate(prompts, settings, use_tqdm=False)
    return vllm.__version__, [list(output.outputs[0].token_ids) for output in outputs]


ENGINES = {"transformers": with_transformers, "ctranslate2": with_ctranslate2, "vllm": with_vllm}


def main() -> None:
    engine, folder, request_path, out = sys.argv[1:]
    request = json.loads(Path(request_path).read_text("utf-8"))
    version, responses = ENGINES[engine](Path(folder), request)
    import transformers  # the tokenizer that each of the three takes

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [[{"role": "user", "content": text}] for text in request["questions"]]
    prompts = [tokenizer.apply_chat_template(turn, add_generation_prompt=True, return_dict=False) for turn in turns]
    stops = set(request["stop_ids"])
    cut = [ids[: next((at for at, id in enumerate(ids) if id in stops), None)] for ids in responses]
    Path(out).write_text(json.dumps({"version": version, "prompts": prompts, "responses": cut}), "utf-8")


if __name__ == "__main__":
    main()
