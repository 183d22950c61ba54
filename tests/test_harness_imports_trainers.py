"""Rollouts of trainers: files that the trainers' own code wrote, imported, hold what the trainer had."""

from __future__ import annotations

import json
import pickle
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.app.import_rollouts import Request, import_rollouts
from restem.harness.errors import ConfigError
from restem.harness.imports import catalog
from restem.harness.imports.rollout import TEST, TRAIN, Imported, Refused, Rollout
from restem.harness.imports.sources import Source
from restem.verifiers.adapters import recorded
from tests.perf.doors_trl import trl_means
from tests.perf.doors_verl import ANSWERS

FILES = Path(__file__).parent / "rollouts"
# Folder or file -> its format, the rollouts in it, and the rows in it that are refused.
KNOWN: Mapping[str, tuple[str, int, int]] = {
    "trl_1.16/completions_00001.parquet": ("trl", 12, 0),
    "trl_1.10/completions_00001.parquet": ("trl", 12, 0),
    "verl_0.9.1/legacy/rollouts/1.jsonl": ("verl", 12, 0),
    "verl_0.9.1/legacy/validation/1.jsonl": ("verl", 12, 0),
    "verl_0.9.1/v1/rollouts/1.jsonl": ("verl", 12, 0),
    "verl_0.9.1/v1/validation/1.jsonl": ("verl", 12, 0),
    "verl_0.9.1/generation.parquet": ("verl", 12, 0),
    "nemo_rl/train_data_step3.jsonl": ("nemo_rl", 4, 0),
    "nemo_rl/val_data_step3.jsonl": ("nemo_rl", 4, 0),
    "skyrl/dumped_evals/global_step_40_evals/openai_gsm8k.jsonl": ("skyrl", 4, 0),
    "areal/2/0.jsonl": ("areal", 2, 0),
    "open_instruct/run_rollouts_000000.jsonl": ("open_instruct", 0, 4),
    "tinker/trajectories.jsonl": ("tinker", 4, 0),
    "tinker/train_rollout_summaries.jsonl": ("tinker", 2, 2),
    "tunix/trajectory_log_1.csv": ("tunix", 4, 0),
}


def read(path: Path) -> list[Imported]:
    source = Source(path)
    return list(catalog.recognise(source).read(source))


def rollouts(path: Path) -> list[Rollout]:
    return [each for each in read(path) if isinstance(each, Rollout)]


def refusals(path: Path) -> list[Refused]:
    return [each for each in read(path) if isinstance(each, Refused)]


def written(place: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "run.db") as db:
        return db.execute(sql).fetchall()


def recorded_means(folder: Path) -> dict[tuple[int, str], float]:
    """(step, reward) -> the mean of the numbers in run.db."""
    sql = (
        "SELECT c.iteration, f.name, avg(v.raw_reward) FROM verdict v JOIN sample s ON s.id = v.sample"
        " JOIN checkpoint c ON c.id = s.checkpoint JOIN verifier f ON f.fingerprint = v.verifier"
        " WHERE v.raw_reward IS NOT NULL GROUP BY 1, 2"
    )
    return {(step, name.removeprefix("recorded:")): mean for step, name, mean in query(folder, sql)}


# -- Every format ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", KNOWN)
def test_every_row_of_a_recognised_file_is_imported_or_refused(file: str) -> None:
    name, imported, refused = KNOWN[file]
    source = Source(FILES / file)
    rows = read(FILES / file)
    assert catalog.recognise(source).name == name
    assert Counter(type(row) for row in rows) == Counter({Rollout: imported, Refused: refused})
    assert all(row.place.startswith(source.name) for row in rows)


@pytest.mark.parametrize("file", KNOWN)
def test_importing_a_file_twice_adds_nothing(file: str, tmp_path: Path) -> None:
    request = Request(paths=[FILES / file])
    first = import_rollouts(request, tmp_path / "run", quiet=True)
    before = query(tmp_path / "run", "SELECT count(*), (SELECT count(*) FROM verdict) FROM sample")
    second = import_rollouts(request, tmp_path / "run", quiet=True)
    assert first[0].counts.imported == KNOWN[file][1]
    assert second[0].counts.imported == 0
    assert query(tmp_path / "run", "SELECT count(*), (SELECT count(*) FROM verdict) FROM sample") == before


