"""The command line: the one file that knows all four packages. Heavy imports stand inside the commands.

Results go to stdout, progress to stderr. Exit code 0: done; 1: failed or stopped, the same command resumes; 2: asked
wrongly, nothing was done.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.errors import ConfigError, RestemError
from verifiers.verdict import UnknownVerifier, VerifierError

if TYPE_CHECKING:
    from benchmarks.problem import Problem
    from harness.config import Suite
    from harness.policy import Policy
    from harness.rest_em import Run
    from harness.store import Store
    from verifiers.verdict import Verifier

JUDGES = ("judge", "judge_blind")
CONTROLS = ("accept_all", "random", "reject_all")
EMBEDDED = {"tiny": "tiny", "tiny-judge": "judge"}


class _Commands(click.Group):
    """Turns the project's own errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        signal.signal(signal.SIGTERM, _terminated)
        # So that `mine:Polite` is found beside the suite; last, so that no file here shadows an installed module.
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("stopped; the same command resumes", err=True)
            sys.exit(130)
        except (RestemError, VerifierError) as error:
            click.echo(f"restem: {error}", err=True)
            sys.exit(2 if isinstance(error, ConfigError | UnknownVerifier) else 1)


def _terminated(number: int, _: object) -> None:
    click.echo("stopped; the same command resumes", err=True)
    sys.exit(128 + number)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="restem-harness")
def main() -> None:
    """Which verifier is worth training on?

    Trains a Gemma policy with ReST-EM once per verifier and compares what each did for accuracy.

    \b
    Example:
      restem run                         the default suite: four verifiers on linear_1d
      restem show runs/linear_1d         where it stands
    """


@main.command("run")
@click.argument("suite", default="linear_1d")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/<suite name>]")
@click.option("--set", "overrides", multiple=True, metavar="a.b=value", help="Change one setting of the suite.")
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
@click.option("--quiet", is_flag=True, help="No progress.")
def run_command(suite: str, out: Path | None, overrides: tuple[str, ...], as_json: bool, quiet: bool) -> None:
    """Runs a suite, a built-in name or a TOML file, into a run folder; the same --out again resumes.

    \b
    Example:
      restem run linear_1d --out runs/first --set iterations=1 --set sampling.train_samples=8
    """
    from harness.config import load_suite, to_toml
    from harness.store import Store

    resolved = load_suite(suite, overrides)
    folder = out or Path("runs") / resolved.name
    _check_verifiers(resolved)
    problems = _problems(resolved)
    with Store(folder, write=True) as store:
        _same_suite(store, resolved, folder)
        (folder / "suite.toml").write_text(to_toml(resolved))
        for split in problems.values():
            store.add_problems(split)
        _run_suite(store, resolved, quiet)
    _print_report(folder, as_json)


def _run_suite(store: Store, suite: Suite, quiet: bool) -> None:
    import time

    from harness import rest_em
    from harness.progress import RunProgress

    if store.run().get("finished"):
        return
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        judge = _judge_options(suite.verifiers, suite.verifier_names, store.folder, stack)
        verifiers = _build_verifiers(store, suite, judge)
        base = _load_policy(suite.policy)
        _record(store, suite, verifiers, judge, base)
        progress = stack.enter_context(RunProgress(rest_em.planned_samples(suite), quiet=quiet))
        run: Run = rest_em.Run(
            suite=suite,
            store=store,
            base=base,
            verifiers=verifiers,
            measuring=tuple(verifiers),
            progress=progress,
        )
        rest_em.run(run)
    store.log("finished", seconds=time.monotonic() - started)
    store.put_run({"finished": True})


def _problems(suite: Suite) -> dict[str, list[Problem]]:
    config = suite.benchmark
    counts = {"train": config.train, "validation": config.validation, "test": config.test}
    try:
        if config.path is not None:
            from benchmarks.files import read_problems, split_problems

            return split_problems(read_problems(Path(config.path)), counts)
        from benchmarks import linear_1d

        return linear_1d.problems(suite.seed, config.regime, counts)
    except (ValueError, OSError) as error:
        raise ConfigError(f"benchmark: {error}") from None


