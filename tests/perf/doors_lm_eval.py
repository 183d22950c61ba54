"""lm-evaluation-harness asks a served policy; its samples are imported, and the scores compared with its own.

    uv venv lm && uv pip install --python lm "lm_eval[api]==0.4.13" datasets
    python tests/perf/doors_lm_eval.py lm/bin/lm_eval [--keep FOLDER] [--count 40]

Two tasks: one with a single answer a document, one with three repeats under two filters.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from doors_served import imported, problems, served, table

TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: problems.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: [], do_sample: true, temperature: 1.0, max_gen_toks: 64}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
LAST = '{function: regex, regex_pattern: "(-?\\\\d+)", group_select: -1}'
FILTERS = f"""filter_list:
  - {{name: last-number, filter: [{LAST}, {{function: take_first}}]}}
"""
REPEATED = f"""repeats: 3
{FILTERS}  - {{name: majority, filter: [{LAST}, {{function: majority_vote}}, {{function: take_first}}]}}
"""
KEPT = ("results", "configs", "n-samples", "model_name", "date", "lm_eval_version")


def main() -> None:
    """Runs the evaluator, imports its samples, prints both means."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("lm_eval", help="the program lm_eval of an environment")
    arguments.add_argument("--keep", type=Path, help="copy the files there, the results without what is not read")
    arguments.add_argument("--count", type=int, default=40)
    options = arguments.parse_args()
    program = str(Path(options.lm_eval).absolute())
    with tempfile.TemporaryDirectory() as name, served() as (base_url, model):
        folder = Path(name)
        problems(folder / "problems.jsonl", options.count)
        (folder / "equations.yaml").write_text(TASK.format(name="equations") + FILTERS)
        (folder / "repeated.yaml").write_text(TASK.format(name="equations_repeated") + REPEATED)
        asked = f"model={model},base_url={base_url}/chat/completions,num_concurrent=4,tokenized_requests=False"
        command = [program, "--model", "local-chat-completions", "--model_args", asked, "--include_path", "."]
        command += ["--tasks", "equations,equations_repeated", "--apply_chat_template", "--log_samples"]
        environment = {**os.environ, "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"}
        subprocess.run([*command, "--output_path", "out"], cwd=folder, check=True, env=environment)
        compare(folder, options.keep)


def compare(folder: Path, keep: Path | None) -> None:
    """Prints the tool's means beside those of the imported run, and copies the files."""
    (results,) = (folder / "out").rglob("results_*.json")
    own = json.loads(results.read_text())["results"]
    for task in ("equations", "equations_repeated"):
        (samples,) = (folder / "out").rglob(f"samples_{task}_2*.jsonl")
        numbers = imported([samples], folder / f"run_{task}")
        named = {key: key.split(",") for key in own[task] if "," in key and "stderr" not in key}
        rows = [(key, own[task][key], numbers[f"{by}.{metric}"]) for key, (metric, by) in named.items()]
        table(rows)
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copy(samples, keep)
    if keep is not None:
        whole = json.loads(results.read_text())
        (keep / results.name).write_text(json.dumps({key: whole[key] for key in KEPT}) + "\n")


if __name__ == "__main__":
    main()