@pytest.mark.parametrize("file", [file for file, (_, imported, _) in KNOWN.items() if imported])
def test_the_samples_of_a_problem_and_step_are_numbered_from_zero(file: str, tmp_path: Path) -> None:
    import_rollouts(Request(paths=[FILES / file]), tmp_path / "run", quiet=True)
    indices: dict[tuple[str, str], list[int]] = {}
    for problem, checkpoint, index in query(tmp_path / "run", "SELECT problem, checkpoint, idx FROM sample"):
        indices.setdefault((problem, checkpoint), []).append(index)
    assert all(sorted(each) == list(range(len(each))) for each in indices.values())
    assert {len(each) for each in indices.values()} <= {2, 4}


@pytest.mark.parametrize("file", [file for file, (_, imported, _) in KNOWN.items() if imported])
def test_no_control_word_of_a_chat_template_is_left(file: str) -> None:
    for rollout in rollouts(FILES / file):
        assert "<|" not in rollout.question + rollout.response
        assert not rollout.question.startswith("user\n")
        assert not rollout.question.endswith("assistant\n")


# -- TRL ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["trl_1.16", "trl_1.10"])
def test_the_means_of_rewards_are_those_that_trl_logged(version: str, tmp_path: Path) -> None:
    import_rollouts(Request(paths=[FILES / version]), tmp_path / "run", quiet=True)
    means = recorded_means(tmp_path / "run")
    logged = trl_means(FILES / version)
    assert len(logged) >= 5
    assert means == {key: pytest.approx(mean, abs=1e-6) for key, mean in logged.items()}


def test_both_dialects_of_trl_hold_the_same_rollouts() -> None:
    messages, texts = (rollouts(FILES / f"trl_{version}/completions_00001.parquet") for version in ("1.16", "1.10"))
    assert messages == texts


def test_a_reward_function_of_trl_that_gave_none_is_undecided(tmp_path: Path) -> None:
    import_rollouts(Request(paths=[FILES / "trl_1.16/completions_00001.parquet"]), tmp_path / "run", quiet=True)
    sql = "SELECT f.name, v.reason FROM verdict v JOIN verifier f ON f.fingerprint = v.verifier"
    undecided = Counter(query(tmp_path / "run", sql + " WHERE v.outcome = 'undecided'"))
    assert undecided == {
        ("recorded:sometimes", "no number was recorded"): 9,
        ("recorded:accuracy_reward", "the reference could not be parsed"): 4,
    }


def test_what_trl_logs_beside_rewards_is_reference_and_answer_and_no_reward() -> None:
    fifth = rollouts(FILES / "trl_1.16/completions_00001.parquet")[5]
    assert fifth.references == ("6",)
    assert set(fifth.rewards) == {"accuracy_reward", "digit_share", "sometimes"}
    assert fifth.answers == {"accuracy_reward": "[6, '6']"}


def test_a_batch_that_trl_logs_again_at_the_next_step_is_refused() -> None:
    first, again, other = (read(FILES / "trl_1.16_reused" / f"completions_0000{step}.parquet") for step in (1, 2, 3))
    assert {type(row) for row in (*first, *other)} == {Rollout}
    assert len(again) == len(first)
    assert {getattr(row, "reason", "") for row in again} == {
        "the generations of the step before once more, as TRL logs them where a batch is trained on again"
    }


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no table"])
def test_a_damaged_table_of_trl_does_not_keep_the_next_from_being_read(damage: bytes, tmp_path: Path) -> None:
    (tmp_path / "completions_00001.parquet").write_bytes(damage)
    table = tmp_path / "completions_00002.parquet"
    table.write_bytes((FILES / "trl_1.16/completions_00002.parquet").read_bytes())
    assert len(rollouts(table)) == 12


