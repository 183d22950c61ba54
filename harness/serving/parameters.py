"""The parameters of requests: which are honoured, and which values of the others change no answer.

Takes the JSON object of a body; gives values of checked type and range. Does not depend on policies.

A parameter that is honoured nowhere is accepted where its value is neutral: one that asks for what would happen anyway.
Every other value is refused; none is ignored in silence. docs/serving.md holds the same table.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from restem.harness.serving.errors import BadRequest, invalid, unsupported

MAX_CHOICES = 64
MAX_SAMPLES = 1024  # prompts times choices of a request
MAX_STOPS = 16
MAX_TOP_LOGPROBS = 20
# At lower temperatures the quotient leaves the range of floats, and every draw is the greedy one anyway.
MIN_TEMPERATURE = 0.01

_COMMON = {
    *("model", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "n", "best_of"),
    *("seed", "restem_sample", "stop", "stop_token_ids", "stream", "stream_options", "logprobs"),
}
HONOURED = {
    "chat": _COMMON | {"messages", "top_logprobs", "add_generation_prompt", "continue_final_message"},
    "completions": _COMMON | {"prompt", "echo", "add_special_tokens", "return_token_ids"},
}
# Whatever their value, the answer is the same.
NO_EFFECT = {
    *("user", "metadata", "store", "service_tier", "parallel_tool_calls", "safety_identifier", "prompt_cache_key"),
    *("prompt_cache_retention", "prediction", "priority", "cache_salt", "request_id", "spaces_between_special_tokens"),
}
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "length_penalty": (1,),
    "no_repeat_ngram_size": (0,),
    "min_p": (0,),
    "typical_p": (1,),
    "min_tokens": (0,),
    "num_beams": (1,),
    "use_beam_search": (False,),
    "early_stopping": (False,),
    "logit_bias": ({},),
    "bad_words": ([],),
    "logits_processors": ([],),
    "ignore_eos": (False,),
    "include_stop_str_in_output": (False,),
    "skip_special_tokens": (True,),
    "return_token_ids": (False,),
    "return_tokens_as_token_ids": (False,),
    "response_format": ({"type": "text"},),
    "modalities": (["text"],),
    "verbosity": ("medium",),
    "reasoning_effort": ("none",),
    "chat_template_kwargs": ({}, {"enable_thinking": False}),
    "mm_processor_kwargs": ({},),
    "documents": ([],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "suffix": ("",),
    # Of the other route.
    "echo": (False,),
    "top_logprobs": (0,),
    "add_special_tokens": (False,),
    "add_generation_prompt": (True,),
    "continue_final_message": (False,),
}


def check_known(body: dict[str, Any], route: str) -> None:
    """Refuses a body that asks for what the route does not do.

    Raises:
        BadRequest: Naming the parameter.
    """
    for name, value in body.items():
        if value is None or name in HONOURED[route] or name in NO_EFFECT:
            continue
        if name not in NEUTRAL:
            raise unsupported(name)
        if not any(_same(value, neutral) for neutral in NEUTRAL[name]):
            raise unsupported(name, value)
    if "best_of" in body and body["best_of"] not in (None, integer(body, "n", 1, 1, MAX_CHOICES)):
        raise unsupported("best_of", body["best_of"])


def _same(value: Any, neutral: Any) -> bool:
    """Whether a value is the neutral one; true is not 1."""
    return value == neutral and isinstance(value, bool) == isinstance(neutral, bool)


def number(body: dict[str, Any], name: str, high: int) -> float:
    """A number from 0 to `high`; 1 where none is given."""
    value = body.get(name)
    value = 1.0 if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= high:
        raise invalid(name, f"a number from 0 to {high}", value)
    return float(value)


def integer(body: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    """A whole number in a range; the default where none is given."""
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(name, f"a whole number from {low} to {high}", value)
    return value


def flag(body: dict[str, Any], name: str, default: bool = False) -> bool:
    """True or false; the default where none is given."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise invalid(name, "true or false", value)
    return default if value is None else value


def top_k(body: dict[str, Any], vocabulary: int) -> int:
    """How many of the likeliest tokens may be drawn; 0 and -1 mean all."""
    value = integer(body, "top_k", 0, -1, 2**31)
    return vocabulary if value < 1 else min(value, vocabulary)


def stops(body: dict[str, Any]) -> tuple[str, ...]:
    """The texts that end a response."""
    value = body.get("stop")
    texts = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise invalid("stop", "a text or a list of texts, none of them empty", value)
    if len(texts) > MAX_STOPS:
        raise invalid("stop", f"at most {MAX_STOPS} texts", value)
    return tuple(dict.fromkeys(texts))


def check_stop_ids(body: dict[str, Any], stop_ids: Collection[int]) -> None:
    """Checks that the tokens which are to end a response are among those that end every one.

    Raises:
        BadRequest: One of them is not.
    """
    value = body.get("stop_token_ids")
    if value is not None and not (isinstance(value, list) and all(type(id) is int and id in stop_ids for id in value)):
        raise invalid("stop_token_ids", f"a list of tokens that end every response, {sorted(stop_ids)}", value)


def choice_count(body: dict[str, Any], prompts: int) -> int:
    """The number of choices for each of this many prompts.

    Raises:
        BadRequest: It is out of range.
    """
    choices = integer(body, "n", 1, 1, MAX_CHOICES)
    if prompts * choices > MAX_SAMPLES:
        raise BadRequest(f"prompts times n may not exceed {MAX_SAMPLES}", "n", code="invalid_value")
    return choices


def alternatives(body: dict[str, Any], route: str) -> int | None:
    """The number of likeliest tokens to give with each token's log-probability; None: no log-probabilities.

    A chat asks with `logprobs: true` and a number in `top_logprobs`, a completion with a number in `logprobs`.
    """
    if route == "completions":
        value = body.get("logprobs")
        if value is None or value is False:
            return None
        return integer(body, "logprobs", 0, 0, MAX_TOP_LOGPROBS)
    count = integer(body, "top_logprobs", 0, 0, MAX_TOP_LOGPROBS)
    if flag(body, "logprobs"):
        return count
    if count:
        raise BadRequest("top_logprobs needs logprobs: true", "top_logprobs", code="invalid_value")
    return None


def usage_wanted(body: dict[str, Any]) -> bool:
    """Whether a stream is to end with the usage."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise invalid("stream_options", "an object", options)
    for name, value in options.items():
        if name not in ("include_usage", "include_obfuscation", "continuous_usage_stats"):
            raise unsupported(f"stream_options.{name}")
        if name == "continuous_usage_stats" and value:
            raise unsupported(f"stream_options.{name}", value)
    return flag(options, "include_usage")
