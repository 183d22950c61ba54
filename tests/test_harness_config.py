"""Suites: defaults, errors that name the place, and the resolved form that reads back."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.catalog import BENCHMARKS
from restem.harness.config import Suite, load_suite, parse_suite, suite_names, to_toml
from restem.harness.errors import ConfigError
from restem.harness.overrides import set_value
from restem.harness.settings import SelectionConfig


@pytest.mark.parametrize("name", suite_names())
def test_a_resolved_suite_reads_back_equal(tmp_path: Path, name: str) -> None:
    suite = load_suite(name)
    (tmp_path / "resolved.toml").write_text(to_toml(suite))
    assert load_suite(str(tmp_path / "resolved.toml")) == suite


def test_an_override_reaches_into_tables_and_lists() -> None:
    overrides = ["sampling.top_k=7", "arms.0.verifier=exact", "verifiers.random.rate=0.25", "name=other"]
    suite = load_suite("linear_1d", overrides)
    assert suite.sampling.top_k == 7
    assert suite.arms[0].verifier == "exact"
    assert suite.verifiers == {"random": {"rate": 0.25}}
    assert suite.name == "other"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampling.topk=7", r"sampling\.topk: unknown key .did you mean 'top_k'"),
        ("iteration=7", r"iteration: unknown key .did you mean 'iterations'"),
        ("iterations=0", r"iterations: found 0, expected .*greater than or equal to 1"),
        ("sampling.temperature=hot", r"sampling\.temperature: found 'hot', expected a number"),
        ("name=../x", r"name: found '../x', expected 1 to 64 letters"),
        ("scoring=exact", r"scoring: found 'exact', expected a list"),
        ("arms=sympy", r"arms: found 'sympy', expected a list"),
        ("arms=[]", r"arms: found \[\], expected at least 1"),
        ("sampling=3", r"sampling: found 3, expected a table"),
        ("verifiers=3", r"verifiers: found 3, expected a table"),
        ("verifiers.sympy=3", r"verifiers\.sympy: found 3, expected a table"),
        ("sampling.zzz=3", r"sampling\.zzz: unknown key: known are engine, train_samples, "),
        ("training.optimizer=adam", r"found 'adam', expected 'adamw' or 'sgd' .did you mean 'adamw'"),
        ("benchmark.name=linear", r"benchmark\.name: no benchmark 'linear'.*linear_1d, arithmetic_mixed, .*file"),
        ("benchmark.regime=train-eas", r"benchmark\.regime: unknown regime 'train-eas' .did you mean 'train-easy'"),
        ("benchmark.regime=[100, 100]", r"benchmark\.regime: .*found 100, 100, expected 0 <= low <= high <= 30"),
        ("benchmark.regime=[3]", r"benchmark\.regime: expected the name of a regime, or a pair of numbers"),
        ("benchmark.few_shot=x", r"benchmark\.few_shot: expected a text with .*, found 'x'"),
        ("arms.9.verifier=exact", "does not lead anywhere"),
        ("iterations", "expected a.b=value"),
        (
            "seed=" + "9" * 5000,
            "--set seed: expected whole numbers of at most 64 bits, found one of thousands of digits",
        ),
        ("seed=9223372036854775808", "--set seed: expected whole numbers of at most 64 bits, found a larger one"),
        ("scoring=" + "[" * 2000, "--set scoring: expected at most 50 lists and tables within one another"),
        ("name=\udcff", r"--set name: expected Unicode text, found '\\udcff'"),
        ("sampling.test.greedy=true", r"sampling: `test_samples`: found 4, expected 1 with `test\.greedy`"),
        ("sampling.test.top_p=2", r"sampling\.test\.top_p: found 2, expected a number less than or equal to 1"),
        ("sampling.test={greedy = true, top_k = 3}", r"sampling\.test: `greedy` draws nothing, so `top_k` has no use"),
        ("tests=3", r"tests: found 3, expected a table"),
        ('tests={"a b" = {name = "linear_1d"}}', r"tests\.a b.*expected 1 to 64 letters"),
        ("tests.a.regime=train-easy", r"tests\.a\.name: missing"),
        ('tests.a={name = "linear_1d", train = 3}', r"tests\.a\.train: unknown key: known are name, regime, path"),
        ('tests.a={name = "linear_1d", regime = [3]}', r"tests\.a\.regime: expected the name of a regime, or a pair"),
        ('tests.a={name = "mixed", parts = {linear_1d = [3]}}', r"tests\.a\.parts\.linear_1d: expected the name of"),
        ('tests.a={name = "reasoning_gym:maze"}', r"tests\.a: found a benchmark whose gold is 'reasoning_gym'"),
        ("grpo.kl=0.1", r'grpo: no arm has `algorithm = "grpo"`, so it has no use'),
        (
            'arms=[{name = "a", verifier = "sympy", source = "references", iterations = 1, samples = 3}]',
            r"arms\.0\.samples: its one iteration trains on worked solutions and draws nothing",
        ),
        ('benchmark.name="file"', "`path` goes with"),
        ('benchmark.name="mixed"', "`parts` goes with"),
        ('benchmark.parts.numbers__gcd="train-easy"', "`parts` goes with"),
    ],
)
def test_a_wrong_setting_names_the_field_and_what_was_found(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_suite("linear_1d", [override])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("benchmark.regime=train-easy", "each of them has its own"),
        ("benchmark.parts={}", "`parts` goes with"),
        ("benchmark.parts.linear_1d=[3]", r"benchmark\.parts\.linear_1d: expected the name of a regime"),
        ("benchmark.parts.linear1d=[3, 4]", r"benchmark\.parts: no benchmark 'linear1d' .did you mean 'linear_1d'"),
        ("benchmark.parts.numbers__gcd=hard", r"benchmark\.parts: numbers__gcd: unknown regime 'hard'"),
    ],
)
def test_a_wrong_part_of_a_mixture_is_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_suite("mixed", [override])


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("verifiers.pk.m:B.mode", ["verifiers", "pk.m:B", "mode"]),
        ("verifiers.m:B.a.b", ["verifiers", "m:B", "a", "b"]),
        ('verifiers."pk.m:B".mode', ["verifiers", "pk.m:B", "mode"]),
        ("verifiers.'a.b'.\"c.d\"", ["verifiers", "a.b", "c.d"]),
        ("verifiers.judge.prices.llama3:8b", ["verifiers", "judge", "prices", "llama3:8b"]),
    ],
)
def test_a_path_of_keys_may_hold_a_module_path_and_quoted_names(path: str, keys: list[str]) -> None:
    data: dict[str, Any] = {}
    set_value(data, f"{path}=x")
    node: Any = data
    for key in keys:
        node = node[key]
    assert node == "x"


def test_a_quoted_name_that_does_not_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="does not lead anywhere"):
        set_value({}, 'verifiers."a.b=x')


ARM = {"name": "a", "verifier": "sympy"}


@pytest.mark.parametrize(
    "data",
    [
        {"arms": [ARM]},
        {"name": "x"},
        {"name": "x", "arms": [{"name": "a"}]},
        {"name": "x", "arms": [{**ARM, "verifer": "exact"}]},
        {"name": "x", "arms": [ARM, ARM]},
        {"name": "x", "arms": [{**ARM, "name": "base"}]},
        {"name": "x", "arms": [ARM], "benchmark": {"name": "linear"}},
        {"name": "x", "arms": [ARM], "benchmark": {"regime": 5}},
        {"name": "x", "arms": [ARM], "gold": 5},
    ],
)
def test_a_mistake_in_a_suite_is_one_line_without_words_of_pydantic(data: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_suite(data, "x.toml")
    message = str(raised.value)
    assert message.startswith("x.toml: ")
    assert len(message.splitlines()) == 1
    assert len(message) < 200
    for word in ("Value error", "Input should", "Pydantic", "Field required", "after validation"):
        assert word not in message


def test_two_mistakes_are_two_lines() -> None:
    with pytest.raises(ConfigError) as raised:
        load_suite("linear_1d", ["seed=x", "sampling.top_k=x"])
    assert len(str(raised.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            b"a = " + b"[" * 2000,
            r"suite.toml: not TOML: expected at most 50 lists and tables within one another, found more",
        ),
        (b"a = " + b"[" * 51 + b"]" * 51, "at most 50 lists and tables"),
        (b"seed = " + b"9" * 5000, "at most 64 bits"),
        (b"name = '\xff'", "suite.toml: not TOML: not UTF-8 at byte 8"),
        (b"seed = 1\nseed = 1", r"suite.toml: not TOML: Cannot overwrite a value"),
    ],
    ids=["deep", "51 deep", "5,000 digits", "no UTF-8", "twice"],
)
def test_a_suite_that_is_no_toml_is_one_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "suite.toml").write_bytes(text)
    with pytest.raises(ConfigError, match=message) as raised:
        load_suite(str(tmp_path / "suite.toml"))
    assert "\n" not in str(raised.value)


def test_an_unknown_suite_suggests_a_known_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'linear_1d'"):
        load_suite("linear1d")


def test_arms_need_different_names() -> None:
    arms = [{"name": "a", "verifier": "sympy"}, {"name": "a", "verifier": "exact"}]
    with pytest.raises(ConfigError, match="arm names must differ"):
        parse_suite({"name": "x", "arms": arms}, "x.toml")


def test_gold_comes_first_among_a_suites_verifiers() -> None:
    suite = Suite.model_validate(
        {"name": "x", "gold": "exact", "scoring": ["sympy"], "arms": [{"name": "a", "verifier": "sympy"}]}
    )
    assert suite.verifier_names == ("exact", "sympy")


@given(st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**60), 2**60) | st.lists(st.booleans())))
def test_options_of_any_text_read_back_from_toml(options: dict[str, Any]) -> None:
    suite = load_suite("linear_1d").model_copy(update={"verifiers": {"a.b": options}})
    assert parse_suite(tomllib.loads(to_toml(suite)), "suite") == suite


def test_a_benchmark_brings_its_own_regime_and_gold() -> None:
    suite = parse_suite(
        {"name": "x", "benchmark": {"name": "arithmetic_mixed"}, "arms": [{"name": "a", "verifier": "sympy"}]}, "x"
    )
    assert suite.benchmark.regime == BENCHMARKS["arithmetic_mixed"].default_regime
    assert suite.gold == BENCHMARKS["arithmetic_mixed"].gold


def test_problems_of_a_file_have_no_regime() -> None:
    suite = load_suite("linear_1d", ["benchmark.name=file", "benchmark.path=x"])
    assert suite.benchmark.regime is None


def selection_of(**settings: object) -> SelectionConfig:
    arms = [{"name": "a", "verifier": "sympy", "selection": settings}]
    return parse_suite({"name": "x", "arms": arms}, "suite.toml").arms[0].selection


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rule": "weighted", "weight": "corrected"}, "needs both rates"),
        ({"rule": "weighted", "weight": "corrected", "tpr": 0.3, "fpr": 0.3}, "expected fpr below tpr, found fpr 0.3"),
        ({"rule": "weighted", "weight": "corrected", "tpr": 0.9, "fpr": 0.3, "negatives": -1}, "the rates give"),
        ({"weight": "corrected", "tpr": 0.9, "fpr": 0.3}, "goes with `rule = \"weighted\"`, found 'filter'"),
        ({"tpr": 0.9}, "go with `weight"),
        ({"negatives": 1}, "negatives: found 1, expected a number less than or equal to 0"),
    ],
)
def test_weights_of_known_rates_are_checked(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        selection_of(**settings)


def test_rates_and_negative_weights_are_settings_of_an_arm() -> None:
    assert selection_of(rule="weighted", weight="corrected", tpr=0.9, fpr=0.3).tpr == 0.9
    assert selection_of(negatives=-0.2).negatives == -0.2
