"""The readers of files and options, with a sound file for each."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import Result

from tests import fuzz_mutations as damage
from tests.fuzz_imports import references
from tests.fuzz_runs import labels_of_the_small_run, marks_of_the_small_run, small_run
from tests.fuzzing import EXAMPLES, Reader, called, command, lines

ROWS = lines(
    {"id": "a", "question": "Solve 2*x = 14 for x.", "reference": "7", "response": "x = 7", "label": 1},
    {"id": 2, "problem_id": "p", "question": "1 + 1?", "reference": ["2", "two"], "response": "It is 2.", "label": 0},
    {"id": "c", "question": "1/2?", "reference": 0.5, "response": "\\boxed{1/2}", "label": None, "data": {"a": [1]}},
)
ONE_ROW = lines({"id": "a", "question": "Solve 2*x = 14 for x.", "reference": "7", "response": "x = 7"})
PROBLEMS = [
    {
        "id": f"p{number}",
        "question": f"What is {number} + 1?",
        "answer": str(number + 1),
        "split": split,
        "data": {"n": 1},
    }
    for number, split in enumerate(("train", "validation", "test") * 3)
]
PROBLEM_FILES = {
    "problems.jsonl": lines(*PROBLEMS),
    "problems.json": json.dumps(PROBLEMS).encode(),
    "level.jsonl": lines(
        *({**row, "level": number % 2, "answer": int(row["answer"])} for number, row in enumerate(PROBLEMS))
    ),
}
PROBLEM_TABLE = "id,question,answer,split\n" + "".join(
    f"{row['id']},{row['question']},{row['answer']},{row['split']}\n" for row in PROBLEMS
)
TWO_LINES = "".join(f"What is {number} + 1?\n{number + 1}\n" for number in range(60)).encode()
SUITE = b"""name = "mine"
seed = 3
iterations = 1
gold = "sympy"
scoring = ["exact", "noise"]

[benchmark]
name = "linear_1d"
regime = [3.0, 4.5]
train = 4
validation = 2
test = 3
few_shot = "Q: {question}"

[sampling]
train_samples = 2
temperature = 0.7

[training]
steps = 2
optimizer = "adamw"

[probe]
problems = 1

[[arms]]
name = "sympy"
verifier = "sympy"

[arms.selection]
rule = "filter"
cap = 3

[[arms]]
name = "both"
verifier = "both"

[verifiers.both]
type = "all_of"
members = ["sympy", "exact"]

[verifiers.noise]
type = "noisy"
base = "sympy"
tpr = 0.9
fpr = 0.1
seed = 1
"""
FILE_SUITE = b"""name = "mine"
gold = "exact"
[benchmark]
name = "file"
path = "PATH"
train = 3
validation = 3
test = 3
[[arms]]
name = "exact"
verifier = "exact"
"""
SETTINGS = (
    *(
        "seed=3",
        "name=other",
        "arms.0.verifier=exact",
        "benchmark.regime=[3, 4]",
        'scoring=["noise"]',
        "sampling.top_k=7",
    ),
    *("verifiers.noise.tpr=0.5", "training.learning_rate=1e-3", "benchmark.name=numbers__gcd", "probe.problems=2"),
    *(
        "sampling.top_k=7",
        "verifiers.'noise'.type=noisy",
        'benchmark.few_shot="1 + 1? {question}"',
        "arms.1.selection.rule=majority",
    ),
)
CONFIG = b"""[verifiers.noise]
type = "noisy"
base = "exact"
tpr = 0.9
fpr = 0.1
seed = 1

[verifiers.vote]
members = ["exact", "noise", "random"]

