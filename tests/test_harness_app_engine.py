"""A run whose samples servers draw: `restem serve` on loopback, loaded with every checkpoint."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.harness.model.policy import Policy
from restem.harness.serving import http
from restem.harness.serving.server import application
from restem.harness.store.store import Store
from tests.conftest import restem
from tests.small_suite import small_suite

ARM = """
[[arms]]
name = "sympy"
verifier = "sympy"
"""


class Served:
    """`restem serve tiny --allow-update FOLDER` in a thread, which can stop and come back at the same port.

    Attributes:
        answers: Requests for samples that are answered before it stops; None: all of them.
        asked: How many were answered.
    """

    def __init__(self, policy: Policy, folder: Path) -> None:
        self._policy, self._folder = policy, folder
        self.port, self.answers, self.asked = 0, None, 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @contextlib.contextmanager
    def running(self, answers: int | None = None) -> Iterator[None]:
        app = application(self._policy, "tiny", self._folder)
        listener = http.bind(self.port)
        self.port, self.asked = listener.getsockname()[1], 0
        server = http.server(self._counting(app, answers))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()

    def _counting(self, app: Any, answers: int | None) -> Any:
        async def counted(scope: Any, receive: Any, send: Any) -> None:
            if scope.get("path") == "/v1/completions":
                self.asked += 1
                if answers is not None and self.asked > answers:
                    raise ConnectionError("the server is gone")  # uvicorn says 500
            await app(scope, receive, send)

        return counted


@pytest.fixture
def served(tiny: Policy, tmp_path: Path) -> Served:
    return Served(tiny, tmp_path)


def run(tmp_path: Path, served: Served, *more: str) -> Any:
    (tmp_path / "suite.toml").write_text(small_suite("engine", ARM))
    settings = ["sampling.engine=openai", f'engine.base_urls=["{served.address}"]', "engine.reload=sglang", *more]
    options = [word for setting in settings for word in ("--set", setting)]
    return restem("run", str(tmp_path / "suite.toml"), "--out", str(tmp_path / "run"), "--quiet", *options)


def test_a_run_ends_with_samples_of_every_checkpoint_and_says_what_drew_them(served: Served, tmp_path: Path) -> None:
    with served.running():
        done = run(tmp_path, served)
    assert done.exit_code == 0, done.stderr
    with Store(tmp_path / "run") as store:
        checkpoints = {row: store.checkpoint(row) for row in ("base", "sympy/1")}
        counts = {place: len(store.samples(*place)) for place in store.sampled_splits()}
        samples = [sample for place in counts for sample in store.samples(*place)]
        events = store.logged("engine")
    assert counts == {("base", "test"): 4, ("base", "train"): 16, ("sympy/1", "test"): 4}
    assert all(sample.token_ids and sample.mean_logprob is None for sample in samples)
    held = {event["checkpoint"]: event["weights"] for event in events}
    assert held == {name: row.params_sha256 for name, row in checkpoints.items() if row}
    assert {event["servers"][0]["engine"] for event in events} == {"restem"}
    assert all(event["compared_tokens"] > 0 and event["logprob_difference"] < 1e-3 for event in events)
    assert not (tmp_path / "run" / "engine").exists()
    assert "The samples were drawn by restem" in restem("show", tmp_path / "run").stdout
    assert "engine: 2 rows" in (checked := restem("check", tmp_path / "run")).stdout
    assert checked.exit_code == 0


def test_samples_that_other_weights_drew_are_found(served: Served, tmp_path: Path) -> None:
    with served.running():
        assert run(tmp_path, served).exit_code == 0
    with Store(tmp_path / "run", write=True) as store:
        (event, *_) = store.logged("engine")
        store.log("engine", **event | {"checkpoint": "sympy/1"})
    checked = restem("check", tmp_path / "run")
    assert (checked.exit_code, "engine: the weights that drew sympy/1 are not known" in checked.stdout) == (1, True)


def test_a_server_lost_in_the_middle_ends_the_run_in_one_line_and_the_same_command_goes_on(
    served: Served, tmp_path: Path
) -> None:
    with served.running(answers=4 + 2 + 4 + 2):  # compared, two test problems, compared, two of four training problems
        done = run(tmp_path, served, "engine.concurrency=1", "engine.retries=0")
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "no server is left. The samples that it gave are stored: the same command goes on" in line
    with Store(tmp_path / "run") as store:
        stored = store.samples("base", "train")
    assert len(stored) == 8
    with served.running():
        assert run(tmp_path, served, "engine.concurrency=4").exit_code == 0
    with Store(tmp_path / "run") as store:
        samples = store.samples("base", "train")
    assert len(samples) == 16
    assert [sample for sample in samples if sample in stored] == stored
    assert served.asked == (8 + 2) + (8 + 2)  # compared, two training problems; compared, two test problems


def test_a_command_in_a_suite_needs_permission(tmp_path: Path) -> None:
    text = small_suite("engine", ARM).replace("[sampling]", '[sampling]\nengine = "openai"')
    (tmp_path / "suite.toml").write_text(text + '\n[engine]\nstart = ["serve", "{folder}", "{port}"]\n')
    done = restem("run", str(tmp_path / "suite.toml"), "--out", str(tmp_path / "run"), "--quiet")
    assert (done.exit_code, "--allow-code if you trust the file" in done.stderr) == (2, True)
    assert not (tmp_path / "run").exists()


def test_an_engine_without_a_server_is_refused(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(small_suite("engine", ARM))
    done = restem("run", str(tmp_path / "suite.toml"), "--set", "sampling.engine=openai", "--quiet")
    assert (done.exit_code, "neither `base_urls` names a server nor `start` starts one" in done.stderr) == (2, True)
