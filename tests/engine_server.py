"""A server with the routes of an engine, on loopback, whose answers a test decides: a model that counts.

The response to a prompt is its second id, counted on LENGTH times, then the stop token; what a prompt has of it
already is left out. The weights are the content of the file `weights` in a folder: a number, which is added to every
id, and from which the log-probability of a token follows.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STOP = 1
LENGTH = 3


def counted(prompt: Sequence[int], weights: int) -> list[int]:
    response = [*(prompt[1] + weights + step for step in range(1, LENGTH + 1)), STOP]
    return response[len(prompt) - 2 :]


def logprobs(ids: Sequence[int], weights: int) -> list[float]:
    """Of every id after the first; each next larger id is less likely by 0.1."""
    return [-0.1 * id - weights for id in ids[1:]]


class EngineServer:
    """The server; a context.

    Args:
        weights: Those that it starts with.

    Attributes:
        asked: The bodies of all requests for samples, in their order.
        loaded: The folders that it was told to load.
        reply: Changes a reply before it is sent, or gives a status instead of one; None breaks the connection off.
        obeys: Whether it loads what it is told to.
        noise: Added to each log-probability of a prompt; None: it does not give them.
    """

    def __init__(self, weights: int = 0) -> None:
        self.weights = weights
        self.asked: list[dict[str, Any]] = []
        self.loaded: list[str] = []
        self.reply: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any] | int | None] = lambda _, reply: reply
        self.obeys = True
        self.token_ids = True
        self.logprob = 0.0
        self.noise: float | None = 0.0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def samples_asked(self) -> list[dict[str, Any]]:
        """The requests that are not of the comparison."""
        return [body for body in self.asked if body["top_k"] != 1]

    def __enter__(self) -> EngineServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def completions(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = counted(body["prompt"], self.weights)
        choice: dict[str, Any] = {"text": " ".join(map(str, ids[:-1])), "finish_reason": "stop"}
        choice["logprobs"] = {"token_logprobs": [self.logprob] * len(ids)}
        if body.get("echo") and self.noise is not None:
            of_prompt = [logprob + self.noise for logprob in logprobs(body["prompt"], self.weights)]
            choice["logprobs"]["token_logprobs"][:0] = [None, *of_prompt]
        if self.token_ids:
            choice["token_ids"] = ids
        return {"choices": [{"index": index, **choice} for index in range(body["n"])]}

    def update(self, body: dict[str, Any]) -> dict[str, Any]:
        self.loaded.append(body["model_path"])
        if self.obeys:
            self.weights = int((Path(body["model_path"]) / "weights").read_text())
        return {"success": True, "message": ""}

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any] | int | None:
        if path == "/v1/models":
            return {"data": [{"id": "counting", "owned_by": "tests"}]}
        if path == "/version":
            return {"version": "1.2"}
        with self._lock:
            if path == "/update_weights_from_disk":
                return self.update(body)
            if path == "/v1/completions":
                self.asked.append(body)
                return self.reply(body, self.completions(body))
        return 404

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                reply = answer(self.path, json.loads(content or "{}"))
                if reply is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                status, body = (reply, {"error": {"message": "no"}}) if isinstance(reply, int) else (200, reply)
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
