"""The JSON of replies of /v1/chat/completions and /v1/completions.

Takes a request and the choices that were drawn for it; gives the JSON. Does not depend on the server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any

from restem.harness.serving.requests import Request


def reply(request: Request, model: str, choices: Sequence[tuple[str, str, int]]) -> dict[str, Any]:
    """The JSON of a reply; choices are (text, finish reason, tokens drawn)."""
    items = [
        {"index": i, "finish_reason": reason, "logprobs": None}
        | ({"message": {"role": "assistant", "content": text, "refusal": None}} if request.chat else {"text": text})
        for i, (text, reason, _) in enumerate(choices)
    ]
    prompt_tokens, drawn = sum(map(len, request.prompts)), sum(length for _, _, length in choices)
    return {
        "id": f"cmpl-{os.urandom(8).hex()}",
        "object": "chat.completion" if request.chat else "text_completion",
        "created": int(time.time()),
        "model": model,
        "choices": items,
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": drawn, "total_tokens": prompt_tokens + drawn},
    }
