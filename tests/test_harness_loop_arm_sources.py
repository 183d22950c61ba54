"""Arms whose first iteration trains on worked solutions, or on samples of another policy."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import jax
import numpy as np
import pytest

from restem.harness.app.base_policy import load_named_policy
from restem.harness.app.restore import restore_checkpoints
from restem.harness.app.run import run_suite
from restem.harness.config import Suite, load_suite, parse_suite
from restem.harness.distributed.hosts import connect
from restem.harness.errors import ConfigError
from restem.harness.model.policy import Policy, init_params, save_policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.names import drawn_as, unmarked
from restem.harness.store.records import Sample, Selection
from restem.harness.store.store import Store
from restem.reports.analysis import plan
from restem.reports.analysis.findings import find
from restem.reports.analysis.forecast import forecast
from restem.reports.analysis.predictions import predict
from restem.reports.analysis.train_test_gap import train_test_gaps
from restem.reports.data.read import read_run
from tests.gemma_folders import vocabulary
from tests.small_policy import ARCHITECTURE, small_policy
from tests.small_suite import small_suite

SUITE = small_suite(
    "sources",
    """
[[arms]]
name = "usual"
verifier = "sympy"
iterations = 1

[[arms]]
name = "references"
verifier = "sympy"
source = "references"
restart = false
temperature = 0.9

[[arms]]
name = "distilled"
verifier = "sympy"
source = "checkpoint:tiny-judge"
iterations = 1
restart = false

