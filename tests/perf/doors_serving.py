"""`restem serve` with the evaluators of the field: which client gets which feature.

Takes the Python of an environment that holds lm-evaluation-harness and Inspect; serves a policy, runs both against it
and this environment's openai client and plain sockets, and prints one line for each client and feature. It says what
happened and asserts nothing.

    uv venv -p 3.12 /tmp/evaluators
    uv pip install --python /tmp/evaluators/bin/python "lm_eval[api]==0.4.13" inspect_ai==0.3.285 openai
    uv run python -m tests.perf.doors_serving --evaluators /tmp/evaluators/bin/python [--policy tiny] [--work FOLDER]
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import openai

from restem.benchmarks.linear_1d import problems
from tests.perf.serving_load import served

GENERATE = """\
task: linear
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/problems.jsonl}}}}
test_split: test
output_type: generate_until
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: {until}, do_sample: true, temperature: 0.7{limit}}}
repeats: {repeats}
filter_list:
  - name: last
    filter:
      - {{function: regex, regex_pattern: "= (-?[0-9]+)\\\\s*$", group_select: -1}}
      - {{function: take_first}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
"""
CHOICE = """\
task: linear_choice
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choices.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}\\n"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{{{{label}}}}"
target_delimiter: ""
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""
TASK = """\
from inspect_ai import Epochs, Task, task
from inspect_ai.dataset import json_dataset, FieldSpec
from inspect_ai.scorer import match
from inspect_ai.solver import generate

@task
def linear(epochs=4):
    data = json_dataset("{folder}/problems.jsonl", FieldSpec(input="question", target="answer", id="id"))
    return Task(dataset=data, solver=generate(), scorer=match(), epochs=Epochs(int(epochs), ["mean", "pass_at_2"]))
"""


class Trials:
    """Runs trials one after another and prints a line for each."""

    def __init__(self, server: dict[str, str], python: Path, work: Path) -> None:
        self.url, self.model, self.work = server["base_url"], server["model"], work
        self._bin = python.parent
        self._environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OPENAI_API_KEY": "none"}
        self._environment |= {"RESTEM_BASE_URL": self.url, "RESTEM_API_KEY": "none", "HF_HOME": str(work / "hub")}

    def trial(self, client: str, feature: str, run: Callable[[], str]) -> None:
        """Prints what a trial gave, or how it failed."""
        start = time.monotonic()
        try:
            result = f"works | {run()}"
        except Exception as error:  # the table says so
            result = f"FAILS | {type(error).__name__}: {' '.join(str(error).split())[-300:]}"
        click.echo(f"| {client} | {feature} | {result} | {time.monotonic() - start:.0f} s |")

    def command(self, program: str, *arguments: str) -> str:
        """The output of one of the evaluators' programs.

        Raises:
            RuntimeError: It failed; the end of what it printed.
        """
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, env=self._environment, cwd=self.work, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[-600:] or done.stdout[-600:])
        return done.stdout

    def lm_eval(self, model: str, task: str, name: str, options: str = "", *more: str) -> str:
        """Runs a task; gives its metrics."""
        route = "chat/completions" if "chat" in model else "completions"
        chat = ["--apply_chat_template"] if "chat" in model else []
        arguments = f"model={self.model},base_url={self.url}/{route},num_concurrent=8,max_retries=1{options}"
        folder = self.work / "lm_eval" / name
        self.command(
            *("lm_eval", "run", "--model", model, "--model_args", arguments, "--tasks", task),
            *("--include_path", str(self.work), "--output_path", str(folder), "--log_samples", *chat, *more),
        )
        results = json.loads(max(folder.rglob("results_*.json")).read_text())["results"]
        rows = [json.loads(line) for line in max(folder.rglob("samples_*.jsonl")).read_text().splitlines()]
        metrics = {key: round(value, 3) for key, value in next(iter(results.values())).items() if type(value) is float}
        return f"{metrics}, {len(rows)} documents of {len(rows[0]['resps'][0])} responses"

    def inspect(self, provider: str, name: str, *options: str) -> str:
        """Runs the task; gives its scores and its status."""
        folder = self.work / "inspect" / name
        self.command(
            *("inspect", "eval", "linear.py", "--model", f"{provider}/restem/{self.model}"),
            *("--log-dir", str(folder), "--log-format", "json", "--display", "none", *options),
        )
        log = json.loads(max(folder.glob("*.json")).read_text())
        if log["status"] != "success":
            raise RuntimeError(log["error"]["message"])
        scores = {s["reducer"]: round(s["metrics"]["accuracy"]["value"], 3) for s in log["results"]["scores"]}
        reasons = {sample["output"]["choices"][0]["stop_reason"] for sample in log["samples"]}
        usage = next(iter(log["stats"]["model_usage"].values()))
        return f"{scores}, {len(log['samples'])} samples ended by {sorted(reasons)}, {usage['output_tokens']} tokens"


