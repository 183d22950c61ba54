"""Peers of sampling_peers.py that are whole serving engines: llama.cpp, vLLM's CPU build, OpenVINO GenAI.

Each takes the folder of a workload and gives a `Peer`; each needs an environment of its own, see machine.py. They batch
by themselves, up to `work["size"]` sequences at once, and compute a prompt once for all its samples.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

CORES = len(os.sched_getaffinity(0))


class Engine(NamedTuple):
    """What an engine gives; sampling_peers.py makes a `Peer` of it.

    Attributes:
        logits: Of rows of ids: the last position's, up to a constant for each row.
        rows: Samples of prompts.
        sizes: How many sequences at once are tried.
    """

    logits: Callable[[np.ndarray], np.ndarray]
    rows: Callable[[list[list[int]], int], list[list[int]]]
    sizes: Sequence[int] = (32, 64, 256)


# -- llama.cpp ---------------------------------------------------------------------------------------------------------

# Hugging Face's names of a layer's tensors in Gemma 3, and llama.cpp's.
_GGUF_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def write_gguf(folder: Path, file: Path, stop_ids: Sequence[int], dtype: str) -> None:
    """Writes a Hugging Face folder of a Gemma 3 as one GGUF file, with a vocabulary of numbers."""
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(file, "gemma3")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    if "sliding_attention" in config["layer_types"]:  # five of six layers have a window, as llama.cpp takes for granted
        writer.add_sliding_window(config["sliding_window"])
    size = config["vocab_size"]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([f"<{number}>" for number in range(size)])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types([gguf.TokenType.NORMAL] * size)
    for add, token in zip((writer.add_eos_token_id, writer.add_eot_token_id), stop_ids, strict=False):
        add(token)
    for name, tensor in load_file(folder / "model.safetensors").items():
        norm = "norm" in name
        values = tensor.astype(np.float32) + norm  # llama.cpp's scale includes the 1
        quantized = gguf.GGMLQuantizationType.F32 if norm else gguf.GGMLQuantizationType[dtype]
        writer.add_tensor(_gguf_name(name), gguf.quants.quantize(values, quantized), raw_dtype=quantized)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _gguf_name(name: str) -> str:
    parts = name.removeprefix("model.").removesuffix(".weight").split(".")
    if parts[0] == "layers":
        return f"blk.{parts[1]}.{_GGUF_NAMES['.'.join(parts[2:])]}.weight"
    return {"embed_tokens": "token_embd", "norm": "output_norm"}[parts[0]] + ".weight"


def llama_cpp(folder: Path, work: dict[str, Any], dtype: str = "F32") -> Engine:
    """llama.cpp's own server inside this process (`xllamacpp`), a thread a request."""
    import xllamacpp

    file = folder / f"{dtype}.gguf"
    if not file.exists():
        write_gguf(folder / "hf", file, work["stop_ids"], dtype)
    servers: dict[int, Any] = {}

    def server(size: int) -> Any:
        if size not in servers:
            servers.clear()  # ends the one before
            params = xllamacpp.CommonParams()
            params.model.path = str(file)
            params.verbosity = -1
            params.cache_ram_mib = 0  # it keeps the states of all prompts otherwise, which costs more than it saves
            params.n_parallel = size
            params.kv_unified = False
            params.n_ctx = size * -(-(work["prompt_length"] + work["new_tokens"]) // 256) * 256
            params.cpuparams.n_threads = params.cpuparams_batch.n_threads = CORES
            servers[size] = xllamacpp.Server(params)
        return servers[size]

    def completion(prompt: Sequence[int], size: int, **settings: Any) -> dict[str, Any]:
        return server(size).handle_completions({"prompt": prompt, **settings})["choices"][0]

    def rows(prompts: list[list[int]], seed: int) -> list[list[int]]:
        size, asked = work["size"], [prompt for prompt in prompts for _ in range(work["samples"])]
        server(size)
        settings = {
            "temperature": work["temperature"],
            "top_k": work["top_k"],
            "samplers": ["top_k", "temperature"],
            "max_tokens": work["new_tokens"],
            "ignore_eos": not work["stop_ids"],
        }

        def row(number: int) -> list[int]:
            answer = completion(asked[number], size, seed=seed * len(asked) + number, **settings)
            stopped = work["stop_ids"][:1] if answer["finish_reason"] == "stop" else []  # the text leaves it out
            return [*map(int, re.findall(r"[0-9]+", answer["text"])), *stopped]

        with ThreadPoolExecutor(size) as pool:
            return list(pool.map(row, range(len(asked))))

    def logits(ids: np.ndarray) -> np.ndarray:
        size = work["architecture"]["vocab_size"]
        result = np.zeros((len(ids), size))
        for number, row in enumerate(ids.tolist()):
            (first,) = completion(row, 1, max_tokens=1, logprobs=size)["logprobs"]["content"]
            for entry in first["top_logprobs"]:
                result[number, entry["id"]] = entry["logprob"]
        return result

    return Engine(logits=logits, rows=rows)


# -- vLLM --------------------------------------------------------------------------------------------------------------


def vllm(folder: Path, work: dict[str, Any], dtype: str = "float32") -> Engine:
    """vLLM's `LLM` in one process, compiled ahead as it does by default."""
    os.environ |= {
        "VLLM_CPU_KVCACHE_SPACE": "2",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
    }
    from vllm import LLM, SamplingParams

    llm = LLM(
        model=str(folder / "hf"),
        dtype=dtype,
        skip_tokenizer_init=True,
        max_model_len=work["prompt_length"] + work["new_tokens"],
        max_num_seqs=256,
        max_logprobs=-1,
        logprobs_mode="raw_logits",
    )

    def rows(prompts: list[list[int]], seed: int) -> list[list[int]]:
        results = llm.generate(
            [{"prompt_token_ids": prompt} for prompt in prompts],
            SamplingParams(
                n=work["samples"],
                temperature=work["temperature"],
                top_k=work["top_k"],
                max_tokens=work["new_tokens"],
                stop_token_ids=work["stop_ids"],
                ignore_eos=True,
                detokenize=False,
            ),
            use_tqdm=False,
        )
        return [list(output.token_ids) for result in results for output in result.outputs]

    def logits(ids: np.ndarray) -> np.ndarray:
        settings = SamplingParams(max_tokens=1, logprobs=-1, detokenize=False)
        results = llm.generate([{"prompt_token_ids": row} for row in ids.tolist()], settings, use_tqdm=False)
        first = [result.outputs[0].logprobs[0] for result in results]
        return np.array([[row[token].logprob for token in range(len(row))] for row in first])

    return Engine(logits=logits, rows=rows, sizes=(256,))


# -- OpenVINO GenAI ----------------------------------------------------------------------------------------------------


def openvino(folder: Path, work: dict[str, Any], weights: str = "fp32") -> Engine:
    """OpenVINO GenAI's continuous batching over what optimum-intel converts; computes in float32."""
    import openvino as ov
    import openvino_genai as genai

    place = folder / f"openvino-{weights}"
    if not place.exists():
        command = [Path(sys.executable).with_name("optimum-cli"), "export", "openvino", "--model", folder / "hf", place]
        task = ["--task", "text-generation-with-past", "--weight-format", weights, "--disable-convert-tokenizer"]
        subprocess.run([*command, *task], check=True)
    properties = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
    pipelines: dict[int, Any] = {}

    def pipeline(size: int) -> Any:
        if size not in pipelines:
            pipelines.clear()
            scheduler = genai.SchedulerConfig()
            scheduler.max_num_seqs, scheduler.cache_size = size, 2
            scheduler.max_num_batched_tokens = max(256, size)
            pipelines[size] = genai.ContinuousBatchingPipeline(place, scheduler, "CPU", properties)
        return pipelines[size]

    def rows(prompts: list[list[int]], seed: int) -> list[list[int]]:
        settings = [
            genai.GenerationConfig(
                do_sample=True,
                temperature=work["temperature"],
                top_k=work["top_k"],
                top_p=1.0,
                num_return_sequences=work["samples"],
                max_new_tokens=work["new_tokens"],
                stop_token_ids=set(work["stop_ids"]),
                ignore_eos=not work["stop_ids"],
                rng_seed=seed * len(prompts) + number,
            )
            for number in range(len(prompts))
        ]
        asked = [ov.Tensor(np.array([prompt], np.int64)) for prompt in prompts]
        results = pipeline(work["size"]).generate(asked, settings)
        return [list(row) for result in results for row in result.m_generation_ids]

    def logits(ids: np.ndarray) -> np.ndarray:
        model = ov.Core().compile_model(place / "openvino_model.xml", "CPU", properties)
        given = {
            "input_ids": ids.astype(np.int64),
            "attention_mask": np.ones(ids.shape, np.int64),
            "position_ids": np.broadcast_to(np.arange(ids.shape[1]), ids.shape).astype(np.int64),
            "beam_idx": np.arange(len(ids), dtype=np.int32),
        }
        names = {name for port in model.inputs for name in port.names}
        return np.array(model({name: value for name, value in given.items() if name in names})["logits"])[:, -1]

    return Engine(logits=logits, rows=rows)
