"""Rollouts of other tools into a run: recognised, mapped, counted, and imported once."""

from __future__ import annotations

import gzip
import json
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.benchmarks.chat_templates import plain_question, plain_response
from restem.harness.app import import_rollouts as import_module
from restem.harness.app.import_rollouts import Request, folder_for, import_rollouts, watch
from restem.harness.errors import ConfigError
from restem.harness.imports.writer import Writer
from restem.harness.store.store import Store
from restem.verifiers.verdict import Outcome

ROWS = [
    {"question": "Solve 3*x = 21 for x.", "response": "x = 7", "reference": "7", "step": 1, "reward": 1.0},
    {"question": "Solve 3*x = 21 for x.", "response": "x = 8", "reference": "7", "step": 1, "reward": 0.0},
    {"question": "Solve 2*x = 4 for x.", "response": "x = 2", "reference": "2", "step": 1, "reward": None},
    {"question": "Solve 2*x = 4 for x.", "response": "x = 2", "reference": "2", "step": 2, "reward": 0.75},
]


def written(path: Path, rows: list[dict[str, Any]], mode: str = "w") -> Path:
    with path.open(mode) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def imported(out: Path, *paths: Path, **options: Any) -> list[Any]:
    return import_rollouts(Request(paths=paths, **options), out, quiet=True)


def tables(out: Path) -> dict[str, list[tuple[Any, ...]]]:
    with Store(out) as store:
        names = ("problem", "checkpoint", "sample", "verdict", "verifier")
        return {name: sorted(store.query(f"SELECT * FROM {name}"), key=repr) for name in names}


def test_every_row_is_a_sample_of_its_step_and_problem(tmp_path: Path) -> None:
    imported(tmp_path / "run", written(tmp_path / "rows.jsonl", ROWS))
    with Store(tmp_path / "run") as store:
        placed = store.query(
            "SELECT s.checkpoint, p.question, s.idx, s.text, p.reference, s.source FROM sample s"
            " JOIN problem p ON p.id = s.problem ORDER BY s.source"
        )
    assert placed == [
        (f"policy/{row['step']}", row["question"], index, row["response"], row["reference"], f"rows.jsonl:{line}")
        for line, (row, index) in enumerate(zip(ROWS, (0, 1, 0, 0), strict=True), 1)
    ]


def test_a_reward_is_a_verifier_whose_null_is_undecided(tmp_path: Path) -> None:
    imported(tmp_path / "run", written(tmp_path / "rows.jsonl", ROWS))
    with Store(tmp_path / "run") as store:
        verifier = store.run()["verifiers"]["recorded:reward"]
        verdicts = [*store.verdicts("policy/1", "train", verifier).values()]
        verdicts += store.verdicts("policy/2", "train", verifier).values()
    assert sorted((v.outcome, v.score, v.raw_reward) for v in verdicts if v.score is not None) == [
        (Outcome.CORRECT, 0.75, 0.75),
        (Outcome.CORRECT, 1.0, 1.0),
        (Outcome.WRONG, 0.0, 0.0),
    ]
    assert [v.reason for v in verdicts if v.outcome is Outcome.UNDECIDED] == ["no number was recorded"]


def test_importing_twice_adds_nothing(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.jsonl", ROWS), tmp_path / "run"
    imported(out, rows)
    before = tables(out)
    (again,) = imported(out, rows)
    assert again.counts.imported == 0
    assert tables(out) == before


def test_a_file_that_grew_gives_the_same_run_as_the_whole_file(tmp_path: Path) -> None:
    growing = tmp_path / "rows.jsonl"
    for part in (ROWS[:1], ROWS[1:3], ROWS[3:]):
        imported(tmp_path / "grown", written(growing, part, "a"))
    imported(tmp_path / "whole", growing)
    assert tables(tmp_path / "grown") == tables(tmp_path / "whole")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json"])
def test_a_stopped_import_goes_on_without_a_row_too_many_or_too_few(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module, "BATCH", 2)
    rows = [{**row, "reward": row["reward"] or 0.0, "response": "x = 7"} for row in ROWS * 2]
    path, out = tmp_path / name, tmp_path / "run"
    if name.endswith("csv"):
        lines = [",".join(map(str, row.values())) for row in [dict(zip(rows[0], rows[0], strict=True)), *rows]]
        path.write_text("\n".join(lines) + "\n")
    else:
        path.write_text(json.dumps(rows) if name.endswith("json") else "".join(json.dumps(r) + "\n" for r in rows))
    added = Writer.add

    def stopped(self: Writer, *arguments: Any, **named: Any) -> None:
        added(self, *arguments, **named)
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "add", stopped)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            imported(out, path)
    monkeypatch.setattr(Writer, "add", added)
    imported(out, path)
    imported(tmp_path / "whole", path)
    assert tables(out) == tables(tmp_path / "whole")