def write_tasks(work: Path, count: int) -> None:
    """The problems and the tasks of both evaluators."""
    rows = [
        {"id": problem.id, "question": problem.question, "answer": problem.reference}
        for problem in problems(5, (3.0, 4.5), {"test": count})["test"]
    ]
    (work / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    choices = [
        {
            "question": row["question"],
            "choices": [f"x = {int(row['answer'] or 0) + k}" for k in (0, 1, -2, 7)],
            "label": 0,
        }
        for row in rows
    ]
    (work / "choices.jsonl").write_text("".join(json.dumps(row) + "\n" for row in choices))
    forms = {"linear": ('["Question:"]', ", max_gen_toks: 64", 1), "linear_repeats": ("[]", "", 4)}
    for name, (until, limit, repeats) in forms.items():
        text = GENERATE.format(folder=work, until=until, limit=limit, repeats=repeats)
        (work / f"{name}.yaml").write_text(text.replace("task: linear", f"task: {name}"))
    (work / "linear_choice.yaml").write_text(CHOICE.format(folder=work))
    (work / "linear.py").write_text(TASK.format(folder=work))


def lm_eval(trials: Trials) -> None:
    """The rows of lm-evaluation-harness."""
    chat, text = "local-chat-completions", "local-completions"
    for name, feature, task, model, options, *more in (
        ("chat", "generate_until, max_gen_toks 64", "linear", chat, ""),
        ("repeats", "4 repeats, until: [], default max_gen_toks 256", "linear_repeats", chat, ""),
        ("text", "generate_until, default tokenizer backend", "linear", text, ""),
        ("choice", "multiple choice, default tokenizer backend", "linear_choice", text, ""),
        ("choice_batch", "multiple choice, batch_size 8", "linear_choice", text, "", "--batch_size", "8"),
        (
            "choice_text",
            "multiple choice, tokenized_requests=False",
            "linear_choice",
            text,
            ",tokenized_requests=False",
        ),
    ):
        trials.trial(
            f"lm_eval {model}",
            feature,
            lambda n=name, t=task, m=model, o=options, e=more: trials.lm_eval(m, t, n, o, *e),
        )


def inspect(trials: Trials) -> None:
    """The rows of Inspect."""
    api, completions = "openai-api", "openai-api-completions"
    for name, feature, provider, options in (
        ("epochs", "match, 4 epochs, no max_tokens", api, ("--temperature", "0.7")),
        ("seed", "--seed 7, 4 epochs", api, ("--seed", "7", "--temperature", "0.7")),
        ("stream", "-M stream=true", api, ("-M", "stream=true")),
        ("stop", "--stop-seqs, --frequency-penalty 0", api, ("--stop-seqs", "\n", "--frequency-penalty", "0")),
        ("logprobs", "--logprobs --top-logprobs 3", api, ("--logprobs", "--top-logprobs", "3", "-T", "epochs=2")),
        ("long", "--max-tokens 5120 (over the context)", api, ("--max-tokens", "5120", "-T", "epochs=2")),
        ("choices", "--num-choices 2", api, ("--num-choices", "2", "-T", "epochs=2")),
        ("completions", "--max-tokens 64", completions, ("--max-tokens", "64", "-T", "epochs=2")),
    ):
        trials.trial(f"Inspect {provider}", feature, lambda p=provider, n=name, o=options: trials.inspect(p, n, *o))


CHAT = [{"role": "user", "content": "Solve 3*x - 2 = 4 for x."}]
ACCEPTED: dict[str, Any] = {
    "logprobs": False, "presence_penalty": 0, "frequency_penalty": 0, "logit_bias": {}, "user": "me", "tools": [],
    "response_format": {"type": "text"}, "parallel_tool_calls": True, "metadata": {"a": "b"}, "store": False,
    "service_tier": "auto", "reasoning_effort": "none", "top_k": -1, "min_p": 0, "repetition_penalty": 1.0,
    "chat_template_kwargs": {}, "skip_special_tokens": True, "ignore_eos": False, "return_token_ids": False,
    "stop": [], "stream_options": None, "n": 1, "max_tokens": 100_000,
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "presence_penalty": 0.5, "logit_bias": {"5": 1}, "tools": [{"type": "function"}], "min_p": 0.1, "ignore_eos": True,
    "response_format": {"type": "json_object"}, "temperature": 3, "n": 0, "stop": [""], "nonsense": 1,
}  # fmt: skip


def clients(trials: Trials) -> None:
    """The rows of the openai client."""
    client = openai.OpenAI(base_url=trials.url, api_key="none", max_retries=0)
    create, complete = client.chat.completions.create, client.completions.create
    base: dict[str, Any] = {"model": trials.model, "messages": CHAT, "temperature": 0}

    def text(**change: Any) -> str:
        choice = create(**base | change).choices[0]
        return f"{choice.message.content!r}, {choice.finish_reason}"

    def refusal(**change: Any) -> str:
        try:
            text(**change)
        except openai.APIStatusError as error:
            body = error.body if isinstance(error.body, dict) else {}
            return f"{error.status_code} param {body.get('param')}, code {body.get('code')}"
        raise ValueError("it was accepted")

    def stream() -> str:
        parts = [*create(**base, stream=True, stream_options={"include_usage": True})]
        return f"{len(parts)} parts, {parts[-1].usage.completion_tokens} tokens"

    def seeds() -> str:
        same: dict[str, Any] = {"temperature": 1.8, "seed": 5}
        again = [text(**same) for _ in range(3)]
        literal = [text(**same, extra_body={"restem_sample": k}) for k in (1, 2, 3)]
        return f"{len(set(again))} different of 3; restem_sample 1, 2, 3 gives the same three: {again == literal}"

    rows: list[tuple[str, Callable[[], str]]] = [
        ("models.list, models.retrieve", lambda: str(client.models.retrieve(client.models.list().data[0].id))),
        ("no max_tokens", text),
        ("stop", lambda: text(stop=["\n"])),
        ("stream with usage", stream),
        ("completions stream", lambda: f"{len([*complete(model=trials.model, prompt='Solve', stream=True)])} parts"),
        ("logprobs, top_logprobs=2", lambda: str(create(**base, logprobs=True, top_logprobs=2).choices[0])[:90]),
        ("echo, logprobs", lambda: str(complete(model=trials.model, prompt="x", echo=True, logprobs=1))[:90]),
        ("content parts", lambda: text(messages=[{"role": "user", "content": [{"type": "text", "text": "Solve"}]}])),
        ("role developer, assistant null", lambda: text(messages=[
            {"role": "developer", "content": "Be brief."}, *CHAT, {"role": "assistant", "content": None}, *CHAT])),
        ("prefill (continue_final_message)", lambda: text(
            messages=[*CHAT, {"role": "assistant", "content": "3*x = "}],
            extra_body={"continue_final_message": True, "add_generation_prompt": False})),
        ("the same seed, restem_sample", seeds),
        ("prompt over the context", lambda: refusal(messages=[{"role": "user", "content": "x+" * 5000}])),
        ("unknown model", lambda: refusal(model="gpt-4")),
    ]  # fmt: skip
    rows += [(f"{k}={v!r}", lambda k=k, v=v: text(extra_body={k: v})) for k, v in ACCEPTED.items()]
    rows += [(f"{k}={v!r} refused", lambda k=k, v=v: refusal(extra_body={k: v})) for k, v in REFUSED.items()]
    for feature, run in rows:
        trials.trial("openai client", feature, run)


def hostile(trials: Trials) -> None:
    """The rows of plain sockets."""
    port = int(trials.url.split(":")[2].split("/")[0])

    def raw(content: bytes) -> str:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(content)
            reply = b""
            while part := connection.recv(65536):
                reply += part
        head, _, body = reply.partition(b"\r\n\r\n")
        return f"{head.splitlines()[0].decode() if head else 'closed'} {body[:120].decode()}"

    def post(body: bytes, path: str = "/v1/chat/completions", head: str = "", length: int | None = None) -> bytes:
        lines = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{head}"
        )
        return f"{lines}Content-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body

    def get(path: str, host: str = "localhost", method: str = "GET") -> bytes:
        return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()

    for feature, content in (
        ("bad JSON", post(b"{")),
        ("deep nesting", post(b"[" * 200_000)),
        ("lone surrogate", post(b'{"messages": [{"role": "user", "content": "\\ud800"}]}')),
        ("NaN temperature", post(b'{"temperature": NaN, "messages": [{"role": "user", "content": "x"}]}')),
        ("1.2 MB", post(b" " * 1_200_000)),
        ('"prompt": [true]', post(b'{"prompt": [true]}', "/v1/completions")),
        ("GET /nowhere", get("/nowhere")),
        ("GET /v1/models/", get("/v1/models/")),
        ("DELETE /health", get("/health", method="DELETE")),
        ("Host: evil.example", get("/health", "evil.example")),
        ("Host: [::1]:8000", get("/health", "[::1]:8000")),
        ("half a head, then silence", b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"),
        ("half a body, then silence", post(b"{", length=100)),
    ):
        trials.trial("socket", feature, lambda content=content: raw(content))


@click.command()
@click.option("--evaluators", "python", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--policy", default="tiny", show_default=True)
@click.option("--count", default=16, show_default=True, help="Problems.")
@click.option("--work", type=click.Path(path_type=Path), help="Where the evaluators' files stay.")
@click.option("--only", multiple=True, type=click.Choice(["lm_eval", "inspect", "clients", "hostile"]))
def main(python: Path, policy: str, count: int, work: Path | None, only: tuple[str, ...]) -> None:
    """Prints the table."""
    work = (work or Path(tempfile.mkdtemp())).absolute()
    work.mkdir(parents=True, exist_ok=True)
    write_tasks(work, count)
    with served(policy) as server:
        trials = Trials(server, python, work)
        click.echo("| client | feature | result | | seconds |\n|---|---|---|---|---|")
        for part in (lm_eval, inspect, clients, hostile):
            if not only or part.__name__ in only:
                part(trials)


if __name__ == "__main__":
    main()
