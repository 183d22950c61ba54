"""A model that no network of ours computes: the frequency of each answer, whatever the question.

    python unigram_model.py make FOLDER              a folder in Hugging Face's format: all answers equally likely
    python unigram_model.py serve FOLDER PORT        answers /v1/completions; loads by SGLang's route
    python unigram_model.py train DATA START OUTPUT  the frequencies of the answers in a file of what was kept

It is trained and sampled by processes of their own, as Qwen or Llama would be.
"""

from __future__ import annotations

import json
import math
import random
import shutil
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

LARGEST = 12  # answers are whole numbers up to this
LEAST = 1e-6  # of an answer that was never kept
WEIGHTS = "model.safetensors"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make(folder: Path, *, template: str | None = TEMPLATE, **settings: object) -> Path:
    """Writes the folder: bytes as a vocabulary, Qwen's turns."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: id for id, letter in enumerate(letters)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # pyright: ignore[reportAttributeAccessIssue]
    inner.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    inner.add_special_tokens(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    tokenizer.chat_template = template
    folder.mkdir(parents=True)
    tokenizer.save_pretrained(str(folder))
    config = {"model_type": "unigram", "vocab_size": 260, "max_position_embeddings": 512, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    save_file({"frequencies": np.ones(2 * LARGEST + 1)}, folder / WEIGHTS)
    return folder


def train(data: Path, start: Path, output: Path) -> None:
    """The frequencies of the answers that were kept, as weights of the start's model."""
    frequencies = np.full(2 * LARGEST + 1, LEAST)
    for line in data.read_text("utf-8").splitlines():
        row = json.loads(line)
        frequencies[int(row["completion"][0]["content"]) + LARGEST] += row["weight"]
    shutil.copytree(start, output, dirs_exist_ok=True)
    save_file({"frequencies": frequencies}, output / WEIGHTS)


class Model:
    """The model that a server holds."""

    def __init__(self, folder: Path) -> None:
        self.load(folder)

    def load(self, folder: Path) -> None:
        frequencies = load_file(folder / WEIGHTS)["frequencies"]
        self._shares: list[float] = (frequencies / frequencies.sum()).tolist()
        self._stop = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))["eos_token"]
        vocabulary = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        self._ids: dict[str, int] = dict(vocabulary["model"]["vocab"])
        self._ids |= {token["content"]: token["id"] for token in vocabulary["added_tokens"]}

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        draw = random.Random(body["seed"])
        greedy = body["temperature"] == 0 or body["top_k"] == 1
        choices = []
        for index in range(body["n"]):
            place = range(len(self._shares))
            at = max(place, key=self._shares.__getitem__) if greedy else draw.choices(place, self._shares)[0]
            text = str(at - LARGEST)
            ids = [self._ids[character] for character in text] + [self._ids[self._stop]]
            sure = 0.0 if body["top_k"] == 1 else math.log(self._shares[at])
            logprobs = {"token_logprobs": [sure] + [0.0] * (len(ids) - 1)}
            choice = {"index": index, "text": text, "finish_reason": "stop", "token_ids": ids, "logprobs": logprobs}
            choices.append(choice)
        return {"choices": choices}


def serve(folder: Path, port: int, obey: Callable[[], bool] = lambda: True) -> ThreadingHTTPServer:
    """The server, which begins to answer with `serve_forever`."""
    model = Model(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/version":
                self._reply({"version": "3.4"})
            else:
                self._reply({"data": [{"id": "unigram", "owned_by": "unigram"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path == "/update_weights_from_disk":
                if obey():
                    model.load(Path(body["model_path"]))
                self._reply({"success": True, "message": ""})
            else:
                self._reply(model.complete(body))

        def _reply(self, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    command, *words = sys.argv[1:]
    if command == "make":
        make(Path(words[0]))
    elif command == "serve":
        serve(Path(words[0]), int(words[1])).serve_forever()
    else:
        train(*map(Path, words))
