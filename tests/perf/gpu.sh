#!/usr/bin/env bash
# What a GPU at hand for ten minutes is asked: see tests/perf/gpu.py for the parts and the options.
#     tests/perf/gpu.sh [--small] [--model gemma3-1b] [--part NAME]... [--seconds 590]
# Results are in $OUT, or in gpu-results/ here. PYTHON is what has JAX and gemma; RESTEM_VLLM_PYTHON is what has vLLM.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$(command -v "$python")" ] || python=python3
export PYTHONPATH="$root/src:$root${PYTHONPATH:+:$PYTHONPATH}"
exec "$python" -m tests.perf.gpu --out "${OUT:-gpu-results}" "$@"