# -- verl --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trainer", ["legacy", "v1"])
@pytest.mark.parametrize(("dump", "split"), [("rollouts", TRAIN), ("validation", TEST)])
def test_the_scores_of_verl_are_those_of_its_reward_manager(trainer: str, dump: str, split: str) -> None:
    scores = json.loads((FILES / "verl_0.9.1/scores.json").read_text())["scores"]
    for step, expected in scores.items():
        read_back = rollouts(FILES / f"verl_0.9.1/{trainer}/{dump}/{step}.jsonl")
        assert [rollout.rewards["score"] for rollout in read_back] == expected
        assert {(rollout.step, rollout.split) for rollout in read_back} == {(int(step), split)}
        assert [rollout.index for rollout in read_back] == [0, 1, 2, 3] * 3


def test_what_a_reward_function_of_verl_returns_beside_its_score_is_imported() -> None:
    legacy = rollouts(FILES / "verl_0.9.1/legacy/rollouts/1.jsonl")
    v1 = rollouts(FILES / "verl_0.9.1/v1/validation/1.jsonl")
    assert dict(legacy[0].rewards) == {"score": 1.0, "acc": 1.0}
    assert legacy[1].answers == {"score": "8"}
    assert dict(v1[-1].rewards) == {"score": -1.0, "acc": None}


def test_offline_generation_of_verl_gives_a_sample_a_response_and_no_reward() -> None:
    read_back = rollouts(FILES / "verl_0.9.1/generation.parquet")
    assert [(rollout.index, rollout.response) for rollout in read_back] == [
        (index, answer) for answers in ANSWERS.values() for index, answer in enumerate(answers)
    ]
    assert not any(rollout.rewards for rollout in read_back)
    assert {rollout.strata["data_source"] for rollout in read_back} == {"math_dapo"}


def test_of_a_rollout_with_several_turns_the_last_is_imported(tmp_path: Path) -> None:
    row = {"input": "user\nHow many?\nassistant\n", "output": "4", "gts": None, "score": 1.0, "step": 1}
    rows = [{**row, "uid": f"a_{rollout}_{turn}", "output": f"{rollout} {turn}"} for rollout, turn in TURNS]
    file = written(tmp_path / "1.jsonl", rows)
    assert [rollout.response for rollout in rollouts(file)] == ["0 1", "1 0", "2 2"]
    assert [refused.place for refused in refusals(file)] == ["1.jsonl:1", "1.jsonl:4", "1.jsonl:5"]


TURNS = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (2, 2)]


def test_equal_answers_of_verl_are_different_samples(tmp_path: Path) -> None:
    row = {"input": "user\nHow many?\nassistant\n", "output": "4", "gts": "4", "score": 1.0, "step": 1}
    import_rollouts(Request(paths=[written(tmp_path / "1.jsonl", [row] * 3)]), tmp_path / "run", quiet=True)
    assert query(tmp_path / "run", "SELECT idx, text FROM sample ORDER BY idx") == [(0, "4"), (1, "4"), (2, "4")]


def test_numbers_that_are_no_scores_are_no_rewards(tmp_path: Path) -> None:
    row = {"input": "How many?", "output": "4", "gts": "4", "score": 1.0, "step": 1, "num_turns": 2, "acc": True}
    [rollout] = rollouts(written(tmp_path / "1.jsonl", [{**row, "response_length": 7}]))
    assert set(rollout.rewards) == {"score", "acc"}


@given(st.text(), st.floats() | st.none())
def test_any_response_and_any_score_of_verl_are_imported(text: str, score: float | None) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        row = {"input": "user\nQ\nassistant\n", "output": text, "gts": None, "score": score, "step": 3}
        [rollout] = rollouts(written(Path(folder) / "3.jsonl", [row]))
    assert rollout.response == text
    assert rollout.rewards["score"] == (score if score is not None and abs(score) < float("inf") else None)


# -- The other trainers ------------------------------------------------------------------------------------------------

