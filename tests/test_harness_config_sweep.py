"""`[sweep]` and `[quick]`: what is written short in a suite's file, and what all the rest sees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.catalog import SUITES
from restem.harness.config import Suite, built_in_suites, load_suite, parse_suite, to_toml
from restem.harness.errors import ConfigError
from tests.conftest import restem

SWEEP = {"key": "selection.cap", "values": [1, 4], "arms": ["a"]}
ARMS = [{"name": "a", "verifier": "sympy", "samples": 3}, {"name": "b", "verifier": "exact"}]
FILE = """
name = "x"
benchmark.train = 100
quick.benchmark.train = 16
quick.arms.0.samples = 2
arms = [{ name = "a", verifier = "sympy" }]
"""


def swept(**sweep: Any) -> Suite:
    return parse_suite({"name": "x", "arms": ARMS, "sweep": SWEEP | sweep}, "x.toml")


def test_an_arm_is_written_once_a_value_and_keeps_its_other_settings() -> None:
    arms = swept().arms
    assert [(arm.name, arm.selection.cap, arm.samples) for arm in arms] == [
        ("a-1", 1, 3),
        ("a-4", 4, 3),
        ("b", 10, None),
    ]


def test_all_arms_are_swept_where_none_is_named() -> None:
    assert [arm.name for arm in swept(arms=[]).arms] == ["a-1", "a-4", "b-1", "b-4"]


def test_values_of_every_kind_are_part_of_names() -> None:
    assert [arm.name for arm in swept(key="temperature", values=[0.7, 1, 0.05]).arms][:3] == ["a-0.7", "a-1", "a-0.05"]
    assert [arm.name for arm in swept(key="restart", values=[True, False]).arms][:2] == ["a-true", "a-false"]
    assert [arm.verifier for arm in swept(key="verifier", values=["random", "judge"]).arms][:2] == ["random", "judge"]


def test_a_resolved_sweep_is_not_written_again(tmp_path: Path) -> None:
    suite = swept(arms=[])
    assert suite.sweep.arms == ("a", "b")
    (tmp_path / "x.toml").write_text(to_toml(suite))
    assert load_suite(str(tmp_path / "x.toml")) == suite


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"key": "sampels"}, r"sweep\.key: no key of an arm .did you mean 'samples'.*found 'sampels'"),
        ({"key": "name"}, r"sweep\.key: no key of an arm"),
        ({"key": "source"}, r"sweep\.key: `source` cannot be swept.*: write the arms one by one"),
        ({"key": "selection.caps"}, r"sweep\.key: no key of an arm .did you mean 'cap'"),
        ({"key": "selection"}, r"sweep\.key: expected a key with one value, such as `selection\.rule`"),
        ({"key": None}, r"sweep: `key` and `values` go together"),
        ({"values": []}, r"sweep: `key` and `values` go together"),
        ({"values": [[1]]}, r"sweep: values: expected numbers, texts, true or false, found \[1\]"),
        ({"values": [1, -3]}, r"sweep\.values\.1: selection\.cap: found -3, expected a number greater than or equal"),
        ({"values": [1, 1]}, r"arm names must differ, found 'a-1' 2 times"),
        ({"arms": ["c"]}, r"sweep\.arms: no arm 'c'"),
        ({"key": "verifier", "values": ["a b"]}, r"sweep\.values\.0: name: found 'a-a b', expected 1 to 64 letters"),
    ],
)
def test_a_wrong_sweep_is_one_line(sweep: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        swept(**sweep)
    assert "\n" not in str(raised.value)


def test_quick_changes_settings_and_name_and_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(FILE)
    whole, quick = (load_suite(str(tmp_path / "x.toml"), quick=quick) for quick in (False, True))
    assert (whole.name, whole.benchmark.train, whole.arms[0].samples) == ("x", 100, None)
    assert (quick.name, quick.benchmark.train, quick.arms[0].samples) == ("x-quick", 16, 2)
    assert whole.quick == quick.quick == {}


def test_an_override_comes_after_quick(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(FILE)
    assert load_suite(str(tmp_path / "x.toml"), ["benchmark.train=8"], quick=True).benchmark.train == 8


def test_a_quick_key_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(FILE.replace("arms.0", "arms.7"))
    with pytest.raises(ConfigError, match=r"^x\.toml: quick: arms\.7\.samples does not lead anywhere$"):
        load_suite(str(tmp_path / "x.toml"), quick=True)


def test_a_suite_without_quick_has_no_quick_form() -> None:
    refused = restem("run", "linear_1d", "--quick")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("restem: linear_1d.toml: --quick: the suite has no table [quick]")
    assert len(refused.stderr.splitlines()) == 1


STUDIES = [name for name, path in built_in_suites().items() if path.parent != SUITES]


def arm_iterations(suite: Suite) -> int:
    return suite.replicates * sum(suite.settings_of(arm).iterations for arm in suite.arms)


def test_no_two_built_in_suites_share_a_name() -> None:
    files = [path for path in SUITES.rglob("*.toml") if path.parent.name != "prediction"]
    assert len(files) == len(built_in_suites())


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_has_eight_seeds_and_a_small_quick_form(name: str) -> None:
    whole, quick = load_suite(name), load_suite(name, quick=True)
    assert (whole.name, quick.name) == (name, f"{name}-quick")
    assert whole.replicates >= 8
    assert arm_iterations(quick) <= 16
    assert arm_iterations(whole) <= 200  # ten minutes of two quiet cores
    assert quick.benchmark.train + quick.benchmark.test <= 64
