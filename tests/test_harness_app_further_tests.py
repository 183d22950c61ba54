"""Further test sets, decoding at test time, and training samples of the last checkpoint: what a run then holds."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from restem.harness.app.resume import differing
from restem.harness.app.run import run_suite
from restem.harness.app.suite_check import check_suite, suite_problems
from restem.harness.config import load_suite
from restem.harness.errors import ConfigError
from restem.harness.loop import planned_work
from restem.harness.model.gemma import forward
from restem.harness.model.policy import Policy
from restem.harness.sampling.decoding import GREEDY_TOP_K
from restem.harness.store.store import Store
from restem.reports.analysis.findings import find
from restem.reports.analysis.train_test_gap import train_test_gaps
from restem.reports.analysis.unfinished import missing
from restem.reports.data.read import read_run
from restem.reports.tables.train_test_gap import train_test_gap
from tests.conftest import restem
from tests.edited import edited
from tests.judge_server import JudgeServer
from tests.rows import lasting_rows
from tests.small_suite import small_suite

SUITE = small_suite(
    "further",
    """
[[arms]]
name = "sympy"
verifier = "sympy"

[[arms]]
name = "text"
verifier = "exact"
""",
    seed=3,
    test=3,
)
SETS = """
[tests.harder]
name = "linear_1d"
regime = [5.0, 6.0]
test = 4

[tests.terms]
name = "polynomials__collect"
test = 2
"""
AT_END = "sampling.train_at_end=true"


def run(suite: Path, folder: Path, *overrides: str, until_base: bool = False) -> Path:
    """The folder, with a run of the suite brought to its end; no report."""
    run_suite(load_suite(str(suite), overrides), folder, quiet=True, until_base=until_base)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plain")
    (place / "suite.toml").write_text(SUITE)
    return run(place / "suite.toml", place / "run")


@pytest.fixture(scope="module")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("further") / "suite.toml"
    path.write_text(SUITE + SETS)
    return path


@pytest.fixture(scope="module")
def further(suite_file: Path) -> Path:
    return run(suite_file, suite_file.parent / "run", AT_END)


def test_each_set_is_a_split_of_its_own(further: Path) -> None:
    with Store(further) as store:
        splits = Counter(problem.split for problem in store.problems())
        drawn = Counter((c, split) for c, split in store.sampled_splits() for _ in store.samples(c, split))
    assert splits == {"train": 4, "validation": 1, "test": 3, "test:harder": 4, "test:terms": 2}
    for checkpoint in ("base", "sympy/1", "text/1"):
        assert [drawn[checkpoint, split] for split in ("test", "test:harder", "test:terms")] == [6, 8, 4]


def test_a_set_is_judged_by_the_gold_and_by_what_trained_the_checkpoint(further: Path) -> None:
    with Store(further) as store:
        prints = store.run()["verifiers"]
        counted = {
            (checkpoint, name): len(store.verdicts(checkpoint, "test:harder", prints[name]))
            for checkpoint in ("base", "sympy/1", "text/1")
            for name in prints
        }
    judged = {place for place, count in counted.items() if count}
    assert judged == {("base", "sympy"), ("sympy/1", "sympy"), ("text/1", "sympy"), ("text/1", "exact")}
    assert {counted[place] for place in judged} == {8}


def test_the_rows_of_a_suite_without_further_sets_stay_as_they_are(plain: Path, further: Path) -> None:
    alone, more = lasting_rows(plain), lasting_rows(further)
    for table in ("problem", "sample", "checkpoint", "verifier", "verdict", "selection"):
        assert set(alone[table]) <= set(more[table]), table
    assert len(more["checkpoint"]) == len(alone["checkpoint"])
    assert alone["run"] == more["run"]


def test_steps_are_checked_although_other_sets_have_no_such_steps(further: Path) -> None:
    with Store(further) as store:
        assert "steps" in store.run()["verifiers"]


def test_all_samples_are_planned(further: Path, suite_file: Path) -> None:
    suite = load_suite(str(suite_file), [AT_END])
    with Store(further) as store:
        ((drawn,),) = store.query("SELECT count(*) FROM sample")
    shared = 4 * 4  # the base's training samples, which the second arm finds in run.db
    assert planned_work.planned_samples(suite, suite_problems(suite)) == drawn + shared


def test_all_work_is_forecast(further: Path, suite_file: Path) -> None:
    """What the phases of the run were, counted from its rows, leaves nothing of the forecast."""
    suite = load_suite(str(suite_file), [AT_END])
    with Store(further) as store:
        facts = store.run()
        by_split = "SELECT p.split, count(*) FROM sample s JOIN problem p ON p.id = s.problem GROUP BY 1"
        samples = dict(store.query(by_split))
        judged = dict(store.query("SELECT verifier, count(*) FROM verdict GROUP BY 1"))
    forecast = planned_work.forecast(suite, suite_problems(suite), facts["verifiers"])
    forecast.finished("sampling test", sum(n for split, n in samples.items() if "test" in split), fresh=1, seconds=1.0)
    forecast.finished("sampling train", samples["train"], fresh=1, seconds=1.0)
    forecast.finished("training", 2, fresh=1, seconds=1.0)
    for name, fingerprint in facts["verifiers"].items():
        shared = 16 if name == "sympy" else 0  # verdicts on the base's training samples, planned for each arm
        forecast.finished(f"verifying:{name}", judged[fingerprint] + shared, fresh=1, seconds=1.0)
    assert forecast.seconds() == 0


def test_a_finished_run_lacks_nothing_and_without_a_sets_rows_it_says_so(further: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(further, tmp_path / "cut"))
    with Store(folder) as store:
        assert missing(read_run(store, brief=True)) == []
    cut_back(folder)
    shown = restem("show", folder).stdout
    assert "checkpoint text/1 has 0 of 8 test:harder samples" in shown
    assert "checkpoint text/1 has 0 of 16 train samples" in shown


def cut_back(folder: Path) -> None:
    """Takes away what the last checkpoint of the second arm drew last."""
    with edited(folder) as db:
        lost = (
            "SELECT s.id FROM sample s JOIN problem p ON p.id = s.problem WHERE s.checkpoint = 'text/1'"
            " AND p.split IN ('test:harder', 'train')"
        )
        db.execute(f"DELETE FROM verdict WHERE sample IN ({lost})")
        db.execute(f"DELETE FROM sample WHERE id IN ({lost})")
        db.execute("DELETE FROM run WHERE key = 'finished'")


def test_a_run_cut_back_within_a_set_ends_with_the_same_rows(further: Path, suite_file: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(further, tmp_path / "cut"))
    cut_back(folder)
    assert lasting_rows(folder) != lasting_rows(further)
    assert lasting_rows(run(suite_file, folder, AT_END)) == lasting_rows(further)


def test_a_run_until_the_base_samples_every_set_and_goes_on(further: Path, suite_file: Path, tmp_path: Path) -> None:
    folder = run(suite_file, tmp_path / "planned", AT_END, until_base=True)
    with Store(folder) as store:
        assert {split for _, split in store.sampled_splits()} == {"train", "test", "test:harder", "test:terms"}
    rows, expected = lasting_rows(run(suite_file, folder, AT_END)), lasting_rows(further)
    assert {**rows, "verdict": []} == {**expected, "verdict": []}
    assert set(expected["verdict"]) <= set(rows["verdict"])


def test_the_last_checkpoint_is_sampled_on_training_problems_and_judged_by_the_gold(further: Path) -> None:
    with Store(further) as store:
        prints = store.run()["verifiers"]
        for checkpoint in ("sympy/1", "text/1"):
            assert len(store.samples(checkpoint, "train")) == 16
            assert len(store.verdicts(checkpoint, "train", prints["sympy"])) == 16
        assert not store.verdicts("text/1", "train", prints["exact"])
        findings = find(read_run(store))
    gaps = train_test_gaps(findings)
    assert [(gap.iteration, gap.train.n) for gap in gaps] == [(0, 16), (1, 16), (1, 16)]
    assert "is not sampled on them" not in train_test_gap(findings, gaps).note


def test_without_the_setting_the_last_checkpoint_has_no_training_samples(plain: Path) -> None:
    with Store(plain) as store:
        assert not store.samples("sympy/1", "train")
        findings = find(read_run(store))
    gaps = train_test_gaps(findings)
    assert [gap.train.n for gap in gaps] == [16, 0, 0]
    assert "is not sampled on them" in train_test_gap(findings, gaps).note


def test_the_training_samples_of_a_last_checkpoint_are_those_of_its_next_e_step(
    further: Path, suite_file: Path, tmp_path: Path
) -> None:
    longer = run(suite_file, Path(shutil.copytree(further, tmp_path / "on")), AT_END, "iterations=2")
    assert lasting_rows(longer) == lasting_rows(run(suite_file, tmp_path / "two", AT_END, "iterations=2"))


def test_greedy_test_samples_are_the_likeliest_tokens_and_training_samples_are_drawn(
    plain: Path, suite_file: Path, tmp_path: Path, tiny: Policy
) -> None:
    greedy = ("sampling.test.greedy=true", "sampling.test_samples=1", "arms.0.iterations=1")
    assert load_suite(str(suite_file), greedy).sampling.of_tests.top_k == GREEDY_TOP_K
    folder = run(suite_file, tmp_path / "run", *greedy, until_base=True)
    with Store(folder) as store, Store(plain) as drawn:
        assert [s.text for s in store.samples("base", "train")] == [s.text for s in drawn.samples("base", "train")]
        for split in ("test", "test:harder", "test:terms"):
            questions = {problem.id: problem.question for problem in store.problems(split)}
            for sample in store.samples("base", split):
                assert sample.token_ids
                prompt = list(tiny.tokenizer.encode_prompt(questions[sample.problem]))
                logits = forward(tiny.model, tiny.params, jnp.array([prompt + list(sample.token_ids)])).logits[0]
                likeliest = np.asarray(logits)[len(prompt) - 1 : -1].argmax(axis=-1)
                assert tuple(likeliest.tolist()) == sample.token_ids


def test_test_samples_may_have_a_temperature_of_their_own(plain: Path, suite_file: Path, tmp_path: Path) -> None:
    other = ("sampling.test.temperature=1.5", "sampling.test.top_p=0.95")
    folder = run(suite_file, tmp_path / "run", *other, until_base=True)
    with Store(folder) as store, Store(plain) as usual:
        texts = {
            split: [[s.text for s in each.samples("base", split)] for each in (store, usual)]
            for split in ("train", "test")
        }
    assert texts["train"][0] == texts["train"][1]
    assert texts["test"][0] != texts["test"][1]


def test_a_judge_is_not_asked_about_further_sets(
    suite_file: Path, tmp_path: Path, running: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    asks = ("arms.1.verifier=judge", f"verifiers.judge.base_url={running.base_url}", "verifiers.judge.model=gpt-4")
    folder = run(suite_file, tmp_path / "run", *asks)
    with Store(folder) as store:
        judge = store.run()["verifiers"]["judge"]
        assert len(store.verdicts("text/1", "test", judge)) == 6
        assert not store.verdicts("text/1", "test:harder", judge)
        assert missing(read_run(store, brief=True)) == []


def test_other_commands_take_the_new_splits(further: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(further, tmp_path / "run"))
    result = restem("verify", folder, "--verifier", "accept_all", "--split", "test:harder")
    assert (result.exit_code, result.stdout.partition("\n")[0]) == (0, "accept_all: 24 new verdicts")
    assert restem("check", folder).exit_code == 0
    assert restem("compare", folder, further, "--output", tmp_path / "page").exit_code == 0
    assert restem("report", folder).exit_code == 0
    page = (folder / "report.html").read_text()
    assert '"test:harder"' in page
    refused = restem("verify", folder, "--verifier", "accept_all", "--split", "harder")
    assert refused.exit_code == 2
    assert "'harder' is not one of 'train', 'validation', 'test', or 'test:NAME'" in refused.stderr


# problems


def suite_with(place: Path, sets: str, *overrides: str) -> dict[str, list[str]]:
    """Split -> questions of a suite with these sets."""
    (place / "suite.toml").write_text(SUITE + sets)
    problems = suite_problems(load_suite(str(place / "suite.toml"), overrides))
    return {split: [problem.question for problem in items] for split, items in problems.items()}


def test_a_set_of_the_same_problems_takes_those_that_no_other_set_has(tmp_path: Path) -> None:
    same = "[tests.{}]\nname = 'linear_1d'\nregime = [3.0, 4.5]\ntest = 5\n"
    problems = suite_with(tmp_path, same.format("more") + same.format("still_more"))
    questions = [question for items in problems.values() for question in items]
    assert len(set(questions)) == len(questions) == 4 + 1 + 3 + 5 + 5
    whole = suite_with(tmp_path, "", "benchmark.test=13")["test"]
    assert problems["test"] + problems["test:more"] + problems["test:still_more"] == whole


def test_equations_of_two_benchmarks_are_one_problem_where_only_names_of_variables_differ(tmp_path: Path) -> None:
    sets = "[tests.module]\nname = 'algebra__linear_1d'\nregime = [3.0, 3.0]\ntest = {}\n"
    both = suite_with(tmp_path, sets.format(40), "benchmark.regime=[3.0, 3.0]", "benchmark.train=60")
    alone = suite_with(tmp_path, sets.format(40), "benchmark.regime=[9.0, 9.0]")
    assert both["test:module"] != alone["test:module"]


def rows(path: Path, *items: dict[str, object]) -> None:
    path.write_text("".join(json.dumps(item) + "\n" for item in items))


FILE = "[tests.mine]\nname = 'file'\npath = 'mine.jsonl'\ntest = 9\n"


def test_all_problems_of_a_file_that_names_no_splits_are_of_the_set(tmp_path: Path) -> None:
    rows(tmp_path / "mine.jsonl", *({"question": f"What is {n} + 1?", "answer": n + 1} for n in range(8)))
    assert len(suite_with(tmp_path, FILE)["test:mine"]) == 8


def test_of_a_file_that_names_splits_the_test_problems_are_of_the_set(tmp_path: Path) -> None:
    splits = ("train", "test", "test", "validation")
    items = [{"question": f"{n} + 1?", "answer": n + 1, "split": split} for n, split in enumerate(splits)]
    rows(tmp_path / "mine.jsonl", *items)
    assert suite_with(tmp_path, FILE)["test:mine"] == ["1 + 1?", "2 + 1?"]


@pytest.mark.parametrize("begun", ["suite", "run"])
def test_a_file_with_a_problem_of_another_set_is_refused_before_any_work(tmp_path: Path, begun: str) -> None:
    ((question, *_),) = [suite_with(tmp_path, "")["train"]]
    rows(tmp_path / "mine.jsonl", {"question": "What is 1 + 1?", "answer": 2}, {"question": question, "answer": 3})
    (tmp_path / "suite.toml").write_text(SUITE + FILE)
    if begun == "run":
        result = restem("run", tmp_path / "suite.toml", "--out", tmp_path / "run")
        assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
        assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match=r"tests\.mine: mine\.jsonl.*2: .* of the split train, expected other"):
        check_suite(load_suite(str(tmp_path / "suite.toml")))


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        (FILE, r"tests\.mine: path: found '.*mine.jsonl', which is no file"),
        ("[tests.code]\nname = 'human_eval'\n", r"tests\.code: found a benchmark whose gold is 'unit_tests', expected"),
        ("[tests.few]\nname = 'numbers__is_prime'\nregime = [1.0, 1.0]\n", r"tests\.few: .*problems"),
    ],
)
def test_what_cannot_be_a_set_is_one_line(tmp_path: Path, sets: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        suite_with(tmp_path, sets)
    assert "\n" not in str(error.value)


def test_the_place_of_a_sets_file_may_differ_on_resume() -> None:
    before, now = (
        load_suite("linear_1d", ["tests.mine.name=file", f"tests.mine.path={path}"]) for path in ("a.jsonl", "b.jsonl")
    )
    assert [(change.key, change.allowed) for change in differing(before, now)] == [("tests.mine.path", True)]


def test_the_number_of_a_sets_problems_may_not_differ_on_resume(further: Path, suite_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"another suite: tests\.harder\.test: 4 now 5\. Set"):
        run(suite_file, further, AT_END, "tests.harder.test=5")