[verifiers.random]
rate = 0.5
"""


def _suite_problems(path: Path) -> Result:
    """`restem run` on a suite with this file of problems, up to the checks that come before JAX is loaded."""
    suite = path.with_name("suite.toml")
    suite.write_bytes(FILE_SUITE.replace(b"PATH", path.name.encode()))
    return _checked_suite(suite)


def _checked_suite(path: Path, *overrides: str) -> Result:
    """What `restem run` does before it loads JAX."""
    from restem.harness.app.suite_check import check_suite, suite_problems
    from restem.harness.config import load_suite, to_toml

    def check() -> None:
        suite = load_suite(str(path), overrides)
        small = {"train": 50, "validation": 50, "test": 50}
        if all(getattr(suite.benchmark, split) <= count for split, count in small.items()):
            check_suite(suite, quiet=False)
            suite_problems(suite)
        to_toml(suite).encode()
        json.dumps(suite.model_dump(mode="json"))

    return called(check)


def _setting(path: Path) -> Result:
    suite = path.with_name("suite.toml")
    suite.write_bytes(SUITE)
    return _checked_suite(suite, path.read_bytes().decode("utf-8", "surrogateescape"))


def _config(path: Path) -> Result:
    rows = path.with_name("rows.jsonl")
    rows.write_bytes(ONE_ROW)
    names = ("--verifier", "noise", "--verifier", "vote")
    return command(
        "verify", *names, "--config", path, "--input", rows, "--output", path.with_name("out.jsonl"), "--quiet"
    )


def _verified(path: Path) -> Result:
    output = path.with_name("out.jsonl")
    return command(
        "verify", "--verifier", "exact", "--verifier", "majority", "--input", path, "--output", output, "--json"
    )


GOLDEN = lines(
    {"id": "a", "question": "2*x = 14", "reference": "7", "response": "x = 7", "label": "correct"},
    {"question": "2*x = 14", "reference": "7", "response": "x = 8", "label": "wrong", "outcomes": {"exact": "wrong"}},
    {
        "question": "1/2?",
        "reference": ["1/2", "0.5"],
        "response": "0.5",
        "label": None,
        "origin": "here",
        "problem_id": "q",
    },
)
BASELINE = b"""# a comment
rows = ["rows.jsonl"]
confidence = 0.95
margin = 0.01

[verifiers.exact]
pinned = false

[verifiers.exact.expected]
fingerprint = "exact-1"
n = 2
agreement = 1.0
interval = [0.9, 1.0]
undecided = 0.0
prevalence = [0.5, 0.5]
rows = { "rows.jsonl" = "3-6c801552d1f6" }

[verifiers.noise]
margin = 0.5

