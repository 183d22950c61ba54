"""The shape of a policy's network, and where the embedded policies are stored.

Takes the fields of an architecture or a policy folder; gives an `Architecture`. JAX and gemma are imported only when
the network itself is built, so that lists of policies and checks of settings stay quick.
"""

from __future__ import annotations

import dataclasses
import math
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from restem.harness.errors import ConfigError

if TYPE_CHECKING:
    from restem.harness.model.gemma import nn

ASSETS = Path(__file__).parents[1] / "assets"
EMBEDDED = {"tiny": "tiny", "tiny-judge": "judge"}  # name -> folder in ASSETS
SETTINGS_FILE = "policy.json"
_STRICT = {"strict": True, "extra": "forbid"}  # how pydantic reads the classes below from SETTINGS_FILE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """The shape of a text-only Gemma network: the fields in which the configs of `gm.nn` differ, from tiny to 27B.

    Attributes:
        context_length: Limit on prompt and response tokens together; `gm.nn` has no limit of its own.
        little_endian: See `Tokenizer`.
        attention: The layers' kinds, `L` for a sliding window and `G` for global, repeated over all layers.
        post_norms: Whether the outputs of attention and feed-forward are normalised too, as from Gemma 2 on.
        scale_by_embed: Queries are scaled by 1/sqrt(embed_dim / num_heads), not by 1/sqrt(head_dim): the 27B models.
        transposed_gating: Whether `gm.nn` stores the gates' matrix transposed; the function is the same.
        chat: Whether the model was tuned on turns; a base model is shown examples instead (`Tokenizer.few_shot`).
        network: A class of `gm.nn` that is used as it is: Gemma 3n and 4, whose layers have no fields here.
    """

    __pydantic_config__: ClassVar = _STRICT

    vocab_size: int
    embed_dim: int = 128
    hidden_dim: int = 512
    num_layers: int = 4
    num_heads: int = 4
    head_dim: int = 32
    num_kv_heads: int = 1
    context_length: int = 256
    little_endian: bool = False
    attention: str = "G"
    sliding_window: int | None = None
    post_norms: bool = False
    qk_norm: bool = True
    final_softcap: float | None = None
    attention_softcap: float | None = None
    scale_by_embed: bool = False
    transposed_gating: bool = False
    local_rope_base: int = 10_000
    global_rope_base: int = 10_000
    global_rope_scale: float = 1.0
    chat: bool = True
    network: str | None = None

    @property
    def layers(self) -> str:
        """The kind of every layer, `L` or `G`."""
        return (self.attention * self.num_layers)[: self.num_layers]

    def model(self) -> nn.Transformer:
        """The `gm.nn.Transformer` of this shape, in float32: bfloat16 would lose small updates of the M-step."""
        import jax.numpy as jnp

        from restem.harness.model.gemma import config as gemma_config
        from restem.harness.model.gemma import nn

        if self.network is not None:
            if self.network not in dir(nn):
                raise ConfigError(f"architecture.network {self.network!r}: the installed gemma has no such network")
            return getattr(nn, self.network)(text_only=True, dtype=jnp.float32)
        kinds = {"L": nn.AttentionType.LOCAL_SLIDING, "G": nn.AttentionType.GLOBAL}
        scale = gemma_config.QueryPreAttentionNormalisation
        return nn.Transformer(
            config=gemma_config.TransformerConfig(
                num_embed=self.vocab_size,
                embed_dim=self.embed_dim,
                hidden_dim=self.hidden_dim,
                num_heads=self.num_heads,
                head_dim=self.head_dim,
                num_kv_heads=self.num_kv_heads,
                final_logit_softcap=self.final_softcap,
                use_post_attn_norm=self.post_norms,
                use_post_ffw_norm=self.post_norms,
                use_qk_norm=self.qk_norm,
                attention_types=tuple(kinds[kind] for kind in self.layers),
                query_pre_attn_norm=scale.BY_ONE_OVER_SQRT_EMBED_DIM_DIV_NUM_HEADS
                if self.scale_by_embed
                else scale.BY_ONE_OVER_SQRT_HEAD_DIM,
                attn_logits_soft_cap=self.attention_softcap,
                sliding_window_size=self.sliding_window,
                transpose_gating_einsum=self.transposed_gating,
                local_base_frequency=self.local_rope_base,
                global_base_frequency=self.global_rope_base,
                global_scale_factor=self.global_rope_scale,
            ),
            dtype=jnp.float32,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What `policy.json` of a policy folder holds; a folder of an earlier version has no `policy_sha256`."""

    __pydantic_config__: ClassVar = _STRICT

    architecture: Architecture
    params_sha256: str
    policy_sha256: str | None = None
    few_shot: str | None = None
    instruction: str | None = None


def read_settings(folder: Path) -> Settings:
    """The settings of a policy folder.

    Raises:
        ConfigError: The folder is not a policy folder, or its `policy.json` is damaged.
    """
    import pydantic  # takes 0.2 s

    path = folder / SETTINGS_FILE
    try:
        settings = pydantic.TypeAdapter(Settings).validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{folder}: not a policy folder: {SETTINGS_FILE}: {error}") from None
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"]).encode("unicode_escape").decode()
        raise ConfigError(f"{path}: {place}{first['msg']}, found {reprlib.repr(first['input'])}") from None
    _check(settings.architecture, f"{path}: architecture")
    return settings


def _check(architecture: Architecture, place: str) -> None:
    """Checks that the numbers are those of a network.

    Raises:
        ConfigError: Naming a field that is not.
    """
    a = architecture
    for name, value in dataclasses.asdict(a).items():
        if isinstance(value, int | float) and not isinstance(value, bool) and not 0 < value < math.inf:
            raise ConfigError(f"{place}: {name}: expected a number above 0, found {value!r}")
    if not a.attention or set(a.attention) - {"L", "G"}:
        raise ConfigError(f"{place}: attention: expected the letters L and G, found {reprlib.repr(a.attention)}")
    if "L" in a.layers and a.sliding_window is None:
        raise ConfigError(f"{place}: sliding_window: expected a number, as attention has an L, found none")
    if a.num_heads % a.num_kv_heads:
        raise ConfigError(
            f"{place}: num_kv_heads: expected a divisor of num_heads, {a.num_heads}, found {a.num_kv_heads}"
        )


def load_architecture(folder: Path) -> Architecture:
    """The architecture of a policy folder, without its parameters.

    Raises:
        ConfigError: The folder is not a policy folder.
    """
    return read_settings(folder).architecture
