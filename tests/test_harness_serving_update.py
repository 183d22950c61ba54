"""Other weights for a server that runs, over real HTTP: loaded where it is permitted, refused everywhere else."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
import requests

from restem.harness.model.policy import Policy, init_params, save_policy
from restem.harness.serving import http
from restem.harness.serving.server import application, served_name
from tests.small_policy import ARCHITECTURE, small_policy

ROUTE = "/update_weights_from_disk"


@contextlib.contextmanager
def served(policy: Policy, updates: Path | None) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    listener, running = http.bind(0), http.server(application(policy, "small", updates))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    save_policy(small_policy(1), folder / "other")
    shape = dataclasses.replace(ARCHITECTURE, hidden_dim=48)
    wider = dataclasses.replace(small_policy(), architecture=shape, params=init_params(shape, jax.random.key(0)))
    save_policy(wider, folder / "wider")
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with served(small_policy(), folder) as address:
        yield address


def post(server: str, route: str, **body: Any) -> requests.Response:
    return requests.post(server + route, json=body, timeout=120)


def name_of(server: str) -> str:
    return requests.get(f"{server}/v1/models", timeout=60).json()["data"][0]["id"]


def ids_of(server: str, **body: Any) -> list[int]:
    reply = post(server, "/v1/completions", prompt=[2, 9, 7], max_tokens=12, temperature=0, return_token_ids=True)
    return reply.json()["choices"][0]["token_ids"]


def test_after_an_update_the_other_weights_answer_under_their_name(server: str, folder: Path, tmp_path: Path) -> None:
    before = ids_of(server)
    with served(small_policy(1), None) as other:
        expected = ids_of(other)
    assert before != expected
    assert name_of(server) == served_name(small_policy(), "small")
    reply = post(server, ROUTE, model_path=str(folder / "other"), weight_version="1")
    assert (reply.status_code, reply.json()["success"]) == (200, True)
    assert name_of(server) == served_name(small_policy(1), "small")
    assert ids_of(server) == expected


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("wider", 400, "another architecture or vocabulary"),
        ("nothing", 400, "nothing"),
        ("..", 403, "model_path is not below"),
        ("/", 403, "model_path is not below"),
    ],
)
def test_weights_of_another_shape_and_from_elsewhere_are_refused(
    server: str, folder: Path, name: str, status: int, reason: str
) -> None:
    held, reply = name_of(server), post(server, ROUTE, model_path=str(folder / name))
    assert (reply.status_code, reason in reply.text) == (status, True)
    assert name_of(server) == held


def test_without_permission_no_weights_are_loaded(folder: Path) -> None:
    with served(small_policy(), None) as server:
        reply = post(server, ROUTE, model_path=str(folder / "other"))
        assert (reply.status_code, "--allow-update" in reply.text) == (403, True)


def test_a_server_says_its_version_and_that_it_is_ours(server: str) -> None:
    assert requests.get(f"{server}/version", timeout=60).json()["version"]
    assert requests.get(f"{server}/v1/models", timeout=60).json()["data"][0]["owned_by"] == "restem"


@pytest.mark.parametrize(("ids", "status"), [([], 200), ("stop", 200), ([7], 400), ([True], 400), ("x", 400)])
def test_the_tokens_that_end_a_response_are_those_of_the_policy(server: str, ids: Any, status: int) -> None:
    stops = list(small_policy().tokenizer.stop_ids) if ids == "stop" else ids
    reply = post(server, "/v1/completions", prompt=[2, 9], max_tokens=1, stop_token_ids=stops)
    assert reply.status_code == status, reply.text