[options.noise]
type = "noisy"
base = "exact"
tpr = 0.9
fpr = 0.1
seed = 2
"""


def _gate(update: bool) -> Callable[[Path], Result]:
    def read(path: Path) -> Result:
        baseline = path if path.suffix == ".toml" else path.with_name("mine.gate.toml")
        if path.suffix != ".toml":
            baseline.write_bytes(BASELINE)
        else:
            path.with_name("rows.jsonl").write_bytes(GOLDEN)
        return command("gate", baseline, "--quiet", *(["--update"] if update else []))

    return read


def _gate_readers() -> list[Reader]:
    readers = []
    for ending, update, sound in (("", False, (1,)), (" --update", True, (0,))):
        common: dict[str, Any] = {"read": _gate(update), "sound": sound}
        toml, rows = {"mine.gate.toml": BASELINE}, {"rows.jsonl": GOLDEN}
        readers += [
            Reader(name=f"gate baseline{ending}", seeds=toml, mutate=damage.toml_mutated, **common),
            Reader(name=f"gate rows{ending}", seeds=rows, mutate=damage.lines_mutated, **common),
        ]
    return readers


def _marks(path: Path) -> Result:
    small_run(path.with_name("run"))
    return command("verify", path.with_name("run"), "--import", path)


def _labels(path: Path) -> Result:
    small_run(path.with_name("run"))
    return command("label", path.with_name("run"), "--from", path)


def _probe_rows(path: Path) -> Result:
    return command("probe", "--input", path)


def _plan(path: Path) -> Result:
    from restem.reports.analysis.plan_check import read_plan

    return called(lambda: read_plan(path))


def _prompt(path: Path) -> Result:
    from restem.verifiers.judge.prompt import prompt

    return called(lambda: prompt(str(path), blind=False).filled("q", "r", "s"))


def _few_shot(path: Path) -> Result:
    suite = path.with_name("suite.toml")
    suite.write_bytes(SUITE.replace(b'few_shot = "Q: {question}"', b'few_shot_file = "few.txt"'))
    return _checked_suite(suite)


@functools.cache
def policy_readers() -> list[Reader]:
    """The readers of the settings of policies, which load no parameters."""
    from restem.harness.model.architecture import ASSETS, load_architecture
    from restem.harness.weights.huggingface import hf_architecture
    from restem.harness.weights.registry import parameter_count

    def of_ours(path: Path) -> Result:
        return called(lambda: load_architecture(path.parent))

    config = {
        **{
            "model_type": "gemma2",
            "vocab_size": 256,
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 2,
        },
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 128},
        **{
            "sliding_window": 64,
            "final_logit_softcapping": 30.0,
            "attn_logit_softcapping": 50.0,
            "query_pre_attn_scalar": 32,
        },
        **{"hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-06, "rope_theta": 10000.0},
    }

    def of_hugging_face(path: Path) -> Result:
        return called(lambda: parameter_count(hf_architecture(path.parent)))

    settings = (ASSETS / "tiny" / "policy.json").read_bytes()
    return [
        Reader(name="policy.json", seeds={"policy.json": settings}, mutate=damage.json_mutated, read=of_ours),
        Reader(
            name="config.json",
            seeds={"config.json": json.dumps(config).encode()},
            mutate=damage.json_mutated,
            read=of_hugging_face,
        ),
    ]


@functools.cache
def file_readers() -> list[Reader]:
    """The readers of files and options."""
    return [
        Reader(name="verify --input", seeds={"rows.jsonl": ROWS}, mutate=damage.lines_mutated, read=_verified),
        Reader(
            name="problem file, JSON lines",
            seeds={name: data for name, data in PROBLEM_FILES.items() if name.endswith("jsonl")},
            mutate=damage.lines_mutated,
            read=_suite_problems,
        ),
        Reader(
            name="problem file, JSON",
            seeds={"p.json": PROBLEM_FILES["problems.json"]},
            mutate=damage.json_mutated,
            read=_suite_problems,
        ),
        Reader(
            name="problem file, CSV",
            seeds={"p.csv": PROBLEM_TABLE.encode()},
            mutate=damage.csv_mutated,
            read=_suite_problems,
        ),
        Reader(
            name="problem file, two lines", seeds={"p": TWO_LINES}, mutate=damage.bytes_mutated, read=_suite_problems
        ),
        Reader(
            name="problem file, Parquet",
            seeds={"p.parquet": _parquet(PROBLEMS)},
            mutate=damage.parquet_mutated,
            read=_suite_problems,
        ),
        Reader(
            name="import --references",
            seeds={"p.jsonl": PROBLEM_FILES["problems.jsonl"]},
            mutate=damage.lines_mutated,
            read=references,
        ),
        Reader(name="suite", seeds={"suite.toml": SUITE}, mutate=damage.toml_mutated, read=_checked_suite),
        Reader(
            name="--set",
            seeds={f"setting{number}": setting.encode() for number, setting in enumerate(SETTINGS)},
            mutate=damage.setting_mutated,
            read=_setting,
        ),
        Reader(name="--config", seeds={"config.toml": CONFIG}, mutate=damage.toml_mutated, read=_config),
        Reader(
            name="few_shot_file",
            seeds={"few.txt": b"Q: 1 + 1?\nA: 2\n\nQ: {question}\nA:\n"},
            mutate=damage.bytes_mutated,
            read=_few_shot,
        ),
        Reader(
            name="judge's prompt file",
            seeds={"p.txt": b"Question: {question}\n{commit}\nCorrect: {reference}\nModel: {response}\n{fence}\n"},
            mutate=damage.bytes_mutated,
            read=_prompt,
        ),
        *_gate_readers(),
        Reader(name="marks", seeds={"marks.jsonl": marks_of_the_small_run()}, mutate=damage.lines_mutated, read=_marks),
        Reader(
            name="labels", seeds={"labels.jsonl": labels_of_the_small_run()}, mutate=damage.lines_mutated, read=_labels
        ),
        Reader(name="probe --input", seeds={"q.jsonl": _queries()}, mutate=damage.lines_mutated, read=_probe_rows),
        Reader(
            name="plan.json",
            seeds={"plan.json": (EXAMPLES / "dose_response" / "plan.json").read_bytes()},
            mutate=damage.json_mutated,
            read=_plan,
        ),
    ]


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    written = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), written)
    return written.getvalue()


def _queries() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "q.jsonl"
        result = command(
            "probe", "--verifier", "exact", "--budget", 12, "--count", 2, "--no-forms", "--output", out, "--quiet"
        )
        assert result.exit_code == 0, result.output
        return out.read_bytes()
