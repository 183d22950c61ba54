"""Rollouts of evaluators and environments: recognised, imported whole, with the scores that their files hold."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from restem.harness.app.import_rollouts import Request, import_rollouts
from restem.harness.errors import ConfigError
from restem.harness.imports import catalog
from restem.harness.imports.inspect_log import number_of
from restem.harness.imports.rollout import TEST, TRAIN, Refused, Rollout
from restem.harness.imports.sources import Source
from restem.harness.store.store import Store

FILES = Path(__file__).parent / "rollouts"
(LM_EVAL,) = (FILES / "lm_eval").glob("samples_equations_2*.jsonl")
(REPEATED,) = (FILES / "lm_eval").glob("samples_equations_repeated_*.jsonl")
(RESULTS,) = (FILES / "lm_eval").glob("results_*.json")
INSPECT, INSPECT_EVAL = FILES / "inspect" / "equations.json", FILES / "inspect" / "equations.eval"
TRACES, LEGACY = FILES / "verifiers" / "traces.jsonl", FILES / "verifiers" / "results.jsonl"
GYM, GYM_FAILURES = FILES / "nemo_gym" / "math.jsonl", FILES / "nemo_gym" / "unjudged_failures.jsonl"
EVAL_PROTOCOL = FILES / "eval_protocol" / "rows.jsonl"
LIGHTEVAL = FILES / "lighteval" / "details_equations.parquet"
SKILLS = FILES / "nemo_skills" / "output-rs1.jsonl"
OPENAI_EVALS = FILES / "openai_evals" / "log.jsonl"
CHAT = FILES / "chat" / "chat.jsonl"

# File -> its format, and how many rollouts and refused rows it gives.
WHOLE = {
    LM_EVAL: ("lm_eval", 7, 0),
    REPEATED: ("lm_eval", 21, 0),
    INSPECT: ("inspect_log", 10, 2),
    TRACES: ("verifiers_traces", 12, 0),
    LEGACY: ("verifiers_results", 12, 0),
    GYM: ("nemo_gym", 5, 0),
    EVAL_PROTOCOL: ("eval_protocol", 4, 0),
    LIGHTEVAL: ("lighteval", 24, 0),
    SKILLS: ("nemo_skills", 5, 0),
    OPENAI_EVALS: ("openai_evals", 2, 1),
    CHAT: ("chat", 4, 1),
}


def read(path: Path) -> list[Rollout | Refused]:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    source = Source(path)
    return list(catalog.recognise(source).read(source))


def rollouts(path: Path) -> list[Rollout]:
    return [each for each in read(path) if isinstance(each, Rollout)]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, rows: list[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_the_format_is_recognised_and_every_row_is_imported_or_refused_with_a_reason(path: Path) -> None:
    form, imported, refused = WHOLE[path]
    rows = read(path)
    assert catalog.recognise(Source(path)).name == form
    assert Counter(type(row) for row in rows) == Counter({Rollout: imported, Refused: refused})
    assert all(row.place.startswith(path.name) for row in rows)
    assert all(row.reason for row in rows if isinstance(row, Refused))
    assert all(row.question for row in rows if isinstance(row, Rollout))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_no_two_samples_of_a_problem_have_the_same_index(path: Path) -> None:
    places = [(row.split, row.group, row.question, row.references, row.step, row.index) for row in rollouts(path)]
    assert len(set(places)) == len(places)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.name)
def test_importing_twice_adds_nothing(path: Path, tmp_path: Path) -> None:
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow")
    _, expected, _ = WHOLE[path]
    (first,) = import_rollouts(Request(paths=(path,)), tmp_path / "run", quiet=True)
    (again,) = import_rollouts(Request(paths=(path,)), tmp_path / "run", quiet=True)
    assert (first.counts.imported, again.counts.imported) == (expected, 0)


def own_lm_eval() -> dict[str, list[float]]:
    of: dict[str, list[float]] = {}
    for line in lines(REPEATED):
        of.setdefault(f"{line['filter']}.exact_match", []).append(line["exact_match"])
    return of


def test_lm_eval_repeats_are_samples_and_a_metric_belongs_to_the_first_where_its_filter_takes_the_first() -> None:
    rows = rollouts(REPEATED)
    documents = {line["doc_id"]: line for line in lines(REPEATED)}
    assert [row.response for row in rows] == [text for line in documents.values() for text in line["resps"][0]]
    assert [row.index for row in rows] == [0, 1, 2] * len(documents)
    firsts = [row.rewards["last-number.exact_match"] for row in rows if row.index == 0]
    own = json.loads(RESULTS.read_text())["results"]["equations_repeated"]["exact_match,last-number"]
    assert firsts == own_lm_eval()["last-number.exact_match"]
    assert math.isclose(sum(number or 0 for number in firsts) / len(firsts), own)
    assert all(row.rewards["last-number.exact_match"] is None for row in rows if row.index)


def test_lm_eval_a_metric_of_all_repeats_is_undecided_with_the_reason() -> None:
    rows = rollouts(REPEATED)
    assert {row.rewards["majority.exact_match"] for row in rows} == {None}
    assert {row.reasons["majority.exact_match"] for row in rows} == {
        "the metric belongs to one answer that was made from all repeats of the document"
    }


def test_lm_eval_model_task_question_and_reference_are_those_of_the_run() -> None:
    results, documents = json.loads(RESULTS.read_text()), lines(LM_EVAL)
    rows = rollouts(LM_EVAL)
    assert {row.series for row in rows} == {results["model_name"]}
    assert {row.strata["task"] for row in rows} == {"equations"}
    assert [row.question for row in rows] == [line["doc"]["question"] for line in documents]
    assert [row.references for row in rows] == [(line["doc"]["answer"],) for line in documents]
    assert [row.answers["last-number.exact_match"] for row in rows] == [line["filtered_resps"][0] for line in documents]


def test_lm_eval_log_likelihoods_are_refused(tmp_path: Path) -> None:
    line = lines(LM_EVAL)[0] | {"resps": [[["-1.5", "False"]], [["-0.5", "True"]]], "filtered_resps": [["-1.5"]]}
    (row,) = read(written(tmp_path / "samples.jsonl", [line]))
    assert row == Refused(place="samples.jsonl:1", reason="resps: log-likelihoods; the policy wrote no text")


def test_lm_eval_values_that_match_the_repeats_are_theirs(tmp_path: Path) -> None:
    line = lines(REPEATED)[0]
    line |= {"filter": "each", "exact_match": [1.0, 0.0, 1.0], "filtered_resps": [["a", "b", "c"]]}
    rows = rollouts(written(tmp_path / "samples.jsonl", [line]))
    assert [row.rewards["each.exact_match"] for row in rows] == [1.0, 0.0, 1.0]
    assert [row.answers["each.exact_match"] for row in rows] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("target", "references"),
    [("7", ("7",)), (7, ("7",)), ("['7', '7.0']", ("7", "7.0")), ("[7, 8)", ("[7, 8)",)), ("[1, 2]", ("[1, 2]",))],
)
def test_lm_eval_a_target_that_lists_texts_is_several_references(target: Any, references: tuple[str, ...]) -> None:
    from restem.harness.imports.lm_eval import references as of

    assert of(target) == references


def own_inspect() -> dict[str, list[float | None]]:
    words = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
    of: dict[str, list[float | None]] = {}
    for sample in json.loads(INSPECT.read_text())["samples"]:
        for name, score in (sample.get("scores") or {}).items():
            value = words.get(score["value"], score["value"])
            of.setdefault(name, []).append(None if value is None or math.isnan(value) else value)
    return of


def test_inspect_scores_are_numbers_and_unscored_is_undecided() -> None:
    rows = rollouts(INSPECT)
    assert {name: [row.rewards[name] for row in rows] for name in ("match", "near")} == own_inspect()
    unscored = [row for row in rows if row.rewards["near"] is None]
    assert unscored
    assert {row.reasons["near"] for row in unscored} == {"too many numbers"}


def test_inspect_epochs_are_samples_with_tokens_stop_reason_model_and_every_target() -> None:
    samples = [sample for sample in json.loads(INSPECT.read_text())["samples"] if not sample.get("error")]
    rows = rollouts(INSPECT)
    assert [row.index for row in rows] == [sample["epoch"] - 1 for sample in samples]
    assert [row.token_count for row in rows] == [sample["output"]["usage"]["output_tokens"] for sample in samples]
    assert [row.references for row in rows] == [tuple(sample["target"]) for sample in samples]
    assert {row.series for row in rows} == {samples[0]["output"]["model"]}
    assert {row.finish_reason for row in rows} <= {"stop", "length"}


def test_inspect_a_sample_that_ended_in_an_error_is_refused() -> None:
    (reason,) = {row.reason for row in read(INSPECT) if isinstance(row, Refused)}
    assert "the tool does not answer" in reason


def test_inspect_an_eval_log_gives_the_rollouts_of_its_json() -> None:
    pytest.importorskip("inspect_ai")

    def plain(path: Path) -> list[Any]:
        rows = rollouts(path)
        return sorted((dataclasses.replace(row, place="") for row in rows), key=lambda row: (row.group, row.index))

    assert plain(INSPECT_EVAL) == plain(INSPECT)


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python 3.14 reads zstandard")
def test_inspect_an_eval_log_that_cannot_be_read_names_the_package() -> None:
    try:
        import inspect_ai  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(ConfigError, match="pip install inspect_ai"):
            read(INSPECT_EVAL)


def test_inspect_an_eval_log_of_a_plain_zip_is_read_without_inspect(tmp_path: Path) -> None:
    log = json.loads(INSPECT.read_text())
    path = tmp_path / "equations.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": log["eval"]}))
        for sample in log["samples"]:
            archive.writestr(f"samples/{sample['id']}_epoch_{sample['epoch']}.json", json.dumps(sample))
    assert [row.response for row in rollouts(path)] == [row.response for row in rollouts(INSPECT)]


@pytest.mark.parametrize(
    ("value", "number"),
    [("C", 1), ("P", 0.5), ("I", 0), ("N", 0), ("yes", 1), ("False", 0), ("0.25", 0.25), (True, 1), (3, 3)],
)
def test_inspect_values_become_the_numbers_that_inspect_makes_of_them(value: Any, number: float) -> None:
    assert number_of(value) == (number, None)


@pytest.mark.parametrize("value", [None, math.nan, "a word", [1, 2]])
def test_inspect_a_value_without_a_number_is_undecided(value: Any) -> None:
    number, why = number_of(value)
    assert number is None
    assert why


def test_verifiers_rewards_are_those_of_the_traces_and_a_missing_one_is_undecided() -> None:
    traces = [trace for line in lines(TRACES) for trace in line["traces"]]
    rows = rollouts(TRACES)
    for row, trace in zip(rows, traces, strict=True):
        scores = {name: reward["score"] for name, reward in trace["rewards"].items() if reward is not None}
        assert {name: value for name, value in row.rewards.items() if value is not None and name != "reward"} == scores
        if "short" in scores:
            assert row.rewards["reward"] == pytest.approx(scores["correct"] + 0.25 * scores["short"])
    missing = [row for row, trace in zip(rows, traces, strict=True) if not trace["rewards"].get("short")]
    assert missing
    assert all(row.rewards["short"] is None and row.rewards["reward"] is None for row in missing)


def test_verifiers_text_reference_tokens_and_model_are_those_of_the_last_sampled_message() -> None:
    traces = [trace for line in lines(TRACES) for trace in line["traces"]]
    for row, trace in zip(rollouts(TRACES), traces, strict=True):
        assert row.response == trace["nodes"][-1]["message"]["content"]
        assert row.references == (trace["task"]["data"]["answer"],)
        assert row.token_count == trace["calls"][-1]["usage"]["completion_tokens"]
        assert (row.series, row.split) == (trace["calls"][-1]["model"], TEST)


def test_verifiers_a_trained_policy_has_steps_and_effective_rollouts_are_not_imported_twice(tmp_path: Path) -> None:
    work = {"type": "train", "step": 7, "policy": {"start": 5, "end": 6}}
    episodes = [line | {"run": {"type": "train", "id": "r", "work": work}} for line in lines(TRACES)]
    every = written(tmp_path / "step_7" / "train" / "all" / "traces.jsonl", episodes)
    effective = written(tmp_path / "step_7" / "train" / "effective" / "traces.jsonl", episodes[:2])
    assert {(row.step, row.split) for row in rollouts(every)} == {(6, TRAIN)}
    assert not rollouts(effective)
    results = import_rollouts(Request(paths=(tmp_path / "step_7",)), tmp_path / "run", quiet=True)
    assert sum(result.counts.imported for result in results) == len(episodes)


def test_verifiers_effective_rollouts_alone_are_imported(tmp_path: Path) -> None:
    assert len(rollouts(written(tmp_path / "effective" / "traces.jsonl", lines(TRACES)[:2]))) == 2


def changed_trace(change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    (line,) = lines(TRACES)[:1]
    change(line["traces"][0])
    return line


def test_verifiers_of_several_turns_the_last_sampled_text_counts(tmp_path: Path) -> None:
    def add_turns(trace: dict[str, Any]) -> None:
        trace["nodes"] += [
            {"parent": 1, "message": {"role": "user", "content": "Again."}, "sampled": False},
            {"parent": 2, "message": {"role": "assistant", "content": "x = 3"}, "sampled": True},
            {"parent": 3, "message": {"role": "assistant", "content": None}, "sampled": True},
        ]

    (row,) = rollouts(written(tmp_path / "traces.jsonl", [changed_trace(add_turns)]))
    assert row.response == "x = 3"
    assert row.question == lines(TRACES)[0]["task"]["data"]["prompt"]


def test_verifiers_a_trace_without_text_or_of_an_untrained_agent_is_refused(tmp_path: Path) -> None:
    def failed(trace: dict[str, Any]) -> None:
        trace |= {"nodes": [], "errors": [{"type": "ProviderError", "message": "no reply"}]}

    def untrained(trace: dict[str, Any]) -> None:
        trace["agent"]["trainable"] = False

    rows = read(written(tmp_path / "traces.jsonl", [changed_trace(failed), changed_trace(untrained)]))
    assert [row.reason for row in rows if isinstance(row, Refused)] == [
        "traces: no text was sampled (ProviderError: no reply)",
        "a trace of the agent 'agent', which is not trained",
    ]


def test_verifiers_legacy_rewards_are_those_of_the_file(tmp_path: Path) -> None:
    for row, line in zip(rollouts(LEGACY), lines(LEGACY), strict=True):
        assert row.rewards == {"reward": line["reward"], "correct": line["correct"], "short": line["short"]}
        assert row.response == line["completion"][-1]["content"]
    metadata = json.loads(LEGACY.with_name("metadata.json").read_text())
    numbers = [row.rewards["reward"] or 0 for row in rollouts(LEGACY)]
    assert sum(numbers) / len(numbers) == pytest.approx(metadata["avg_reward"])
    assert {row.series for row in rollouts(LEGACY)} == {metadata["model"]}
    (row,) = rollouts(written(tmp_path / "results.jsonl", [lines(LEGACY)[0] | {"error": {"error": "TimeoutError"}}]))
    assert (row.rewards["reward"], row.reasons["reward"]) == (None, "TimeoutError")


def test_nemo_gym_reward_library_reward_and_judge_are_three_verifiers() -> None:
    rows, own = rollouts(GYM), lines(GYM)
    assert [row.rewards["reward"] for row in rows] == [line["reward"] for line in own]
    assert [row.rewards["library_reward"] for row in rows] == [line["library_reward"] for line in own]
    assert [row.rewards.get("judge") for row in rows] == [0.0 if line["judge_evaluations"] else None for line in own]
    assert [row.references for row in rows] == [(line["expected_answer"],) for line in own]


def test_nemo_gym_a_failed_rollout_is_undecided_with_its_class() -> None:
    failed = [row for row in rollouts(GYM_FAILURES)]
    assert failed
    for row in failed:
        assert row.rewards == {"reward": None}
        assert row.reasons["reward"].startswith("judge_failed")


def gym_rows() -> list[dict[str, Any]]:
    return [line | {"_ng_task_index": 0, "_ng_rollout_index": index} for index, line in enumerate(lines(GYM))]


def test_nemo_gym_the_failures_file_beside_is_read_and_a_later_success_replaces_a_failure(tmp_path: Path) -> None:
    rows = gym_rows()
    failure = {"_ng_failure_class": "judge_failed", "reward": 0.0, "mask_sample": True}
    main = written(tmp_path / "x.jsonl", rows[:3])
    written(tmp_path / "x_failures.jsonl", [rows[2] | failure, rows[3] | failure, rows[3] | failure, rows[4] | failure])
    assert [row.index for row in rollouts(main)] == [0, 1, 2, 3, 4]
    assert [row.rewards["reward"] is None for row in rollouts(main)] == [False, False, False, True, True]
    superseded = [row for row in read(main) if isinstance(row, Refused)]
    assert [row.place for row in superseded] == ["x_failures.jsonl:1", "x_failures.jsonl:2"]
    assert [row.index for row in rollouts(tmp_path / "x_failures.jsonl")] == [3, 4]


def test_nemo_gym_a_rollout_without_text_is_refused_with_its_failure(tmp_path: Path) -> None:
    row = gym_rows()[0] | {"_ng_failure_class": "agent_run_error", "response": None}
    assert read(written(tmp_path / "x_failures.jsonl", [row])) == [
        Refused(place="x_failures.jsonl:1", reason="response: no message was written (agent_run_error)")
    ]


def test_nemo_gym_an_empty_message_is_a_response_that_was_scored(tmp_path: Path) -> None:
    row = gym_rows()[0]
    row["response"]["output"] = [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ""}]}
    ]
    (rollout,) = rollouts(written(tmp_path / "x.jsonl", [row]))
    assert (rollout.response, rollout.rewards["reward"]) == ("", 0.0)


def test_eval_protocol_a_score_that_is_not_valid_is_undecided() -> None:
    rows, own = rollouts(EVAL_PROTOCOL), [line["evaluation_result"] for line in lines(EVAL_PROTOCOL)]
    assert [row.rewards["score"] for row in rows] == [r["score"] if r["is_score_valid"] else None for r in own]
    assert [row.reasons.get("score") for row in rows] == [None if r["is_score_valid"] else r["reason"] for r in own]
    assert [row.rewards["metrics.format"] for row in rows] == [r["metrics"]["format"]["score"] for r in own]


def test_lighteval_metrics_of_several_samples_are_undecided_with_the_reason() -> None:
    rows = rollouts(LIGHTEVAL)
    assert {row.index for row in rows} == {0, 1, 2}
    assert all(row.rewards[name] is None for row in rows for name in row.rewards)
    assert {reason for row in rows for reason in row.reasons.values()} == {
        "the metric belongs to the document, which has 3 samples"
    }


def test_nemo_skills_rule_and_judge_are_two_verifiers_and_an_unread_judgement_is_undecided() -> None:
    rows = rollouts(SKILLS)
    assert {row.index for row in rows} == {1}
    assert [row.rewards["symbolic_correct"] for row in rows] == [1.0, 0.0, 0.0, 0.0, 1.0]
    assert [row.rewards["judge_correct"] for row in rows] == [1.0, 1.0, 0.0, 0.0, None]


def test_openai_evals_events_are_joined_by_sample(tmp_path: Path) -> None:
    rows = rollouts(OPENAI_EVALS)
    assert [(row.question, row.response, row.rewards, row.references) for row in rows] == [
        ("Solve 2*x = 4 for x.", "x = 2", {"match": 1.0}, ("2",)),
        ("Solve 3*x = 9 for x.", "x = 4", {"match": 0.0}, ("3", "3.0")),
    ]
    assert {row.series for row in rows} == {"tiny"}
    asked_again = lines(OPENAI_EVALS)[:3] + lines(OPENAI_EVALS)[1:2]
    assert [row.rewards for row in rollouts(written(tmp_path / "log.jsonl", asked_again))] == [{"match": None}] * 2


def test_chat_the_last_turn_of_the_assistant_or_every_choice_is_a_sample() -> None:
    rows = rollouts(CHAT)
    assert [(row.question, row.response) for row in rows] == [
        ("Solve 2*x = 4 for x.", "x = 2"),
        ("And 3*x = 9?", "x = 3"),
        ("Solve 5*x = 5 for x.", "x = 1"),
        ("Solve 5*x = 5 for x.", "x = 5"),
    ]
    assert [row.rewards for row in rows] == [{"reward": 1.0}, {}, {}, {}]


def test_damaged_and_strange_rows_are_refused_and_the_others_imported(tmp_path: Path) -> None:
    for path in (GYM, TRACES, LEGACY, EVAL_PROTOCOL, REPEATED):
        good = path.read_text().splitlines()
        other = tmp_path / f"damaged_{path.name}"
        strange = [json.dumps(dict.fromkeys(json.loads(good[0]), value)) for value in (None, [], {}, 7, "text")]
        other.write_text("\n".join([good[0], "{", *strange, *good[1:]]) + "\n")
        source = Source(other)
        rows = list(catalog.by_name(WHOLE[path][0]).read(source))
        assert sum(isinstance(row, Rollout) for row in rows) == WHOLE[path][1], path
        assert sum(isinstance(row, Refused) for row in rows) >= 2, path


def test_an_imported_run_holds_the_numbers_of_its_files(tmp_path: Path) -> None:
    import_rollouts(Request(paths=(INSPECT, REPEATED)), tmp_path / "run", quiet=True)
    with Store(tmp_path / "run") as store:
        rows = store.query(
            "SELECT v.name, AVG(d.raw_reward) FROM verdict d JOIN verifier v ON v.fingerprint = d.verifier"
            " GROUP BY v.name"
        )
        assert store.run()["suite"]["gold"] == "sympy"
    own = {
        name: [value for value in of if value is not None] for name, of in {**own_inspect(), **own_lm_eval()}.items()
    }
    stored = {name.removeprefix("recorded:"): number for name, number in rows}
    for name in ("match", "near", "last-number.exact_match"):
        assert stored[name] == pytest.approx(sum(own[name]) / len(own[name]))
