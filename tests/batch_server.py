"""A real loopback server of OpenAI's file and batch routes, which answers batches with a judge of its own.

    with BatchServer() as server:
        server.statuses = ["validating", "in_progress", "completed"]   # what the looks at a batch find, in order
        building.judge(name="judge", batch=True, base_url=server.base_url, poll_seconds=0.01)

It keeps what was uploaded, so a test can see whether anything was sent twice.
"""

from __future__ import annotations

import collections
import http.server
import json
import random
import threading
from collections.abc import Callable, Mapping
from email.parser import BytesParser
from typing import Any

from tests.judge_server import Answer, last_number_answer

ENDED = ("completed", "failed", "expired", "cancelled")
Line = Callable[[dict[str, Any]], list[bytes]]


class BatchServer:
    """Files and batches on an ephemeral port of 127.0.0.1, in threads.

    Attributes:
        answer: Prompt -> text of the reply.
        statuses: What each further look at a batch finds; the last one stays.
        line: A request's line -> the lines that the output file has for it; None answers it.
        refuses: Parameters that a line is rejected for.
        faults: The statuses of the next HTTP answers; 0 carries out what was asked and then loses the answer.
        lists: Whether there is a list of batches.
        after_creation: Called when a batch exists, before the answer is sent.
        uploads: The custom ids of each batch that was created.
        calls: How often each route was asked for.
    """

    def __init__(self) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.reset()

    def reset(self) -> None:
        """Forgets everything: as just started."""
        self.answer: Answer = last_number_answer
        self.statuses = ["completed"]
        self.line: Line | None = None
        self.refuses: set[str] = set()
        self.faults: list[int] = []
        self.lists = True
        self.after_creation: Callable[[], object] | None = None
        self.uploads: list[list[str]] = []
        self.sent: list[dict[str, Any]] = []
        self.calls: collections.Counter[str] = collections.Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._looks: dict[str, int] = {}

    def __enter__(self) -> BatchServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def handle(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> bytes | dict[str, Any] | None:
        """What a route answers; None where there is no such thing."""
        parts = path.partition("?")[0].removeprefix("/v1/").split("/")
        match (method, parts):
            case ("POST", ["files"]):
                return self._upload(body, headers)
            case ("GET", ["files", id, "content"]):
                return self.files.get(id)
            case ("POST", ["batches"]):
                return self._create(json.loads(body))
            case ("GET", ["batches"]) if self.lists:
                return {"object": "list", "data": list(self.batches.values()), "has_more": False}
            case ("GET", ["batches", id]):
                return self._look(id) if id in self.batches else None
        return None

    def _upload(self, body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        head = f"Content-Type: {headers['content-type']}\r\n\r\n".encode()
        parts = {part.get_param("name", header="content-disposition"): part for part in _parts(head + body)}
        assert parts["purpose"].get_payload() == "batch"
        id = f"file-{len(self.files)}"
        self.files[id] = parts["file"].get_payload(decode=True)
        return {"id": id, "object": "file", "purpose": "batch", "bytes": len(body), "filename": "x", "created_at": 0}

    def _create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        assert (asked["endpoint"], asked["completion_window"]) == ("/v1/chat/completions", "24h")
        requests = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        assert {(request["method"], request["url"]) for request in requests} == {("POST", "/v1/chat/completions")}
        self.uploads.append([request["custom_id"] for request in requests])
        self.sent += [request["body"] for request in requests]
        id = f"batch_{len(self.batches)}"
        self.batches[id] = {"id": id, "object": "batch", "created_at": 0, "status": "validating", **asked}
        self._looks[id] = 0
        if self.after_creation is not None:
            self.after_creation()
        return self.batches[id]

    def _look(self, id: str) -> dict[str, Any]:
        batch = self.batches[id]
        if batch["status"] in ENDED:
            return batch
        batch["status"] = self.statuses[min(self._looks[id], len(self.statuses) - 1)]
        self._looks[id] += 1
        requests = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        done = len(requests) if batch["status"] == "completed" else 0
        batch["request_counts"] = {"total": len(requests), "completed": done, "failed": 0}
        if batch["status"] == "failed":
            error = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}
            batch["errors"] = {"object": "list", "data": [error]}
        elif batch["status"] in ENDED:
            self._answer(batch, requests)
        return batch

    def _answer(self, batch: dict[str, Any], requests: list[dict[str, Any]]) -> None:
        """Writes the output and the error file, their lines in no order."""
        lines = [line for request in requests for line in (self.line or self.answered)(request)]
        random.Random(0).shuffle(lines)
        wrong = [line for line in lines if b'"status_code": 200' not in line]
        for name, chosen in (("output", [line for line in lines if line not in wrong]), ("error", wrong)):
            if chosen:
                self.files[f"{batch['id']}-{name}"] = b"\n".join(chosen) + b"\n"
                batch[f"{name}_file_id"] = f"{batch['id']}-{name}"

    def answered(self, request: Mapping[str, Any]) -> list[bytes]:
        """The line of an answered request, or of one that is refused for a parameter."""
        asked = request["body"]
        if refused := sorted(self.refuses & asked.keys()):
            return [self.refused(request, 400, code="unsupported_parameter", param=refused[0])]
        message = {"role": "assistant", "content": self.answer(asked["messages"][-1]["content"])}
        body = {
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
        }
        response = {"status_code": 200, "request_id": "r", "body": body}
        return [
            json.dumps({"id": "l", "custom_id": request["custom_id"], "response": response, "error": None}).encode()
        ]

    def refused(self, request: Mapping[str, Any], status: int, **error: Any) -> bytes:
        """The line of a request that got another status."""
        response = {"status_code": status, "body": {"error": {"message": f"scripted {status}", **error}}}
        return json.dumps({"custom_id": request["custom_id"], "response": response, "error": None}).encode()

    def expired(self, request: Mapping[str, Any]) -> bytes:
        """The line of a request that the batch did not reach."""
        error = {"code": "batch_expired", "message": "This request could not be executed before the window ended."}
        return json.dumps({"custom_id": request["custom_id"], "response": None, "error": error}).encode()


def _parts(message: bytes) -> list[Any]:
    parts = BytesParser().parsebytes(message).get_payload()
    assert isinstance(parts, list)
    return parts


def _handler(server: BatchServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else every answer takes 40 ms

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            server.calls[f"{self.command} {self.path.partition('?')[0].removeprefix('/v1/').partition('/')[0]}"] += 1
            fault = server.faults.pop(0) if server.faults else 200
            answer = server.handle(self.command, self.path, body, self.headers) if fault in (0, 200) else None
            if fault == 0:
                self.close_connection = True
                return
            status = fault if fault != 200 else 404 if answer is None else 200
            data = answer if isinstance(answer, bytes) else json.dumps(answer or {"error": {"message": "no"}}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = _serve

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler
