"""llama.cpp's server (`xllamacpp`) with the weights of a Hugging Face folder of a Gemma 3, for `engine.start`.

    ENV/bin/python -m tests.perf.llama_server FOLDER --port PORT

The environment needs xllamacpp, gguf, safetensors and NumPy. The folder is written as GGUF beside it, in float32. Its
vocabulary is one of numbers, as prompts and responses are ids here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from tests.perf.sampling_engines import write_gguf

SLOTS, COLUMNS = 32, 256


def main(folder: Path, port: int) -> None:
    import xllamacpp

    stop_ids = json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    file = folder / "model.gguf"
    write_gguf(folder, file, stop_ids, "F32")
    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.hostnames, params.port = ["127.0.0.1"], port
    params.n_parallel, params.n_ctx, params.kv_unified = SLOTS, SLOTS * COLUMNS, False
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    server = xllamacpp.Server(params)
    print("serves at", server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[3]))
