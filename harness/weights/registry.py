"""The policies known by name: the embedded tiny ones and the Gemma text models that `gm.nn` can express.

Takes a name; gives an architecture, where official weights come from, under which licence, and where they are once
downloaded. Loads neither JAX nor kagglehub, and does not depend on checkpoint formats (kaggle.py) or suites.

Sources: the configs of google-deepmind/gemma:gemma/gm/nn/_gemma.py at 4.0.1, and for Gemma 1, which that version no
longer has, google-deepmind/gemma:gemma/transformer.py at 2.0.0. The numbers of parameters are the text part's.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypedDict

from restem.benchmarks.hints import did_you_mean
from restem.harness.errors import ConfigError
from restem.harness.model.architecture import ASSETS, EMBEDDED, Architecture, load_architecture

GEMMA_TERMS = "Gemma Terms of Use, https://ai.google.dev/gemma/terms"
APACHE = "Apache 2.0"
BYTES = 2  # of a parameter in official checkpoints, which are in bfloat16

# The settings that all sizes of a family share. `gm.nn` stores the gates of some sizes transposed; see `Architecture`.
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma": {"qk_norm": False, "context_length": 8192},
    "gemma2": {
        "qk_norm": False,
        "context_length": 8192,
        "attention": "LG",
        "sliding_window": 4096,
        "post_norms": True,
        "final_softcap": 30.0,
        "attention_softcap": 50.0,
    },
    "gemma3": {
        "context_length": 32_768,
        "attention": "LLLLLG",
        "sliding_window": 512,
        "post_norms": True,
        "transposed_gating": True,
        "global_rope_base": 1_000_000,
    },
}
# Of Hugging Face's configs that we read; the last one has an image encoder, whose text part is loaded.
MODEL_TYPES = ("gemma", "gemma2", "gemma3_text", "gemma3")
_LARGE_3 = {"context_length": 131_072, "sliding_window": 1024, "global_rope_scale": 8.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A Gemma text model: its architecture and where its weights come from.

    Attributes:
        parameters: Their number in the text part.
        handle: Kaggle's name for it, without a version: the newest one is downloaded.
    """

    name: str
    architecture: Architecture
    parameters: int
    handle: str
    licence: str = GEMMA_TERMS

    @property
    def folder(self) -> Path | None:
        """The folder of the newest version that kagglehub has downloaded completely, or None."""
        versions_folder = _kagglehub_cache() / "models" / self.handle
        numbers = [int(file.stem) for file in versions_folder.glob("*.complete") if file.stem.isdigit()]
        folders = [versions_folder / str(number) for number in sorted(numbers)]
        return next((folder for folder in reversed(folders) if folder.is_dir()), None)


