"""Which models a chat server has, read from its list before the first request is paid for.

Takes an endpoint; gives the models of `GET /models`, or an error that names the models that can be used instead. A
server without such a list, or with one that cannot be read, is not an error: the first request then shows what the
server has. Importing this file loads no HTTP client.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.bodies import MAX_BODY, UnboundedBody
from restem.verifiers.chat.connection import certificates_for, headers_for, proxy_for
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.reply import is_html, refused
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier

SOON = datetime.timedelta(days=7)  # a longer run is not rare: a model that goes within the week is not begun with
LIST_SECONDS = 10.0
MOST_NAMED = 40
MILLISECONDS = 1e11  # unix times above this are in milliseconds
# Parts of the names of models that do not chat, as OpenAI, Google and others list them.
_NO_CHAT = re.compile(
    "embed|whisper|tts|dall-e|moderation|realtime|transcribe|image|sora|imagen|veo|babbage|davinci|instruct-0|"
    "turbo-instruct|rerank|audio|speech",
    re.IGNORECASE,
)

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model in a server's list.

    Attributes:
        shutdown: When the server switches it off; None where the list does not say.
    """

    id: str
    shutdown: datetime.datetime | None = None

    @property
    def chats(self) -> bool:
        """Whether the name is not that of a model for embeddings, speech, images and the like."""
        return _NO_CHAT.search(self.id) is None

    def gone_by(self, moment: datetime.datetime) -> bool:
        """Whether it is switched off by then."""
        return self.shutdown is not None and self.shutdown <= moment


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelList:
    """A server's list of models; not `complete` where it is the first of several pages."""

    models: Sequence[ServedModel]
    complete: bool = True

    def of(self, name: str) -> ServedModel | None:
        """The entry of a model. Ollama lists `name:latest`, Google `models/name`; OpenRouter takes `name:variant`."""
        entries = {model.id: model for model in self.models}
        names = (name, f"{name}:latest", f"models/{name}", name.partition(":")[0])
        return next((entries[listed] for listed in names if listed in entries), None)


def check_model(endpoint: Endpoint, *, now: datetime.datetime | None = None) -> None:
    """Checks that the server has the endpoint's model, and has it in a week too.

    Raises:
        UnknownVerifier: It has not; the message names the date and the chat models that it has.
        JudgeUnavailable: The server refuses the key.
    """
    listed = list_models(endpoint)
    if listed is None or not listed.models:
        return
    now = now or datetime.datetime.now(datetime.UTC)
    model = listed.of(endpoint.model)
    if model is None:
        if listed.complete:
            missing = f"judge: model {endpoint.model!r} is not among the models of {endpoint.base_url}"
            raise UnknownVerifier(missing + _instead(endpoint, listed, now))
    elif model.shutdown is not None and model.gone_by(now + SOON):
        tense = "switched it off" if model.gone_by(now) else "switches it off"
        day = f"{model.shutdown:%Y-%m-%d}"
        raise UnknownVerifier(
            f"judge: model {endpoint.model!r}: the server {tense} on {day}{_instead(endpoint, listed, now)}"
        )
    elif model.shutdown is not None:
        _log.warning("judge %r: the server switches it off on %s", endpoint.model, f"{model.shutdown:%Y-%m-%d}")


def _instead(endpoint: Endpoint, listed: ModelList, now: datetime.datetime) -> str:
    """What the user can put in place of the model."""
    names = [endpoint.redacted(name) for name in chat_models(listed, now)]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    shown = f"chat models there: {', '.join(names[:MOST_NAMED])}{more}" if names else "it lists no chat model"
    return (
        f"{did_you_mean(endpoint.model, names)}; {shown}. Name one by option 'model'"
        " (or set check_model = false if you know that the list is wrong)"
    )


def chat_models(listed: ModelList, now: datetime.datetime) -> list[str]:
    """The names of the models that chat and are not switched off within a week, sorted."""
    return sorted(model.id for model in listed.models if model.chats and not model.gone_by(now + SOON))


def list_models(endpoint: Endpoint) -> ModelList | None:
    """The server's list of models; None where it has none, or none that can be read.

    Raises:
        JudgeUnavailable: The server refuses the key.
    """
    import httpx2  # takes a tenth of a second

    from restem.verifiers.chat.body_limit import limit_body

    client = httpx2.Client(
        headers=headers_for(endpoint),
        verify=certificates_for(endpoint),
        proxy=proxy_for(endpoint),
        trust_env=False,
        timeout=min(LIST_SECONDS, endpoint.options.timeout_seconds),
        event_hooks={"response": [functools.partial(limit_body, limit=MAX_BODY)]},
    )
    try:
        with client:
            answer = client.get(f"{endpoint.base_url}/models")
    except (httpx2.HTTPError, UnboundedBody):
        return None
    if answer.status_code == 401:
        fault = refused(401, answer.headers, answer.content, endpoint.redacted)
        raise JudgeUnavailable(f"{endpoint}: {fault.result}{endpoint.advice(fault)}")
    if not answer.is_success:
        return None
    if is_html(answer.content):
        _log.warning("%s: its list of models is an HTML page; base_url often ends in /v1", endpoint)
    try:
        data = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return read_list(data)


def read_list(data: object) -> ModelList | None:
    """The models in a decoded body: `{"data": [...]}`, `{"models": [...]}` or a bare list; None for anything else."""
    match data:
        case {"data": [*entries]} | {"models": [*entries]} | [*entries]:
            more = isinstance(data, dict) and bool(data.get("has_more"))
            return ModelList(models=list(_models(entries)), complete=not more)
    return None


def _models(entries: Iterable[Any]) -> Iterable[ServedModel]:
    for entry in entries:
        match entry:
            case str(id) | {"id": str(id)} | {"name": str(id)} if id and id.isprintable():
                yield ServedModel(id=id[:200], shutdown=_shutdown(entry) if isinstance(entry, dict) else None)


def _shutdown(entry: Mapping[str, Any]) -> datetime.datetime | None:
    """The date under `shutdown_date` in an entry, or in an object inside it."""
    inner = [value for value in entry.values() if isinstance(value, dict)]
    dates = (read_date(part.get("shutdown_date")) for part in (entry, *inner))
    return next((date for date in dates if date is not None), None)


def read_date(value: object) -> datetime.datetime | None:
    """A date from ISO 8601 or a unix time, as a number or a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        if isinstance(value, str) and not re.fullmatch(r"\d{9,13}(?:\.\d+)?", value):
            date = datetime.datetime.fromisoformat(value)
            return date if date.tzinfo else date.replace(tzinfo=datetime.UTC)
        seconds = float(value)
        return datetime.datetime.fromtimestamp(seconds / (1000 if seconds > MILLISECONDS else 1), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return None