ROWS = [("What is 3 + 4?", "3 + 4 = 7, so the answer is 7.", 1.0), ("What is 3 + 4?", "It is 8.", 0.0)]
ROWS += [("What is 2 * 3?", "The answer is 6.", 1.0), ("What is 2 * 3?", "2 * 3 is 5.", 0.0)]
TOLD: Mapping[str, tuple[int | None, str, str, bool]] = {
    # File -> step, split, name of the reward, and whether references are there.
    "nemo_rl/train_data_step3.jsonl": (3, TRAIN, "reward", False),
    "nemo_rl/val_data_step3.jsonl": (3, TEST, "reward", False),
    "skyrl/dumped_evals/global_step_40_evals/openai_gsm8k.jsonl": (40, TEST, "score", True),
    "tunix/trajectory_log_1.csv": (2, TRAIN, "reward", True),
}


@pytest.mark.parametrize("file", TOLD)
def test_question_response_reward_step_and_reference_are_those_that_were_written(file: str) -> None:
    step, split, name, has_references = TOLD[file]
    read_back = rollouts(FILES / file)
    assert [(each.question, each.response, each.rewards[name]) for each in read_back] == ROWS
    assert {(each.step, each.split) for each in read_back} == {(step, split)}
    assert [each.references for each in read_back] == ([("7",), ("7",), ("6",), ("6",)] if has_references else [()] * 4)


def test_the_step_of_areal_is_the_newest_policy_version() -> None:
    read_back = [*rollouts(FILES / "areal/2/0.jsonl"), *rollouts(FILES / "areal/2/1.jsonl")]
    assert [(each.question, each.response, each.rewards["reward"]) for each in read_back] == ROWS
    assert {each.step for each in read_back} == {2}
    assert read_back[1].token_count == len("It is 8.") + 1  # one token a letter, and the end


def test_an_error_of_tinker_is_undecided_with_its_reason() -> None:
    *_, failed = rollouts(FILES / "tinker/trajectories.jsonl")
    assert dict(failed.rewards) == {"reward": None, "correct": None}
    assert set(failed.reasons.values()) == {"TimeoutError: sampling"}
    assert failed.references == ("6",)


def test_a_summary_of_tinker_is_imported_where_its_logs_hold_the_text() -> None:
    file = FILES / "tinker/train_rollout_summaries.jsonl"
    assert [(each.question, each.response, each.rewards["reward"]) for each in rollouts(file)] == ROWS[:2]
    assert {each.step for each in rollouts(file)} == {3}
    assert ["recorded(" in refused.reason for refused in refusals(file)] == [True, True]


def test_a_row_of_tinker_without_its_benchmark_is_refused(tmp_path: Path) -> None:
    first, second, *_ = (FILES / "tinker/trajectories.jsonl").read_text().splitlines()
    without = {key: value for key, value in json.loads(second).items() if key != "benchmark"}
    (tmp_path / "trajectories.jsonl").write_text(f"{first}\n{json.dumps(without)}\n")
    _, refused = read(tmp_path / "trajectories.jsonl")
    assert isinstance(refused, Refused)
    assert "benchmark" in refused.reason


@pytest.mark.parametrize("name", ["tinker/trajectories.jsonl", "nemo_rl/train_data_step3.jsonl", "areal/2/0.jsonl"])
def test_whole_numbers_that_no_float_and_no_database_holds_end_in_no_traceback(name: str, tmp_path: Path) -> None:
    def enlarged(value: Any, most: int) -> Any:
        if isinstance(value, dict):
            return {key: enlarged(each, most) for key, each in value.items()}
        if isinstance(value, list):
            return [enlarged(each, most) for each in value]
        return most if isinstance(value, int | float) and not isinstance(value, bool) else value

    for most in (2**63, 10**400):
        file = tmp_path / f"{most % 7}" / Path(name).name
        file.parent.mkdir()
        rows = [enlarged(json.loads(line), most) for line in (FILES / name).read_text().splitlines()]
        file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        for row in read(file):
            if isinstance(row, Rollout):
                assert row.token_count is None or row.token_count < 2**53
                assert all(reward is None or abs(reward) <= 2.0**63 for reward in row.rewards.values())