def _kagglehub_cache() -> Path:
    """kagglehub's cache folder, without its import of seconds (Kaggle/kagglehub:src/kagglehub/config.py)."""
    return Path(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")


def parameter_count(architecture: Architecture) -> int:
    """The number of parameters, from the shapes alone.

    Raises:
        ValueError: The network is a class of `gm.nn`, whose shapes the fields do not determine.
    """
    if architecture.network is not None:
        raise ValueError(f"{architecture.network}: its parameters are listed in _WHOLE, not computed")
    a = architecture
    attention = a.embed_dim * a.head_dim * (2 * a.num_heads + 2 * a.num_kv_heads) + 2 * a.head_dim * a.qk_norm
    norms = a.embed_dim * (4 if a.post_norms else 2)
    layer = attention + 3 * a.embed_dim * a.hidden_dim + norms
    return a.vocab_size * a.embed_dim + a.num_layers * layer + a.embed_dim


def _shape(
    family: str, embed_dim: int, hidden_dim: int, num_layers: int, heads: tuple[int, int], **changes: Any
) -> Architecture:
    settings = {"head_dim": 256, **FAMILIES[family], **changes}
    vocab_size = 262_144 if family == "gemma3" else 256_128
    return Architecture(
        vocab_size=vocab_size,
        embed_dim=embed_dim,
        hidden_dim=hidden_dim,
        num_layers=num_layers,
        num_heads=heads[0],
        num_kv_heads=heads[1],
        **settings,
    )


_TRANSPOSED = {"transposed_gating": True}
_27B = {"head_dim": 128, "scale_by_embed": True}
_GEMMA_2B = _shape("gemma", 2048, 16_384, 18, (8, 1))
_GEMMA_7B = _shape("gemma", 3072, 24_576, 28, (16, 16))
_SHAPES = {
    ("gemma-2b", "google/gemma/flax/2b"): _GEMMA_2B,
    ("gemma-7b", "google/gemma/flax/7b"): _GEMMA_7B,
    ("gemma-1.1-2b", "google/gemma/flax/1.1-2b"): _GEMMA_2B,
    ("gemma-1.1-7b", "google/gemma/flax/1.1-7b"): _GEMMA_7B,
    ("gemma2-2b", "google/gemma-2/flax/gemma2-2b"): _shape("gemma2", 2304, 9216, 26, (8, 4)),
    ("gemma2-9b", "google/gemma-2/flax/gemma2-9b"): _shape("gemma2", 3584, 14_336, 42, (16, 8), **_TRANSPOSED),
    ("gemma2-27b", "google/gemma-2/flax/gemma2-27b"): _shape(
        "gemma2", 4608, 36_864, 46, (32, 16), **_TRANSPOSED, **_27B
    ),
    ("gemma3-270m", "google/gemma-3/flax/gemma-3-270m"): _shape("gemma3", 640, 2048, 18, (4, 1)),
    ("gemma3-1b", "google/gemma-3/flax/gemma3-1b"): _shape("gemma3", 1152, 6912, 26, (4, 1)),
    ("gemma3-4b", "google/gemma-3/flax/gemma3-4b"): _shape("gemma3", 2560, 10_240, 34, (8, 4), **_LARGE_3),
    ("gemma3-12b", "google/gemma-3/flax/gemma3-12b"): _shape("gemma3", 3840, 15_360, 48, (16, 8), **_LARGE_3),
    ("gemma3-27b", "google/gemma-3/flax/gemma3-27b"): _shape("gemma3", 5376, 21_504, 62, (32, 16), **_LARGE_3, **_27B),
}
ONLY_TUNED = ("gemma-1.1-2b", "gemma-1.1-7b")  # version 1.1 came without base models


def _whole(
    network: str, embed_dim: int, hidden_dim: int, num_layers: int, heads: tuple[int, int], context: int
) -> Architecture:
    return Architecture(
        vocab_size=262_144,
        embed_dim=embed_dim,
        hidden_dim=hidden_dim,
        num_layers=num_layers,
        num_heads=heads[0],
        head_dim=256,
        num_kv_heads=heads[1],
        context_length=context,
        network=network,
    )


# Classes of `gm.nn` with their numbers of parameters, counted from `param_shapes`. Most of the other fields
# of their architectures are for information only.
_WHOLE = {
    ("gemma3n-e2b", "google/gemma-3n/flax/gemma3n-e2b", GEMMA_TERMS, 4_434_658_400): _whole(
        "Gemma3n_E2B", 2048, 8192, 30, (8, 2), 32_768
    ),
    ("gemma3n-e4b", "google/gemma-3n/flax/gemma3n-e4b", GEMMA_TERMS, 6_834_711_280): _whole(
        "Gemma3n_E4B", 2048, 16_384, 35, (8, 2), 32_768
    ),
    ("gemma4-e2b", "google/gemma-4/flax/gemma-4-e2b", APACHE, 4_647_449_891): _whole(
        "Gemma4_E2B", 1536, 6144, 35, (8, 1), 131_072
    ),
    ("gemma4-e4b", "google/gemma-4/flax/gemma-4-e4b", APACHE, 7_518_069_034): _whole(
        "Gemma4_E4B", 2560, 10_240, 42, (8, 2), 131_072
    ),
    ("gemma4-31b", "google/gemma-4/flax/gemma-4-31b", APACHE, 30_697_345_340): _whole(
        "Gemma4_31B", 5376, 21_504, 60, (32, 16), 262_144
    ),
    ("gemma4-26b-a4b", "google/gemma-4/flax/gemma-4-26b-a4b", APACHE, 25_233_141_790): _whole(
        "Gemma4_26B_A4B", 2816, 2112, 30, (16, 8), 262_144
    ),
}


def _known_models() -> Iterator[KnownModel]:
    plain = {(*names, GEMMA_TERMS, parameter_count(shape)): shape for names, shape in _SHAPES.items()}
    for (name, handle, licence, count), tuned in (plain | _WHOLE).items():
        base = dataclasses.replace(tuned, chat=False)
        for suffix, architecture in (("", base), ("-it", tuned)):
            if suffix or name not in ONLY_TUNED:
                yield KnownModel(
                    name=name + suffix,
                    architecture=architecture,
                    parameters=count,
                    handle=handle + suffix,
                    licence=licence,
                )


KNOWN = {model.name: model for model in _known_models()}


class Listed(TypedDict):
    """A line of `restem models`; `folder` is None where the weights are not on disk, `bytes` those of a download."""

    name: str
    parameters: int
    bytes: int
    licence: str
    source: str
    folder: str | None


def table() -> list[Listed]:
    """All known policies."""
    return [_listed_asset(name, ASSETS / folder) for name, folder in EMBEDDED.items()] + [
        Listed(
            name=model.name,
            parameters=model.parameters,
            bytes=BYTES * model.parameters,
            licence=model.licence,
            source=f"kaggle.com/models/{model.handle}",
            folder=str(model.folder) if model.folder else None,
        )
        for model in KNOWN.values()
    ]


def _listed_asset(name: str, folder: Path) -> Listed:
    return Listed(
        name=name,
        parameters=parameter_count(load_architecture(folder)),
        bytes=sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        licence=APACHE,
        source="embedded",
        folder=str(folder),
    )


def text(lines: Sequence[Listed]) -> str:
    """The table for a screen."""
    shown = [f"{'policy':18}{'parameters':>11}{'size':>10}  {'on disk':9}{'licence':15}source"]
    for line in lines:
        licence = line["licence"].partition(" Terms")[0].partition(",")[0]
        shown.append(
            f"{line['name']:18}{count_text(line['parameters']):>11}{size_text(line['bytes']):>10}  "
            f"{'yes' if line['folder'] else 'no':9}{licence:15}{line['source']}"
        )
    return "\n".join(shown)


def count_text(count: int) -> str:
    """A number of parameters in millions or billions: 270.0M, 2.5B."""
    return f"{count / 1e9:.1f}B" if count >= 1e9 else f"{count / 1e6:.1f}M"


def size_text(size: int) -> str:
    """A size in decimal units, as hubs show it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def known_model(name: str) -> KnownModel:
    """The model of that name.

    Raises:
        ConfigError: There is none, or it is embedded and needs no download.
    """
    if name in EMBEDDED:
        raise ConfigError(f"{name} comes with the package; there is nothing to download")
    if name not in KNOWN:
        raise ConfigError(f"no model {name!r}{did_you_mean(name, KNOWN)}; `restem models` lists them")
    return KNOWN[name]
