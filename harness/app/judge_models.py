"""What `restem judge models` does: lists the models of a judge's server.

Takes a judge's options; gives the server's list. Sends one request, and never one that is paid for.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from restem.harness.errors import ConfigError
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.models import SOON, ServedModel, list_models
from restem.verifiers.options import JudgeOptions, read_options


def served_models(options: Mapping[str, Any], *, every: bool = False) -> list[ServedModel]:
    """The models of the judge's server, sorted: those that chat and are not switched off within a week, or all.

    Raises:
        ConfigError: The server gives no list.
        JudgeUnavailable: There is no key, or the server refuses it.
    """
    endpoint = Endpoint(read_options(JudgeOptions, "judge", {"model": "any", **options}))
    listed = list_models(endpoint)
    if listed is None:
        raise ConfigError(f"{endpoint.base_url} gives no list of models at GET {endpoint.base_url}/models")
    soon = datetime.datetime.now(datetime.UTC) + SOON
    chosen = (model for model in listed.models if every or (model.chats and not model.gone_by(soon)))
    return sorted(chosen, key=lambda model: model.id)