def test_a_table_that_has_changed_is_not_imported_twice(tmp_path: Path) -> None:
    path, out = tmp_path / "rows.csv", tmp_path / "run"
    path.write_text("question,response\na,b\n")
    imported(out, path)
    path.write_text("question,response\na,b\na,c\n")
    with pytest.raises(ConfigError, match="rows have no index"):
        imported(out, path)


def test_files_of_one_name_in_two_folders_are_two_files(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "rows.jsonl" for folder in ("step_1", "step_2")]
    for path, rows in zip(paths, (ROWS, ROWS[:1]), strict=True):
        path.parent.mkdir()
        written(path, rows)
    assert [each.counts.imported for each in imported(tmp_path / "run", *paths)] == [4, 1]


def test_a_last_line_that_is_not_whole_is_left_for_the_next_time(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.jsonl", ROWS), tmp_path / "run"
    text = rows.read_text()
    rows.write_text(text[:-20])
    (first,) = imported(out, rows)
    rows.write_text(text)
    (second,) = imported(out, rows)
    assert (first.counts.imported, second.counts.imported) == (3, 1)
    assert not first.counts.refused


def test_a_file_that_was_imported_and_rewritten_is_an_error(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.jsonl", ROWS), tmp_path / "run"
    imported(out, rows)
    written(rows, [ROWS[0], {**ROWS[1], "response": "x = 9"}, *ROWS[2:]])
    with pytest.raises(ConfigError, match="have changed since"):
        imported(out, rows)


def test_a_live_run_is_followed(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.jsonl", ROWS[:2]), tmp_path / "run"
    news = watch(Request(paths=[tmp_path]), out, quiet=True)
    first = sum(each.counts.imported for each in next(news))
    written(rows, ROWS[2:], "a")
    second = sum(each.counts.imported for each in next(news))
    assert (first, second) == (2, 2)
    with Store(out, write=True):
        pass  # between two readings nobody holds the run


def test_every_row_that_is_not_imported_is_counted_with_its_place_and_reason(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", ROWS)
    with rows.open("a") as file:
        file.write('nonsense\n[1]\n{"question": "a", "response": 7}\n{"question": null, "response": "b"}\n')
        file.write(
            '{"question": "a", "response": "b", "reward": "much"}\n{"question": "a", "response": "b", "step": -1}\n'
        )
    (result,) = imported(tmp_path / "run", rows)
    assert result.counts.imported == len(ROWS)
    assert result.counts.places == [
        ("rows.jsonl:5", "not JSON"),
        ("rows.jsonl:6", "expected a JSON object"),
        ("rows.jsonl:7", "response: expected a text or messages"),
        ("rows.jsonl:8", "question: expected a text or messages with a turn of the user"),
        ("rows.jsonl:9", "reward: expected a number or null"),
        ("rows.jsonl:10", "step: expected a whole number from 0, or null"),
    ]


def test_the_same_rows_in_other_containers_give_the_same_samples(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    lines = written(tmp_path / "a.jsonl", ROWS)
    (tmp_path / "a.json").write_text(json.dumps(ROWS))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes()))
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    header = list(ROWS[0])
    cells = [",".join("" if row[name] is None else str(row[name]) for name in header) for row in ROWS]
    (tmp_path / "a.csv").write_text("\n".join([",".join(header), *cells]) + "\n")
    samples = set()
    for number, file in enumerate(["a.jsonl", "a.json", "a.jsonl.gz", "a.parquet", "a.csv"]):
        out = tmp_path / f"run{number}"
        imported(out, tmp_path / file)
        with Store(out) as store:
            outcomes = store.query(
                "SELECT s.id, s.text, v.outcome, v.raw_reward FROM sample s JOIN verdict v ON v.sample = s.id"
                " ORDER BY 1"
            )
        samples.add(tuple(outcomes))
    assert len(samples) == 1
    assert len(samples.pop()) == len(ROWS)


def test_columns_are_named_by_a_mapping(tmp_path: Path) -> None:
    row = {
        "q": "Solve 2*x = 4 for x.",
        "model": {"out": ["x = 2", "x = 3"]},
        "gts": 2,
        "r": [1, -1],
        "human": "correct",
    }
    mapping = {"question": "q", "response": "model.out", "reference": "gts", "reward.exact": "r", "label": "human"}
    out = tmp_path / "run"
    (result,) = imported(out, written(tmp_path / "x.jsonl", [row]), mapping=mapping, thresholds={"exact": 0.0})
    assert result.counts.imported == 2
    with Store(out) as store:
        verdicts = store.query(
            "SELECT outcome, raw_reward FROM verdict JOIN verifier ON fingerprint = verifier"
            " WHERE name = 'recorded:exact' ORDER BY raw_reward"
        )
        assert verdicts == [("wrong", -1.0), ("correct", 1.0)]
        assert store.run()["suite"]["gold"] == "label"
        assert store.problems()[0].references == ("2",)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"answer": "q"}, "unknown field 'answer'"),
        ({"question": "nothing"}, "has no column 'nothing'"),
        ({"reward.": "q"}, "unknown field"),
    ],
)
def test_a_wrong_mapping_is_one_error(tmp_path: Path, mapping: dict[str, str], message: str) -> None:
    rows = written(tmp_path / "x.jsonl", [{"q": "a", "question": "a", "response": "b"}])
    with pytest.raises(ConfigError, match=message):
        imported(tmp_path / "run", rows, mapping=mapping)
    assert not (tmp_path / "run").exists()


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "opened",)

    file = tmp_path / "rollouts.jsonl"
    file.write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConfigError, match="never read"):
        imported(tmp_path / "run", file)
    assert not (tmp_path / "opened").exists()


