"""The list of a server's models: what is an error before the first request, and what is none."""

from __future__ import annotations

import datetime
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.models import check_model, read_date, read_list
from restem.verifiers.options import ChatOptions
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier
from tests.judge_server import JudgeServer

DAY = 86_400


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    return running


def endpoint(server: JudgeServer, model: str = "live", **options: Any) -> Endpoint:
    return Endpoint(ChatOptions(model=model, base_url=server.base_url, **options))


def listing(*models: dict[str, Any]) -> dict[str, Any]:
    return {"object": "list", "data": [{"object": "model", **model} for model in models]}


def iso(days: float) -> str:
    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)).isoformat()


def test_a_model_that_is_there_passes(server: JudgeServer) -> None:
    server.models = listing({"id": "live"}, {"id": "other"})
    check_model(endpoint(server))
    assert (server.listed, server.requests) == (1, 0)


def test_a_model_that_is_not_there_is_an_error_that_names_the_chat_models(server: JudgeServer) -> None:
    server.models = listing({"id": "big-chat"}, {"id": "text-embedding-3"}, {"id": "a-chat"})
    with pytest.raises(UnknownVerifier, match=r"'gone'.*chat models there: a-chat, big-chat\. ") as error:
        check_model(endpoint(server, "gone"))
    assert "embedding" not in str(error.value)


@pytest.mark.parametrize("days", [-40, 0.5, 6.5])
@pytest.mark.parametrize(
    "entry",
    [
        lambda days: {"shutdown_date": iso(days)[:10]},
        lambda days: {"shutdown_date": iso(days)},
        lambda days: {"shutdown_date": int(time.time() + days * DAY)},
        lambda days: {"shutdown_date": f"{time.time() + days * DAY:.0f}"},
        lambda days: {"shutdown_date": (time.time() + days * DAY) * 1000},
        lambda days: {"model": {"shutdown_date": iso(days)}},
    ],
)
def test_a_model_that_is_switched_off_within_the_week_is_an_error_with_its_date(
    server: JudgeServer, entry: Any, days: float
) -> None:
    server.models = listing({"id": "old", **entry(days)}, {"id": "new"}, {"id": "older", "shutdown_date": "2026-01-01"})
    with pytest.raises(UnknownVerifier, match=rf"'old'.* {iso(days)[:10]}.*chat models there: new\. "):
        check_model(endpoint(server, "old"))


def test_a_later_shutdown_is_a_warning(server: JudgeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.models = listing({"id": "live", "shutdown_date": iso(30)})
    check_model(endpoint(server))
    assert iso(30)[:10] in caplog.text


@pytest.mark.parametrize("status", [403, 404, 405, 429, 500, 501])
def test_a_server_without_a_list_passes(server: JudgeServer, status: int) -> None:
    server.models = status
    check_model(endpoint(server))


@pytest.mark.parametrize(
    "body",
    [{}, [], {"data": []}, {"data": None}, {"data": "live"}, {"data": [1, None, {}]}, {"error": {"message": "no"}}],
)
def test_an_empty_or_odd_list_passes(server: JudgeServer, body: Any) -> None:
    server.models = body
    check_model(endpoint(server))


def test_a_web_page_passes_with_a_warning(server: JudgeServer, caplog: pytest.LogCaptureFixture) -> None:
    server.models = "<!doctype html><html></html>"
    check_model(endpoint(server))
    assert "/v1" in caplog.text


def test_a_server_that_is_not_there_passes() -> None:
    check_model(Endpoint(ChatOptions(model="m", base_url="http://127.0.0.1:9/v1")))


def test_a_refused_key_is_named_by_its_variable(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.models = 401
    with pytest.raises(JudgeUnavailable, match="check the key in the environment variable OPENAI_API_KEY"):
        check_model(endpoint(server))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(JudgeUnavailable, match="OPENAI_API_KEY is not set"):
        check_model(endpoint(server))


@pytest.mark.parametrize(
    ("asked", "listed"),
    [("llama3", "llama3:latest"), ("gemini-x", "models/gemini-x"), ("org/name:nitro", "org/name"), ("a", "a")],
)
def test_a_name_may_be_listed_in_another_form(server: JudgeServer, asked: str, listed: str) -> None:
    server.models = listing({"id": listed})
    check_model(endpoint(server, asked))


def test_a_model_may_stand_on_a_later_page(server: JudgeServer) -> None:
    server.models = listing({"id": "first"}) | {"has_more": True}
    check_model(endpoint(server, "later"))


@pytest.mark.parametrize("value", [None, True, "", "soon", "2026-13-01", [], {}, float("inf"), float("nan"), 1e300])
def test_what_is_no_date_is_none(value: object) -> None:
    assert read_date(value) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["data", "models", "id", "shutdown_date", "has_more"]), inner, max_size=4)
    ),
)


@given(json_values)
def test_no_list_breaks_the_reading(value: object) -> None:
    listed = read_list(value)
    assert listed is None or all(model.id for model in listed.models)
