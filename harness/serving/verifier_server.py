"""Verifiers behind HTTP on loopback: NeMo Gym's `/verify`, and the remote rewards of slime and OpenRLHF.

Takes names and options of verifiers; gives an ASGI application, or runs it. Does not depend on policies or JAX. For
each verifier, and without a name in the path for the first:

    POST /NAME/verify   a body of NeMo Gym -> the body with `reward`; undecided: a failure in Gym's own form
                        {"prompt", "response", "label"} -> {"reward", "score", "outcome", "reason", ...}
    POST /NAME/reward   {"prompt", "response", "label"} of slime -> a number
                        {"query", "prompts", "labels"} of OpenRLHF -> {"rewards", "scores", "extra_logs"}
    POST /seed_session  {}: Gym's agents open a session first, and none is needed
    GET  /health        the names and fingerprints of the verifiers
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from restem.harness.serving import http
from restem.harness.serving.errors import BadRequest, invalid
from restem.verifiers.adapters.items import Columns
from restem.verifiers.adapters.projection import Undecided, UndecidedResponse
from restem.verifiers.adapters.scoring import Tables
from restem.verifiers.adapters.trainers import NemoGym, OpenRlhf, Remote
from restem.verifiers.verdict import JudgeUnavailable, Outcome, UnknownVerifier, VerifierError

MAX_BODY_BYTES = 16_000_000  # a long rollout with its tool calls


class ServedVerifier:
    """One verifier under the conventions that the server speaks.

    Args:
        name: Its name, also in paths.
        tables: Name -> options, as `build` takes them.
        columns: Where question, reference and data are in a body.
        undecided: What an undecided verdict becomes; None: what the conventions expect.

    Raises:
        UnknownVerifier: The name or an option is not known, or the verifier needs whole groups.
    """

    def __init__(self, name: str, tables: Tables, columns: Columns, undecided: Undecided | None) -> None:
        self.name = name
        self.gym = NemoGym(name, tables=tables, columns=columns, undecided=undecided)
        self.remote = Remote(name, tables=tables, columns=columns, undecided=undecided)
        self.openrlhf = OpenRlhf(name, tables=tables, undecided=undecided)

    async def verify(self, request: Request) -> JSONResponse:
        """The route `/verify`."""
        body = await http.json_body(request, MAX_BODY_BYTES)
        with _refusals():
            if "responses_create_params" in body:
                _check_gym(body)
                return JSONResponse(await self.gym(body))
            _check_remote(body)
            return JSONResponse(await self.remote(**body))

    async def reward(self, request: Request) -> JSONResponse:
        """The route `/reward`."""
        body = await http.json_body(request, MAX_BODY_BYTES)
        with _refusals():
            if "query" in body:
                return JSONResponse(await self._rewards(body))
            _check_remote(body)
            return JSONResponse((await self.remote(**body))["reward"])

    async def _rewards(self, body: Mapping[str, Any]) -> dict[str, Any]:
        queries, prompts, labels = (_texts(body, name) for name in ("query", "prompts", "labels"))
        if not len(queries) == len(prompts) == len(labels):
            raise BadRequest("query, prompts and labels must be equally long", "query")
        verdicts = await self.openrlhf.verdicts_later(queries=queries, prompts=prompts, labels=labels)
        rewards = self.openrlhf.numbers(verdicts)
        undecided = [float(verdict.outcome is Outcome.UNDECIDED) for verdict in verdicts]
        return {"rewards": rewards, "scores": rewards, "extra_logs": {"undecided": undecided}}


def application(verifiers: Sequence[ServedVerifier]) -> Starlette:
    """The ASGI application; the first verifier also answers without its name in the path."""
    fingerprints = {verifier.name: verifier.gym.shared.verifier.fingerprint for verifier in verifiers}

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "verifiers": fingerprints})

    async def seed_session(_: Request) -> JSONResponse:
        return JSONResponse({})

    routes = [Route("/health", health), Route("/seed_session", seed_session, methods=["POST"])]
    for path, verifier in [("", verifiers[0]), *((f"/{verifier.name}", verifier) for verifier in verifiers)]:
        routes.append(Route(f"{path}/verify", verifier.verify, methods=["POST"]))
        routes.append(Route(f"{path}/reward", verifier.reward, methods=["POST"]))
    return http.application(routes)


def serve(verifiers: Sequence[ServedVerifier], port: int, while_stdin_open: bool) -> None:
    """Listens on loopback, prints the address and the names as one JSON line, and serves until SIGINT or SIGTERM.

    Args:
        verifiers: What is served.
        port: 0: any free one.
        while_stdin_open: Whether to end when standard input closes, too.

    Raises:
        OSError: The port is taken.
    """
    names = [verifier.name for verifier in verifiers]
    http.listen(application(verifiers), port, lambda url: {"base_url": url, "verifiers": names}, while_stdin_open)


# -- Bodies ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Errors of verifiers as replies: the body lacks something, the judge is away, the verdict is undecided."""
    try:
        yield
    except JudgeUnavailable as error:
        raise BadRequest(str(error), status=503, code="judge_unavailable") from error
    except UndecidedResponse as error:
        raise BadRequest(str(error), status=422, code="undecided") from error
    except (UnknownVerifier, TypeError) as error:
        raise BadRequest(str(error), code="invalid_body") from error
    except VerifierError as error:
        raise BadRequest(str(error), status=500, code="verifier_failed") from error


def _check_gym(body: Mapping[str, Any]) -> None:
    """Checks the two fields that every body of Gym has.

    Raises:
        BadRequest: They are not what they have to be.
    """
    asked, response = body["responses_create_params"], body.get("response")
    if not isinstance(asked, Mapping):
        raise invalid("responses_create_params", "an object", asked)
    outputs = response.get("output") if isinstance(response, Mapping) else None
    if not isinstance(outputs, list) or not all(isinstance(output, Mapping) for output in outputs):
        raise invalid("response", "an object with a list `output` of objects", response)
    if not isinstance(body.get("verifier_metadata"), Mapping | None):
        raise invalid("verifier_metadata", "an object or null", body["verifier_metadata"])


def _check_remote(body: Mapping[str, Any]) -> None:
    if not isinstance(body.get("response"), str):
        expected = "a text beside `prompt` and `label`, or a response of NeMo Gym beside `responses_create_params`"
        raise invalid("response", expected, body.get("response"))
    for name in ("prompt", "label"):
        if name not in body:
            raise BadRequest(f"{name!r} is missing", name, code="missing_field")


def _texts(body: Mapping[str, Any], name: str) -> list[Any]:
    values = body.get(name)
    if not isinstance(values, list) or not (name == "labels" or all(isinstance(value, str) for value in values)):
        raise invalid(name, "a list of texts", values)
    return values
