"""A server of rewards as a verifier: NeMo Gym's `/verify`, slime's and OpenRLHF's remote reward models.

Takes an address and options; gives verdicts. Each response is one request with a deadline. A server that cannot be
reached, or has no such address, stops the scoring and is no verdict; a request that it refuses or answers with
something else than a number is undecided, with the reason. Does not depend on who serves.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from restem.benchmarks.problem import Problem
from restem.verifiers import interruption
from restem.verifiers.bodies import IDENTITY, Limited, UnboundedBody
from restem.verifiers.foreign_rewards.group import Group
from restem.verifiers.foreign_rewards.results import MAX_SHOWN, Result, read_many, read_one
from restem.verifiers.foreign_rewards.verdicts import graded_verdict
from restem.verifiers.options import ServerOptions
from restem.verifiers.verdict import Attempt, JudgeUnavailable, UnknownVerifier, Verdict, fingerprint

VERSION = 1
ATTEMPTS = 3  # of a request whose connection failed, or that the server was too busy for
BACKOFF_SECONDS = 0.5
_BUSY = (429, 502, 503, 504)
_ABSENT = (404, 405)


class RewardServer:
    """The rewards of a server.

    Args:
        name: Its address.
        options: The threshold, and what is sent.

    Raises:
        UnknownVerifier: The name is no web address, or holds credentials.
    """

    def __init__(self, name: str, options: ServerOptions) -> None:
        parts = urlsplit(name)
        if not parts.hostname or "@" in parts.netloc:
            raise UnknownVerifier(
                f"verifier {name.partition('//')[0]}//...: expected http://HOST:PORT/PATH without credentials"
            )
        self.name = name
        self.options = options
        self.shape = options.shape
        if self.shape == "auto":
            self.shape = "nemo_gym" if parts.path.rstrip("/").endswith("/verify") else "slime"

    @property
    def fingerprint(self) -> str:
        return fingerprint(f"server.{self.shape}", VERSION, {**self.options.settings(), "address": self.name})

    @property
    def note(self) -> str:
        """What is sent, in one line."""
        return f"requests in the shape of {self.shape}, one a response; correct from {self.options.threshold:g}"

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order.

        Raises:
            JudgeUnavailable: The server cannot be reached, or has no such address.
        """
        return asyncio.run(self._verified(attempts))

    async def _verified(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        gate = asyncio.Semaphore(self.options.at_once)
        limits = aiohttp.TCPConnector(limit=self.options.at_once)
        async with aiohttp.ClientSession(
            connector=limits, timeout=aiohttp.ClientTimeout(total=None), headers=IDENTITY, auto_decompress=False
        ) as client:

            async def verified(attempt: Attempt) -> Verdict:
                async with gate:
                    return await self._verdict(client, attempt)

            tasks = [asyncio.ensure_future(verified(attempt)) for attempt in attempts]
            try:
                return await interruption.result_of(asyncio.gather(*tasks))
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _verdict(self, client: aiohttp.ClientSession, attempt: Attempt) -> Verdict:
        body = self._body(attempt.problem, attempt.response)
        began = time.perf_counter()
        try:
            reply = await asyncio.wait_for(self._posted(client, body), self.options.seconds)
            number, reason, answer = self._read(*reply)
        except UnboundedBody as problem:
            number, reason, answer = None, f"the reply is not read: {problem}", None
        except TimeoutError:
            number, reason, answer = None, f"timeout: over {self.options.seconds:g} s", None
        return graded_verdict(
            number,
            self.options.threshold,
            reason=reason,
            answer=answer,
            rule=self.shape,
            seconds=time.perf_counter() - began,
        )

    async def _posted(self, client: aiohttp.ClientSession, body: Mapping[str, Any]) -> tuple[int, bytes]:
        """Status and body of the reply, of another try where the connection failed or the server was busy."""
        for attempt in range(ATTEMPTS):
            try:
                async with client.post(self.name, json=body, allow_redirects=False) as reply:
                    status, text = reply.status, bytearray()
                    limited = Limited(reply.headers.get("content-encoding"))
                    async for part in reply.content.iter_chunked(1 << 16):
                        for data in limited.decoded(part):
                            text += data
            except aiohttp.ClientError as problem:
                if attempt + 1 == ATTEMPTS:
                    raise JudgeUnavailable(
                        f"verifier {self.name!r}: the server cannot be reached ({type(problem).__name__}: {problem})"
                    ) from None
            else:
                if status not in _BUSY or attempt + 1 == ATTEMPTS:
                    return status, bytes(text)
            await asyncio.sleep(BACKOFF_SECONDS * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _read(self, status: int, text: bytes) -> Result:
        if status in _ABSENT:
            raise JudgeUnavailable(
                f"verifier {self.name!r}: the server answers {status} to POST; expected an address of rewards"
            )
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return None, "the reply is not JSON" if status == 200 else f"http {status}", None
        if status != 200:
            return None, f"http {status}{_fault(value)}", None
        key = self.options.key
        if self.shape == "openrlhf":
            return read_many(value, 1, key)[0]
        return read_one(value, key or ("reward" if isinstance(value, dict) and "reward" in value else None))

    def _body(self, problem: Problem, response: str) -> dict[str, Any]:
        reference = problem.reference
        if self.shape == "openrlhf":
            return {"query": [problem.question + response], "prompts": [problem.question], "labels": [reference]}
        if self.shape == "slime":
            return {"prompt": problem.question, "response": response, "label": reference}
        return nemo_gym_body(problem, response)


def _fault(value: Any) -> str:
    """The first field that FastAPI refused, without its value, which may be the response."""
    try:
        first = value["detail"][0]
        return f": {'.'.join(map(str, first['loc']))}: {first['msg']}"[:MAX_SHOWN]
    except (LookupError, TypeError):
        return ""


def nemo_gym_body(problem: Problem, response: str) -> dict[str, Any]:
    """The body of NeMo Gym's `/verify`: the request, the Responses object, and the row's own fields.

    The shape is that of `NVIDIA-NeMo/Gym:nemo_gym/base_resources_server.py` (0.7.0); a resources server ignores the
    fields that it does not know.
    """
    group = Group(
        question=problem.question,
        references=problem.references,
        data=problem.data,
        strata=problem.strata,
        responses=(response,),
    )
    text = {"type": "output_text", "text": response, "annotations": []}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    return {
        **group.columns(),
        "responses_create_params": {"input": [{"role": "user", "content": problem.question}]},
        "response": {
            "id": "resp_1",
            "object": "response",
            "created_at": 0,
            "model": "stored",
            "output": [message],
            "parallel_tool_calls": False,
            "tool_choice": "none",
            "tools": [],
        },
    }