[[arms]]
name = "same_tokens"
verifier = "accept_all"
source = "checkpoint:tiny"
iterations = 1
""",
    iterations=2,
    steps=2,
)


def suite_of(place: Path, text: str = SUITE) -> Suite:
    (place / "suite.toml").write_text(text)
    return load_suite(str(place / "suite.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sources")
    run_suite(suite_of(place), place / "run", quiet=True)
    return place / "run"


def first_samples(folder: Path, arm: str) -> tuple[str, list[Sample], Selection]:
    with Store(folder) as store:
        checkpoint, selection = store.checkpoint(f"{arm}/1"), store.selection(f"{arm}/1")
        assert checkpoint is not None
        assert checkpoint.sampled_from is not None
        assert selection is not None
        return checkpoint.sampled_from, store.samples(checkpoint.sampled_from, "train"), selection


def test_worked_solutions_are_samples_that_no_policy_drew(folder: Path) -> None:
    id, samples, selection = first_samples(folder, "references")
    assert id == "base~references"
    assert [(s.index, s.token_ids, s.mean_logprob, s.finish_reason) for s in samples] == [(0, None, None, "stop")] * 4
    assert len(selection.kept) == 4  # the verifier accepts them as it accepts others
    with Store(folder) as store:
        stored = store.checkpoint(id)
        assert stored is not None
        assert (stored.kind, stored.params_sha256, stored.path) == ("references", None, None)


def test_later_iterations_sample_the_policy_that_was_trained_on_solutions(folder: Path) -> None:
    with Store(folder) as store:
        later = store.checkpoint("references/2")
        assert later is not None
        assert (later.sampled_from, later.started_from) == ("references/1", "references/1")
        assert len(store.samples("references/1", "train")) == 4 * 4


def test_distillation_starts_from_the_base_and_not_from_the_policy_that_was_sampled(folder: Path) -> None:
    id, samples, _ = first_samples(folder, "distilled")
    with Store(folder) as store:
        rows = {row.id: row for row in store.checkpoints()}
    source, trained, base = rows[id], rows["distilled/1"], rows["base"]
    assert unmarked(id) == "base"
    assert (source.kind, source.params_sha256) == ("source", load_named_policy("tiny-judge").params_sha256)
    assert trained.started_from == "base"
    assert len(samples) == 4 * 4
    skipped = trained.kind == "skipped"  # the judge may have written nothing that is right
    assert (trained.params_sha256 == base.params_sha256) is skipped


def test_samples_of_a_policy_with_the_same_tokenizer_keep_their_tokens(folder: Path) -> None:
    _, samples, selection = first_samples(folder, "same_tokens")
    assert all(sample.token_ids is not None and len(sample.token_ids) == sample.token_count for sample in samples)
    assert all(sample.mean_logprob is not None for sample in samples)
    assert selection.kept


def test_a_policy_with_another_tokenizer_gives_texts_alone_and_may_not_change(tmp_path: Path) -> None:
    (tmp_path / "other.model").write_bytes(vocabulary())
    tokenizer = Tokenizer(path=tmp_path / "other.model")
    shape = dataclasses.replace(ARCHITECTURE, vocab_size=tokenizer.vocab_size)

    def save(seed: int) -> None:
        params = init_params(shape, jax.random.key(seed))
        save_policy(Policy(architecture=shape, params=params, tokenizer=tokenizer), tmp_path / "teacher")

    save(1)
    only = SUITE[: SUITE.index('[[arms]]\nname = "references"')].replace(
        'verifier = "sympy"', 'verifier = "accept_all"'
    )
    text = only + f'source = "checkpoint:{tmp_path / "teacher"}"\n'
    run_suite(suite_of(tmp_path, text), tmp_path / "run", quiet=True)
    _, samples, _ = first_samples(tmp_path / "run", "usual")
    assert len(samples) == 4 * 4
    assert all(sample.token_ids is None and sample.mean_logprob is not None for sample in samples)
    save(2)
    longer = suite_of(tmp_path, text.replace("iterations = 1\n\nsource", "iterations = 2\n\nsource"))
    with pytest.raises(ConfigError, match="began with another policy as 'checkpoint:"):
        run_suite(longer, tmp_path / "run", quiet=True)


def test_a_lost_checkpoint_of_an_arm_with_a_source_is_trained_again(folder: Path) -> None:
    path = folder / "checkpoints" / "references-1" / "policy.json"
    path.unlink()
    suite = load_suite(str(folder.parent / "suite.toml"))
    restore_checkpoints(suite, folder, quiet=True, hosts=connect(suite.mesh))
    assert path.is_file()


def test_nothing_is_predicted_for_an_arm_that_does_not_begin_with_samples_of_the_base(folder: Path) -> None:
    with Store(folder) as store:
        run = read_run(store)
    assert {step.arm for step in predict(find(run))} <= {"usual"}
    (arm,) = (arm for arm in run.arms if arm.name == "references")
    planned = forecast(run, arm, [arm], 4)
    assert planned.kept == 1.0
    assert all(math.isnan(iteration.change[0]) for iteration in planned.iterations)


def test_a_plan_puts_arms_that_it_predicts_nothing_for_last(folder: Path) -> None:
    with Store(folder) as store:
        prospects = plan.make(read_run(store)).prospects
    assert prospects[0].name == "usual"
    assert {p.name for p in prospects if math.isnan(p.gain.value)} == {"references", "distilled"}


def test_training_accuracy_is_that_of_samples_of_the_runs_own_policies(folder: Path) -> None:
    with Store(folder) as store:
        run = read_run(store)
        right = [run.outcome("sympy", run.rows(id, "train")) for id in ("base", "references/1")]
    gaps = {(gap.arm.name if gap.arm else "", gap.iteration): gap.train for gap in train_test_gaps(find(run))}
    assert gaps["", 0].value == pytest.approx(np.nanmean(right[0]))
    assert gaps["references", 1].value == pytest.approx(np.nanmean(right[1]))


def test_a_finished_run_with_sources_is_not_run_again(folder: Path) -> None:
    before = (folder / "run.db").stat().st_mtime_ns
    run_suite(load_suite(str(folder.parent / "suite.toml")), folder, quiet=True)
    assert (folder / "run.db").stat().st_mtime_ns == before


def arm(**settings: object) -> Suite:
    return parse_suite({"name": "x", "arms": [{"name": "a", "verifier": "sympy", **settings}]}, "suite.toml")


@pytest.mark.parametrize("source", ["reference", "checkpoint:", "tiny", "checkpoint"])
def test_a_source_that_is_none_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match=r"arms\.0\.source: .*expected policy, references or checkpoint:"):
        arm(source=source)


def test_solutions_have_no_confidence_to_weigh_by() -> None:
    with pytest.raises(ConfigError, match=r"arms\.0: .*no confidence to weigh by"):
        arm(source="references", selection={"rule": "weighted", "weight": "confidence"})
    assert arm(source="references", selection={"rule": "weighted"}).arms[0].source == "references"


def test_solutions_have_no_temperature() -> None:
    assert drawn_as("references", 1.5, 0.7) == "references"
    assert drawn_as("checkpoint:x", 1.5, 0.7).endswith("~t1.5")


def test_a_benchmark_without_solutions_is_refused_in_one_line(tmp_path: Path) -> None:
    suite = parse_suite(
        {
            "name": "x",
            "benchmark": {"name": "numbers__gcd", "train": 2, "validation": 1, "test": 1},
            "arms": [{"name": "a", "verifier": "sympy", "source": "references"}],
        },
        "suite.toml",
    )
    with pytest.raises(ConfigError, match=r"^arms\.0\.source: found 'references', .*'numbers__gcd' has not.*$"):
        run_suite(suite, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def test_rows_of_a_file_without_a_solution_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"question": f"Solve {n}*k = {6 * n} for k.", "answer": f"k = {6 * n}/{n}\nk = 6\n#### 6", "split": "train"}
        for n in (2, 3, 4)
    ]
    rows[0]["answer"] = "6"
    rows += [
        {"question": f"Solve k = {n} for k.", "answer": f"{n}", "split": s} for n, s in ((1, "test"), (2, "validation"))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = SUITE[SUITE.index("[sampling]") : SUITE.index('[[arms]]\nname = "references"')]
    text = 'name = "file"\n[benchmark]\nname = "file"\npath = "rows.jsonl"\n' + text + 'source = "references"\n'
    run_suite(suite_of(tmp_path, text), tmp_path / "run", quiet=False)
    assert "references: 1 of 3 training problems have no worked solution" in capsys.readouterr().err
    _, samples, _ = first_samples(tmp_path / "run", "usual")
    assert sorted(sample.text for sample in samples) == ["k = 18/3\nk = 6\n#### 6", "k = 24/4\nk = 6\n#### 6"]
    with Store(tmp_path / "run") as store:
        assert store.run()["without_solution"] == 1


def test_a_source_that_is_not_there_is_refused_before_any_work(tmp_path: Path) -> None:
    from restem.harness.app.suite_check import check_suite

    with pytest.raises(ConfigError, match=r"^arms\.0\.source: policy 'nowhere': neither"):
        check_suite(arm(source="checkpoint:nowhere"))


def test_a_source_without_room_for_the_problems_is_refused(tmp_path: Path) -> None:
    shape = dataclasses.replace(small_policy().architecture, context_length=16)
    save_policy(dataclasses.replace(small_policy(), architecture=shape), tmp_path / "teacher")
    with pytest.raises(ConfigError, match=r"^arms\.0\.source: .*training|^arms\.0\.source: .*do not fit"):
        run_suite(arm(source=f"checkpoint:{tmp_path / 'teacher'}"), tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
