"""The probe in a run: every verifier once on every probe, nothing asked twice, and further verifiers catch up."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from restem.benchmarks.probes import make_probes
from restem.benchmarks.problem import ATTACK, Problem
from restem.harness.loop.probe import BATCH, probe, unprobed
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, JudgeUnavailable, Outcome, Verdict
from tests.conftest import problem, restem

PROBLEMS = [problem(f"Solve 3*k = {3 * i} for k.", str(i), id=f"p{i}") for i in (4, 7)]


class Counting:
    """A verifier that counts what it is asked."""

    name = "counting"
    fingerprint = "counting-1"

    def __init__(self, most: int = 100) -> None:
        self.most = most
        self.asked = self.calls = 0

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        self.asked += len(attempts)
        self.calls += 1
        if self.calls > self.most:
            raise JudgeUnavailable("out of reach")
        return [Verdict(outcome=Outcome.UNDECIDED, reason="counts")] * len(attempts)


def filled(folder: Path, problems: list[Problem] = PROBLEMS) -> Store:
    store = Store(folder, write=True)
    store.add_problems(problems)
    store.add_probes(make_probes(problems))
    store.add_verifier("counting-1", "counting", {})
    return store


def test_a_verifier_is_asked_about_every_probe_once_however_often_the_stage_runs(tmp_path: Path) -> None:
    verifier = Counting()
    with filled(tmp_path) as store:
        assert [probe(store, verifier) for _ in range(3)] == [len(store.probes()), 0, 0]
        assert verifier.asked == len(store.probes()) == len(store.probe_verdicts(verifier.fingerprint)) > 20


def test_probes_without_a_verdict_alone_are_asked_about(tmp_path: Path) -> None:
    verifier = Counting()
    with filled(tmp_path) as store:
        store.add_probe_verdicts(verifier.fingerprint, [(3, Verdict(outcome=Outcome.CORRECT, score=1.0))])
        assert set(unprobed(store, verifier)) == set(store.probes()) - {3}
        probe(store, verifier)
        assert store.probe_verdicts(verifier.fingerprint)[3].outcome is Outcome.CORRECT


def test_what_was_judged_before_a_judge_went_out_of_reach_is_stored_and_not_asked_again(tmp_path: Path) -> None:
    many = [problem(f"Solve 3*k = {3 * i} for k.", str(i), id=f"p{i}") for i in range(2, 9)]
    verifier, again = Counting(most=1), Counting()
    with filled(tmp_path, many) as store:
        with pytest.raises(JudgeUnavailable):
            probe(store, verifier)
        assert len(store.probe_verdicts(verifier.fingerprint)) == BATCH < len(store.probes())
        assert probe(store, again) == again.asked == len(store.probes()) - BATCH


def test_a_verifier_that_judges_responses_together_is_not_asked(tmp_path: Path) -> None:
    with filled(tmp_path) as store:
        assert probe(store, catalog.build("majority", {})) == 0


def test_a_run_has_every_verifiers_word_on_its_first_test_problems(finished_run: Path) -> None:
    with Store(finished_run) as store:
        probes, facts = store.probes(), store.run()
        assert [p.problem for p in probes.values()] == sorted(
            (p.problem for p in probes.values()), key=[p.id for p in store.problems("test")].index
        )
        assert {p.problem for p in probes.values()} == {p.id for p in store.problems("test")[:4]}
        for name in ("sympy", "exact", "accept_all"):
            assert set(store.probe_verdicts(facts["verifiers"][name])) == set(probes)
        accepted = store.probe_verdicts(facts["verifiers"]["accept_all"])
        assert {accepted[id].outcome for id, p in probes.items() if p.kind == ATTACK} == {Outcome.CORRECT}
        assert {event["verifier"] for event in store.logged("probed")} == {"sympy", "exact", "accept_all"}
    assert "## Attack probe" in (finished_run / "report.md").read_text("utf-8")
    assert (finished_run / "figures" / "probe.svg").is_file()


def test_a_verifier_that_comes_later_is_probed_too(finished_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished_run, folder)
    assert restem("verify", folder, "--verifier", "substitution").exit_code == 0
    with Store(folder) as store:
        assert set(store.probe_verdicts(store.run()["verifiers"]["substitution"])) == set(store.probes())


def test_a_suite_without_probe_problems_asks_nothing(tmp_path: Path) -> None:
    sizes = ("benchmark.train=2", "benchmark.validation=1", "benchmark.test=2", "probe.problems=0", "scoring=[]")
    counts = ("sampling.train_samples=1", "sampling.test_samples=1", 'arms=[{name="a", verifier="sympy"}]')
    settings = [part for setting in (*sizes, *counts) for part in ("--set", setting)]
    assert restem("run", "linear_1d", *settings, "--until", "base", "--out", tmp_path / "run").exit_code == 0
    with Store(tmp_path / "run") as store:
        assert store.probes() == {}
        assert store.logged("probed") == []
