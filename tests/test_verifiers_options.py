"""Options of verifiers: every built-in one has a model, the models name what is wrong, and the docs show them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers import catalog
from restem.verifiers.option_tables import option_table, with_tables
from restem.verifiers.option_types import (
    BY_CONTENT,
    VERDICTS_DEPEND_ON_IT,
    WHERE_SET,
    expected,
    may_differ,
)
from restem.verifiers.options import OPTIONS, PLACED, JudgeOptions, NoisyOptions, Options, RandomOptions, read_options
from restem.verifiers.verdict import UnknownVerifier

DOCS = Path(__file__).parents[1] / "docs"
PAGES = [path for path in sorted(DOCS.glob("*.md")) if "<!-- options of" in path.read_text("utf-8")]
ALL = {**OPTIONS, **PLACED}
MODELS = sorted(set(ALL.values()), key=lambda model: model.__name__)
FIELDS = [pytest.param(model, name, id=f"{model.__name__}-{name}") for model in MODELS for name in model.model_fields]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_tables_in_the_docs_are_those_of_the_models(page: Path) -> None:
    """`python -m restem.verifiers.option_tables docs/*.md` writes them anew."""
    text = page.read_text("utf-8")
    assert with_tables(text) == text


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_every_option_stands_in_the_docs(model: type[Options], name: str) -> None:
    verifier = next(verifier for verifier, of in ALL.items() if of is model)
    row = option_table(verifier, [name]).splitlines()[2]
    assert sum(row in page.read_text("utf-8").splitlines() for page in PAGES) == 1


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_every_option_has_a_meaning_and_a_value_that_is_described(model: type[Options], name: str) -> None:
    field = model.model_fields[name]
    assert field.description
    assert field.description[0] in "`" + field.description[0].upper()
    assert re.fullmatch(r"[^\n|]+", expected(field))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_the_defaults_are_values_that_are_accepted(model: type[Options]) -> None:
    assert read_options(model, "any", model().model_dump()) == model()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_options_cannot_be_changed_afterwards(model: type[Options]) -> None:
    name = next(iter(model.model_fields))
    with pytest.raises(pydantic.ValidationError):
        setattr(model(), name, None)


@given(
    st.dictionaries(
        st.sampled_from([*JudgeOptions.model_fields, "more"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists),
        max_size=3,
    )
)
def test_any_table_is_options_or_one_line_that_names_an_option(table: dict[str, Any]) -> None:
    try:
        read_options(JudgeOptions, "judge", table)
        message = ""
    except UnknownVerifier as error:
        message = str(error)
    assert not message or any(f"option {name!r}" in message for name in [*table, "max_cost_usd"])
    assert "\n" not in message


@pytest.mark.parametrize(
    ("model", "table", "message"),
    [
        (RandomOptions, {"rate": 1.5}, "verifier 'mine': option 'rate': found 1.5, expected a number from 0 to 1"),
        (RandomOptions, {"rate": True}, "verifier 'mine': option 'rate': found True, expected a number from 0 to 1"),
        (RandomOptions, {"seed": 0.5}, "verifier 'mine': option 'seed': found 0.5, expected a whole number"),
        (NoisyOptions, {"tpt": 1}, "verifier 'mine': unknown option 'tpt' (did you mean 'tpr'?): known are base, tpr"),
        (Options, {"rate": 1}, "verifier 'mine': unknown option 'rate': it takes none"),
        (JudgeOptions, {"prices": {"m": [1]}}, "option 'prices': found {'m': [1]}, expected {model: [USD per 10^6"),
        (JudgeOptions, {"soft": 1}, "option 'soft': found 1, expected true or false"),
        (JudgeOptions, {"max_cost_usd": 1.0}, "option 'max_cost_usd' needs the model's price in option 'prices'"),
    ],
)
def test_an_error_names_verifier_option_found_and_expected(
    model: type[Options], table: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnknownVerifier) as caught:
        read_options(model, "mine", table)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", sorted(JudgeOptions.model_fields.keys() - {"prompt"}))
def test_no_error_shows_a_key(name: str) -> None:
    key = "sk-0123456789abcdef"
    with pytest.raises(UnknownVerifier) as caught:
        read_options(JudgeOptions, "judge", {name: key})
    assert key not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_whole_temperature_stays_one_because_it_is_hashed_as_it_is_sent() -> None:
    assert repr(read_options(JudgeOptions, "judge", {"temperature": 1}).temperature) == "1"
    assert repr(read_options(JudgeOptions, "judge", {"temperature": 1.0}).temperature) == "1.0"


# What may differ when a run is resumed.

JUDGED = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
# Another value of each option for which adding one to its default gives none.
OTHERS: dict[str, Any] = {
    **{"model": "n", "reasoning_effort": "low", "extra_body": {"top_p": 0.5}, "base_url": "http://127.0.0.1:8/v1"},
    **{"api_key_env": "PATH", "prices": {"m": (1.0, 2.0)}, "max_calls": 9, "max_cost_usd": 9.0, "at_once": 3},
    **{"prompt": "rubric", "temperature": 0.5, "max_tokens": 9, "max_unreadable": 0.5, "base": "exact"},
    **{"members": ("exact", "substitution"), "tied_to": "answer", "tests": "visible", "threshold": 0.25},
    **{"key": "acc", "keywords": {"k": 1}, "completions": "text", "environment": ("PATH",), "python": sys.executable},
    **{"shape": "slime", "rate": 0.25, "tpr": 0.25, "fpr": 0.25, "share": 0.5},
}
# Options that are in no fingerprint and all the same may not differ: why.
FIXED = {
    "python": "another interpreter has other packages, with which a function may give other numbers",
    "environment": "a function may read what gives other numbers",
}


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_every_option_is_in_the_fingerprint_or_may_differ_or_has_a_reason(model: type[Options], name: str) -> None:
    field = model.model_fields[name]
    kinds = [kind for kind in (VERDICTS_DEPEND_ON_IT, WHERE_SET, BY_CONTENT) if kind in field.metadata]
    assert len(kinds) + (may_differ(field) is not None) + (name in FIXED) == 1


@pytest.mark.parametrize(("model", "name"), FIELDS)
def test_the_fingerprint_stays_exactly_where_an_option_may_differ(
    model: type[Options], name: str, tmp_path: Path
) -> None:
    field = model.model_fields[name]
    (tmp_path / "mine.py").write_text("def plain(response, reference):\n    return 1.0\n")
    verifier = next(verifier for verifier, of in ALL.items() if of is model)
    type_ = {"reward": f"reward:{tmp_path / 'mine.py'}:plain", "server": "http://127.0.0.1:9/verify"}.get(
        verifier, verifier
    )
    given = JUDGED if verifier == "judge" else {}
    # Not those of `any_of` and others: their parts are built, and the judge of `cascade` needs a server.
    tables = {"judge": JUDGED, "mine": {"type": type_, **given}}
    default = field.get_default(call_default_factory=True, validated_data={})
    other = OTHERS[name] if name in OTHERS else not default if isinstance(default, bool) else default + 1
    more = {"prices": OTHERS["prices"]} if name == "max_cost_usd" else {}
    before = catalog.build("mine", tables).fingerprint
    after = catalog.build("mine", tables | {"mine": {**tables["mine"], name: other, **more}}).fingerprint
    assert (before == after) == (may_differ(field) is not None or name in FIXED)