def _check_verifiers(suite: Suite) -> None:
    from verifiers import catalog

    for name in suite.verifier_names:
        if name not in JUDGES:
            catalog.build(name, suite.verifiers.get(name, {}))
    unused = sorted(set(suite.verifiers) - set(suite.verifier_names))
    if unused:
        raise ConfigError(f"verifiers.{unused[0]}: no arm, gold or scoring list names this verifier")


def _judge_options(
    options: dict[str, dict[str, Any]], names: Sequence[str], log_folder: Path, stack: contextlib.ExitStack
) -> dict[str, dict[str, Any]]:
    """The options of every judge that is used; without a key and a base_url, those of the embedded one, now started."""
    judges = {name: dict(options.get(name, {})) for name in names if name in JUDGES}
    elsewhere = bool(os.environ.get("OPENAI_BASE_URL"))  # the openai package's own way to name a server
    homeless = [
        name
        for name, options in judges.items()
        if not (elsewhere or options.get("base_url") or os.environ.get(_key_variable(options)))
    ]
    if homeless:
        from harness.embedded import embedded_judge

        served = stack.enter_context(embedded_judge(log_folder / "judge.log"))
        for name in homeless:
            judges[name] |= {"base_url": served["base_url"], "model": served["model"]}
            judges[name].setdefault("concurrency", 64)
            judges[name].setdefault("max_tokens", 4)
    return judges


def _key_variable(options: dict[str, Any]) -> str:
    return options.get("api_key_env", "OPENAI_API_KEY")


def _build_verifiers(store: Store, suite: Suite, judge: dict[str, dict[str, Any]]) -> dict[str, Verifier]:
    from benchmarks.linear_1d import check_steps, parse_question
    from harness.steps import StepsVerifier
    from verifiers import catalog

    verifiers: dict[str, Verifier] = {
        name: catalog.build(name, judge.get(name, suite.verifiers.get(name, {})), calls=store)
        for name in suite.verifier_names
    }
    with contextlib.suppress(ValueError):
        for problem in store.problems():
            parse_question(problem.question)
        verifiers["steps"] = StepsVerifier(check_steps)
    return verifiers


def _record(
    store: Store, suite: Suite, verifiers: dict[str, Verifier], judge: dict[str, dict[str, Any]], base: Policy
) -> None:
    """Writes down what the run is made of; refuses to go on with other verifiers or another base than it began with."""
    from benchmarks.linear_1d import chance_level
    from harness.policy import params_hash
    from harness.provenance import provenance

    fingerprints = {name: verifier.fingerprint for name, verifier in verifiers.items()}
    facts = {"verifiers": fingerprints, "base_sha256": params_hash(base.params)}
    stored = store.run()
    if "verifiers" in stored:  # `restem verify RUN` may have added others
        stored["verifiers"] = {name: stored["verifiers"].get(name) for name in fingerprints}
    for key, value in facts.items():
        if key in stored and stored[key] != value:
            raise ConfigError(f"{store.folder}: {key} differs from when this run began: {stored[key]} now {value}")
    for name, verifier in verifiers.items():
        options = judge.get(name, suite.verifiers.get(name, {}))
        store.add_verifier(verifier.fingerprint, name, options)
    store.put_run(
        facts
        | {
            "controls": [name for name in suite.verifier_names if name in CONTROLS],
            "judge": _judge_facts(judge),
            "chance_level": chance_level(store.problems("test")),
        }
        | provenance()
    )