def test_a_run_of_our_own_takes_no_imports(tmp_path: Path) -> None:
    with Store(tmp_path / "run", write=True) as store:
        store.put_run({"suite": {}})
    with pytest.raises(ConfigError, match="expected a new folder or an imported run"):
        imported(tmp_path / "run", written(tmp_path / "rows.jsonl", ROWS))


def test_another_threshold_for_an_imported_reward_is_an_error(tmp_path: Path) -> None:
    rows, out = written(tmp_path / "rows.jsonl", ROWS), tmp_path / "run"
    imported(out, rows)
    with pytest.raises(ConfigError, match=r"was imported with 0\.5"):
        imported(out, rows, thresholds={"reward": 0.9})


def test_own_indices_are_kept_and_a_second_row_of_one_index_moves_whatever_its_text(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "index": 5}, {**ROWS[1], "index": 5}, {**ROWS[0], "index": 5}]
    (result,) = imported(tmp_path / "run", written(tmp_path / "rows.jsonl", rows))
    assert (result.counts.imported, result.counts.moved, result.counts.known) == (3, 2, 0)
    with Store(tmp_path / "run") as store:
        assert store.query("SELECT idx, text FROM sample ORDER BY idx") == [(5, "x = 7"), (6, "x = 8"), (7, "x = 7")]


def test_equal_rows_of_two_files_are_two_samples(tmp_path: Path) -> None:
    """Two shards of one step: the first sample of a problem may have the same text in both."""
    first = written(tmp_path / "rank0.jsonl", [{**ROWS[0], "index": 0}])
    second = written(tmp_path / "rank1.jsonl", [{**ROWS[0], "index": 0}, {**ROWS[1], "index": 1}])
    results = imported(tmp_path / "run", first, second)
    assert [(each.counts.imported, each.counts.known) for each in results] == [(1, 0), (2, 0)]


