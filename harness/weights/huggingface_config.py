"""Hugging Face's `config.json` of a Gemma <-> our Architecture.

Takes one, gives the other; a setting that the other cannot express is refused by name. Does not depend on tensors or
files.
Source of the keys and their defaults: huggingface/transformers:src/transformers/models/gemma{,2,3}/configuration_*.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.model.architecture import Architecture
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.weights.registry import FAMILIES

CLASSES = {"gemma": "GemmaForCausalLM", "gemma2": "Gemma2ForCausalLM", "gemma3_text": "Gemma3ForCausalLM"}
_FAMILY = {"gemma": "gemma", "gemma2": "gemma2", "gemma3_text": "gemma3"}
_ACTIVATION = "gelu_pytorch_tanh"
_KINDS = {"sliding_attention": "L", "full_attention": "G"}
_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "embed_dim",
    "intermediate_size": "hidden_dim",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "num_key_value_heads": "num_kv_heads",
    "head_dim": "head_dim",
    "max_position_embeddings": "context_length",
}
_FROM_2_ON = {
    "sliding_window": "sliding_window",
    "final_logit_softcapping": "final_softcap",
    "attn_logit_softcapping": "attention_softcap",
}
# transformers' defaults of Gemma 3; official configs with an image encoder leave them out.
_DEFAULTS_3 = {
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "sliding_window": 4096,
    "query_pre_attn_scalar": 256,
}


def to_config(architecture: Architecture, tokenizer: Tokenizer, dtype: str) -> dict[str, Any]:
    """The `config.json` that transformers, vLLM and CTranslate2 read.

    Args:
        architecture: The architecture.
        tokenizer: Whose tokens begin and end a response.
        dtype: The type of the stored parameters, which these libraries also compute in.

    Raises:
        ConfigError: These libraries have no model of this architecture.
    """
    a = architecture
    kind = "gemma3_text" if a.qk_norm else "gemma2" if a.post_norms else "gemma"
    expressible = (
        a.network is None
        and not a.little_endian
        and a.post_norms == (kind != "gemma")
        and (kind != "gemma" or (set(a.layers) == {"G"} and not (a.final_softcap or a.attention_softcap)))
        and (kind == "gemma3_text" or (a.local_rope_base == a.global_rope_base and a.global_rope_scale == 1))
    )
    if not expressible:
        raise ConfigError("only Gemma 1, 2 and 3 can be written for transformers; this architecture is none of them")
    config: dict[str, Any] = {
        "architectures": [CLASSES[kind]],
        "model_type": kind,
        **{key: getattr(a, field) for key, field in _FIELDS.items()},
        "hidden_act": _ACTIVATION,
        "hidden_activation": _ACTIVATION,
        "rms_norm_eps": 1e-6,
        "attention_bias": False,
        "attention_dropout": 0.0,
        "tie_word_embeddings": True,
        "rope_theta": float(a.global_rope_base),
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": list(tokenizer.stop_ids[:2]),
        "pad_token_id": tokenizer.pad_id,
        "torch_dtype": dtype,
    }
    if kind != "gemma":
        config |= {key: getattr(a, field) for key, field in _FROM_2_ON.items()}
        if "L" not in a.layers:  # no layer has the window, and yet transformers and CTranslate2 ask for a number
            config["sliding_window"] = a.context_length
        names = {letter: name for name, letter in _KINDS.items()}
        config["layer_types"] = [names[letter] for letter in a.layers]
        config["query_pre_attn_scalar"] = a.embed_dim // a.num_heads if a.scale_by_embed else a.head_dim
    if kind == "gemma3_text":
        scaled = {"rope_type": "linear", "factor": a.global_rope_scale}
        config["rope_local_base_freq"] = float(a.local_rope_base)
        config["rope_scaling"] = scaled if a.global_rope_scale != 1 else None
        config["sliding_window_pattern"] = len(a.attention)
    return config


def from_config(config: Mapping[str, Any], chat: bool, origin: str) -> Architecture:
    """The architecture that a `config.json` describes.

    Args:
        config: Its content.
        chat: Whether the model was tuned on turns, which is not in the config.
        origin: Its place, for error messages.

    Raises:
        ConfigError: It is not a Gemma 1, 2 or 3, or has a setting that `gm.nn` does not support.
    """
    if isinstance(config, Mapping) and isinstance(config.get("text_config"), Mapping):
        config = {"model_type": "gemma3_text", **config["text_config"]}
    kind = config.get("model_type") if isinstance(config, Mapping) else None
    if kind not in CLASSES:
        raise ConfigError(f"{origin}: model_type {kind!r}: expected one of {', '.join(CLASSES)}")
    if kind == "gemma3_text":
        config = {**_DEFAULTS_3, **config}
    activation = config.get("hidden_activation") or _ACTIVATION  # in Gemma 1's files `hidden_act` is "gelu"
    refused = {
        "hidden_activation": activation != _ACTIVATION,
        "attention_bias": bool(config.get("attention_bias")),
        "tie_word_embeddings": config.get("tie_word_embeddings") is False,
        "use_bidirectional_attention": bool(config.get("use_bidirectional_attention")),
    }
    if wrong := [key for key, is_refused in refused.items() if is_refused]:
        raise ConfigError(f"{origin}: {wrong[0]} = {config.get(wrong[0])!r}: gm.nn has no such Gemma")
    try:
        settings: dict[str, Any] = {field: int(config[key]) for key, field in _FIELDS.items()}
        if kind != "gemma":
            settings |= {field: config.get(key) for key, field in _FROM_2_ON.items()}
            settings["attention"] = _pattern(config, settings["num_layers"], FAMILIES[_FAMILY[kind]]["attention"])
            if "L" not in settings["attention"]:
                settings["sliding_window"] = None
            settings["scale_by_embed"] = _scale_by_embed(config, settings, origin)
        settings |= _rope(config, kind, origin)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{origin}: a missing or wrong setting: {error!r}") from None
    return Architecture(**{**FAMILIES[_FAMILY[kind]], **settings, "chat": chat})


def _pattern(config: Mapping[str, Any], num_layers: int, usual: str) -> str:
    """The shortest pattern that gives the kinds of all layers when repeated; `usual` where the config has none."""
    if config.get("layer_types"):
        kinds = "".join(_KINDS[name] for name in config["layer_types"])
    elif config.get("sliding_window_pattern"):
        kinds = ("L" * (config["sliding_window_pattern"] - 1) + "G") * num_layers
    else:
        kinds = usual * num_layers
    kinds = kinds[:num_layers]
    if len(kinds) != num_layers or not kinds:
        raise ValueError(f"{len(kinds)} kinds for {num_layers} layers")
    return next(kinds[:n] for n in range(1, num_layers + 1) if (kinds[:n] * num_layers)[:num_layers] == kinds)


def _scale_by_embed(config: Mapping[str, Any], settings: Mapping[str, Any], origin: str) -> bool:
    scalar = config.get("query_pre_attn_scalar", settings["head_dim"])
    if scalar == settings["head_dim"]:
        return False
    if scalar != settings["embed_dim"] // settings["num_heads"]:
        raise ConfigError(f"{origin}: query_pre_attn_scalar = {scalar!r}: gm.nn has no such Gemma")
    return True


def _rope(config: Mapping[str, Any], kind: str, origin: str) -> dict[str, Any]:
    """Frequencies and the scale of global layers, from the keys of transformers 5 or from the older ones."""
    if new := config.get("rope_parameters"):
        everywhere = new if "rope_theta" in new else None
        full, sliding = everywhere or new["full_attention"], everywhere or new["sliding_attention"]
    else:
        large = 1_000_000.0 if kind == "gemma3_text" else 10_000.0
        full = {"rope_theta": config.get("rope_theta", large), **(config.get("rope_scaling") or {})}
        sliding = {"rope_theta": config.get("rope_local_base_freq", 10_000.0)} if kind == "gemma3_text" else full
    types = [part.get("rope_type", part.get("type", "default")) for part in (full, sliding)]
    if not {*types} <= {"default", "linear"} or types[1] == "linear":
        raise ConfigError(f"{origin}: rotary embeddings of type {types}: gm.nn has no such Gemma")
    return {
        "global_rope_base": int(full["rope_theta"]),
        "local_rope_base": int(sliding["rope_theta"]),
        "global_rope_scale": float(full.get("factor", 1.0)) if types[0] == "linear" else 1.0,
    }