def _judge_facts(judge: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    if not judge:
        return None
    from harness.policy import ASSETS

    models = sorted({str(options.get("model", "gpt-4")) for options in judge.values()})
    embedded = any(model.startswith("tiny-judge@") for model in models)
    path = ASSETS / "judge" / "card.json"
    quality = json.loads(path.read_text())["quality"] if embedded and path.is_file() else {}
    return {
        "model": ", ".join(models),
        "embedded": embedded,
        "card": {name: rates["base"] for name, rates in quality.items()} or None,
    }


def _load_policy(name: str) -> Policy:
    from harness.policy import ASSETS, load_policy

    folder = ASSETS / EMBEDDED[name] if name in EMBEDDED else Path(name)
    if not (folder / "policy.json").is_file():
        raise ConfigError(f"policy {name!r}: neither one of {', '.join(EMBEDDED)} nor a checkpoint folder")
    return load_policy(folder)


def _same_suite(store: Store, suite: Suite, folder: Path) -> None:
    now = suite.model_dump(mode="json")
    before = store.run().get("suite", now)
    keys = sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key))
    if keys:
        changes = "; ".join(f"{key}: {before.get(key)!r} now {now.get(key)!r}" for key in keys)
        raise ConfigError(f"{folder} holds a run of another suite; give another --out. {changes}")
    store.put_run({"suite": now})


def _print_report(folder: Path, as_json: bool) -> None:
    from reports.render import standings, summary, write_report

    path = write_report(folder)
    click.echo(json.dumps(standings(folder)) if as_json else summary(folder))
    click.echo(f"report: {path}", err=True)