def test_a_copy_of_a_file_is_imported_once(tmp_path: Path) -> None:
    rows = written(tmp_path / "rows.jsonl", ROWS)
    copy = tmp_path / "elsewhere" / "renamed.jsonl"
    copy.parent.mkdir()
    copy.write_bytes(rows.read_bytes())
    _, second = imported(tmp_path / "run", rows, copy)
    assert second.skipped == "the same bytes were imported before, as rows.jsonl"


@pytest.mark.parametrize(
    "prompt",
    [
        "What is 2?",
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is 2?"}],
        [{"role": "user", "content": [{"type": "text", "text": "What is 2?"}]}],
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2?<|im_end|>\n<|im_start|>assistant\n",
        "<bos><start_of_turn>user\nWhat is 2?<end_of_turn>\n<start_of_turn>model\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 2?<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat is 2? [/INST]",
        "system\nBe brief.\nuser\nWhat is 2?\nassistant\n",
        "user\nWhat is 2?\nmodel\n",
        "<|user|>\nWhat is 2?<|end|>\n<|assistant|>\n",
        "<｜begin▁of▁sentence｜><｜User｜>What is 2?<｜Assistant｜>",
    ],
)
def test_the_question_is_the_users_last_turn(prompt: Any) -> None:
    assert plain_question(prompt) == "What is 2?"


@pytest.mark.parametrize(
    "completion", ["x = 7", "x = 7<|im_end|>\n", "x = 7<end_of_turn><eos>", [{"role": "assistant", "content": "x = 7"}]]
)
def test_a_response_ends_before_its_control_tokens(completion: Any) -> None:
    assert plain_response(completion) == "x = 7"


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["system", "user", "assistant"]), "content": VALUES}), max_size=3
)
ANY_ROWS = st.lists(
    st.dictionaries(st.sampled_from([*ROWS[0], "label", "index", "model", "finish_reason"]), VALUES | MESSAGES),
    max_size=4,
)


@given(rows=ANY_ROWS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_row_is_imported_or_refused_and_none_is_lost(tmp_path_factory: pytest.TempPathFactory, rows: Any) -> None:
    folder = tmp_path_factory.mktemp("any")
    first = {"question": "a", "response": "b", "step": None, "reward": None, "reference": None}
    (result,) = imported(folder / "run", written(folder / "rows.jsonl", [first, *rows]))
    lists = sum(max(0, len(row["response"]) - 1) for row in rows if isinstance(row.get("response"), list))
    counted = result.counts.imported + result.counts.known + result.counts.refused.total()
    assert len(rows) + 1 <= counted <= len(rows) + 1 + lists
    with Store(folder / "run") as store:
        assert store.query("SELECT count(*) FROM sample") == [(result.counts.imported,)]


@given(text=st.text() | st.text(alphabet="<|im_start|>user\nassistant[/INST] "))
def test_any_prompt_and_any_response_is_read(text: str) -> None:
    assert isinstance(plain_question(text), str)
    assert text.startswith(str(plain_response(text)))


@pytest.mark.parametrize(
    "piece", ["<bos>", "<|im_start|>", "user\n", "\nassistant\n", "[INST]", " ", "<eos>", "<|im_end|>\n", "<"]
)
def test_long_texts_are_read_in_time_that_grows_with_their_length(piece: str) -> None:
    start = time.process_time()
    plain_question(piece * 200_000)
    plain_response(piece * 200_000)
    assert time.process_time() - start < 5


def test_other_files_of_one_name_have_another_run_folder(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "completions" for folder in ("a", "b")]
    for path in paths:
        path.mkdir(parents=True)
        written(path / "rows.jsonl", ROWS)
    runs = tmp_path / "runs"
    folders = []
    for path in (*paths, *paths):
        folders.append(folder_for([path], runs))
        imported(folders[-1], path)
    assert [folder.name for folder in folders] == ["completions", "completions-2"] * 2


def test_two_trainings_are_two_series(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        imported(tmp_path / "run", written(tmp_path / name / "rows.jsonl", ROWS), series=name)
    with Store(tmp_path / "run") as store:
        assert [c.id for c in store.checkpoints()] == ["a/1", "a/2", "b/1", "b/2"]
        assert store.query("SELECT count(*) FROM sample") == [(2 * len(ROWS),)]
        assert len(store.problems()) == 2