def test_a_response_that_tinker_cut_is_refused(tmp_path: Path) -> None:
    log = {"input": "Q", "output": "x" * 500}
    row = {
        "split": "test",
        "iteration": 1,
        "group_idx": 0,
        "traj_idx": 0,
        "total_reward": 1.0,
        "steps": [{"logs": log}],
    }
    [refused] = read(written(tmp_path / "test_rollout_summaries.jsonl", [row]))
    assert isinstance(refused, Refused)
    assert "cut to 500" in refused.reason


def test_turns_of_nemo_rl_without_roles_are_refused_where_the_response_cannot_be_told(tmp_path: Path) -> None:
    turns = ["question", "answer", "Environment: again", "answer 2", "Environment: correct"]
    file = written(tmp_path / "train_data_step1.jsonl", [{"content": [turns], "rewards": [1.0], "idx": 0}])
    assert ["without their roles" in refused.reason for refused in refusals(file)] == [True]


@pytest.mark.parametrize(
    "cell", ["__import__('pathlib').Path('made').touch()", "[" * 10_000, "[{'role': 'user', 'content': f'{1}'}]", ""]
)
def test_a_cell_of_tunix_that_is_no_literal_is_refused_and_never_run(
    cell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "trajectory_log_1.csv"
    file.write_text(f'conversation_text,trajectory_reward,policy_version\n"{cell}",1.0,2\n')
    assert ["conversation_text" in refused.reason for refused in refusals(file)] == [True]
    assert not (tmp_path / "made").exists()


# -- The recorder ------------------------------------------------------------------------------------------------------


def test_rows_of_the_recorder_are_imported_with_steps_nulls_and_reasons(tmp_path: Path) -> None:
    def graded(prompts, completions, answer, **columns):  # as TRL calls it
        return [0.25, None]

    file = tmp_path / "rows.jsonl"
    steps = iter((7, 8))
    function = recorded(graded, file, step=lambda: next(steps))
    for _ in range(2):
        function(prompts=["How many?"] * 2, completions=["4", "none"], answer=["4", "4"])
    read_back = rollouts(file)
    assert catalog.recognise(Source(file)).name == "recorded"
    assert [(each.step, each.question, each.response, each.references) for each in read_back] == [
        (step, "How many?", response, ("4",)) for step in (7, 8) for response in ("4", "none")
    ]
    assert [dict(each.rewards) for each in read_back] == [{"graded": 0.25}, {"graded": None}] * 2
    assert [bool(each.reasons) for each in read_back] == [False, True] * 2


# -- Pickles -----------------------------------------------------------------------------------------------------------


class Trap:
    """Makes a file when its pickle is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.place,)


@pytest.mark.parametrize("name", ["rollout_5.pt", "rows.pkl", "rows.jsonl", "rows.json", "rows.csv", "rows.parquet"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_never_loaded(name: str, protocol: int, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(pickle.dumps(Trap(tmp_path / "loaded"), protocol=protocol))
    with pytest.raises(ConfigError):
        import_rollouts(Request(paths=[tmp_path / name]), tmp_path / "run", quiet=True)
    assert not (tmp_path / "loaded").exists()
    pickle.loads((tmp_path / name).read_bytes())  # the trap works
    assert (tmp_path / "loaded").exists()


def test_a_folder_of_pickles_alone_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "rollout_5.pt").write_bytes(pickle.dumps({"samples": []}))
    with pytest.raises(ConfigError, match=r"rollout_5\.pt: a pickle .*recorded\("):
        import_rollouts(Request(paths=[tmp_path / "dump"]), tmp_path / "run", quiet=True)


def test_the_refusal_of_a_file_of_torch_says_what_to_do(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "5.pt", "w") as archive:
        archive.writestr("5/data.pkl", pickle.dumps({"samples": []}))
    with pytest.raises(ConfigError, match=r"5\.pt: a pickle .*recorded\("):
        import_rollouts(Request(paths=[tmp_path / "5.pt"]), tmp_path / "run", quiet=True)