@main.command("verify")
@click.argument("run", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--verifier", "names", multiple=True, required=True, help="A verifier; may be given again.")
@click.option("--input", "input_path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="JSON lines.")
@click.option("--output", "output_path", type=click.Path(path_type=Path), help="Verdicts.  [default: stdout]")
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path, exists=True), help="TOML with [verifiers.NAME]."
)
@click.option("--set", "overrides", multiple=True, metavar="verifiers.NAME.option=value", help="Set an option.")
def verify_command(
    run: Path | None,
    names: tuple[str, ...],
    input_path: Path | None,
    output_path: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Scores rows of a file, or the stored samples of a run, with any verifiers.

    An input row has id, question, reference (may be null), response, and optionally problem_id.

    \b
    Example:
      restem verify --verifier sympy --verifier exact --input rows.jsonl --output verdicts.jsonl
      restem verify runs/linear_1d --verifier judge_blind
    """
    options = _verifier_options(config_path, overrides)
    if (run is None) == (input_path is None):
        raise ConfigError("give either a RUN or --input ROWS.jsonl")
    if run is not None:
        _verify_run(run, names, options)
    elif input_path is not None:
        _verify_rows(input_path, output_path, names, options)


def _verifier_options(config_path: Path | None, overrides: Sequence[str]) -> dict[str, dict[str, Any]]:
    import tomllib

    from harness.config import set_value

    data: dict[str, Any] = {}
    if config_path is not None:
        try:
            data = tomllib.loads(config_path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{config_path}: not TOML: {error}") from None
    for override in overrides:
        if not override.startswith("verifiers."):
            raise ConfigError(f"--set {override}: expected verifiers.NAME.option=value")
        set_value(data, override)
    return data.get("verifiers", {})


def _verify_run(folder: Path, names: Sequence[str], options: dict[str, dict[str, Any]]) -> None:
    from harness.evaluate import verify
    from harness.store import Store
    from verifiers import catalog

    for name in names:
        if name not in JUDGES:
            catalog.build(name, options.get(name, {}))
    with Store(folder, write=True) as store, contextlib.ExitStack() as stack:
        judge = _judge_options(options, names, folder, stack)
        known = store.run().get("verifiers", {})
        for name in names:
            verifier = catalog.build(name, judge.get(name, options.get(name, {})), calls=store)
            store.add_verifier(verifier.fingerprint, name, judge.get(name, options.get(name, {})))
            groups = store.query(
                "SELECT DISTINCT s.checkpoint, p.split FROM sample s JOIN problem p ON p.id = s.problem ORDER BY 1, 2"
            )
            new = sum(verify(store, c, store.problems(split), split, verifier) for c, split in groups)
            # The same name with another fingerprint is another verifier, and gets a name of its own.
            label = name if known.get(name, verifier.fingerprint) == verifier.fingerprint else verifier.fingerprint
            known[label] = verifier.fingerprint
            store.set_run("verifiers", known)
            click.echo(f"{label}: {new} new verdicts")


def _verify_rows(path: Path, output: Path | None, names: Sequence[str], options: dict[str, dict[str, Any]]) -> None:
    import tempfile

    from verifiers import catalog
    from verifiers.rows import output_row, read_rows
    from verifiers.verdict import checked

    rows = read_rows(path)
    for name in names:
        if name not in JUDGES:
            catalog.build(name, options.get(name, {}))
    with contextlib.ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        judge = _judge_options(options, names, logs, stack)
        verdicts = []
        for name in names:
            verifier = catalog.build(name, judge.get(name, options.get(name, {})))
            order = rows.by_problem()
            found = checked(verifier, [rows.attempts[i] for i in order])
            verdicts.append(dict(zip(order, found, strict=True)))
        lines = (
            json.dumps(output_row(id, name, verdicts[v][i]), ensure_ascii=True)
            for i, id in enumerate(rows.ids)
            for v, name in enumerate(names)
        )
        text = "".join(line + "\n" for line in lines)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


@main.command("report")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--output", type=click.Path(path_type=Path), help="Folder.  [default: the run folder]")
def report_command(run: Path, output: Path | None) -> None:
    """Writes report.md, report.html and figures/ from run.db alone.

    \b
    Example:
      restem report runs/linear_1d --output /tmp/report
    """
    from reports.render import write_report

    click.echo(write_report(run, output))


@main.command("show")
@click.argument("run", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the standings as JSON.")
def show_command(run: Path, as_json: bool) -> None:
    """One screen: arms, iterations, accuracy with intervals, cost, what is unfinished.

    \b
    Example:
      restem show runs/linear_1d
    """
    from reports.terminal import standings, status

    click.echo(json.dumps(standings(run)) if as_json else status(run))


@main.command("generate")
@click.argument("benchmark", type=click.Choice(["linear_1d"]))
@click.option("--count", type=click.IntRange(min=1), required=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--regime", default="train-easy", show_default=True, help="A named regime, or LOW,HIGH entropy.")
@click.option("--split", default="test", show_default=True)
@click.option("--format", "form", type=click.Choice(["jsonl", "lines"]), default="jsonl", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="File.  [default: stdout]")
def generate_command(
    benchmark: str, count: int, seed: int, regime: str, split: str, form: str, output: Path | None
) -> None:
    """Writes a problem set.

    \b
    Example:
      restem generate linear_1d --count 100 --seed 3 --regime train-medium --format lines
    """
    from benchmarks import linear_1d
    from benchmarks.files import write_json_lines, write_lines

    low, comma, high = regime.partition(",")
    try:
        entropy = (float(low), float(high)) if comma else regime
        problems = linear_1d.problems(seed, entropy, {split: count})[split]
    except ValueError as error:
        raise ConfigError(str(error)) from None
    text = write_lines(problems) if form == "lines" else write_json_lines(problems)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, "utf-8")


@main.command("serve")
@click.argument("policy")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes a free one.")
@click.option("--while-stdin-open", is_flag=True, hidden=True)
def serve_command(policy: str, port: int, while_stdin_open: bool) -> None:
    """Serves a policy or checkpoint behind the OpenAI routes on 127.0.0.1.

    Prints one JSON line with base_url and model once it listens.

    \b
    Example:
      restem serve tiny --port 8000
      restem serve runs/linear_1d/checkpoints/sympy-2 --port 0
    """
    from harness.serve import serve

    serve(_load_policy(policy), policy if policy in EMBEDDED else Path(policy).name, port, while_stdin_open)


if __name__ == "__main__":
    main()
