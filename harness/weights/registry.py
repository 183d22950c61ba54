"""The policies known by name: the embedded tiny ones and the Gemma text models that `gm.nn` can express.

Takes a name; gives an architecture, where official weights come from, under which licence, and where they lie once
downloaded. Knows nothing of checkpoint formats (gemma_weights.py) or of suites.

Sources: the configs of google-deepmind/gemma:gemma/gm/nn/_gemma.py at 4.0.1, and for Gemma 1, which that version no
longer has, google-deepmind/gemma:gemma/transformer.py at 2.0.0. The numbers of parameters are the text part's.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kagglehub
import requests
from kagglehub.config import get_cache_folder, get_kaggle_credentials
from kagglehub.exceptions import BackendError, DataCorruptionError, KaggleApiHTTPError

from restem.harness.errors import ConfigError, RestemError
from restem.harness.model.architecture import ASSETS, EMBEDDED, Architecture, load_architecture

GEMMA_TERMS = "Gemma Terms of Use, https://ai.google.dev/gemma/terms"
APACHE = "Apache 2.0"
BYTES = 2  # a parameter's, in the bfloat16 of official checkpoints

# What all sizes of a family share. `gm.nn` stores the gates of some sizes transposed; see `Architecture`.
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
_LARGE_3 = {"context_length": 131_072, "sliding_window": 1024, "global_rope_scale": 8.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class KnownModel:
    """A Gemma text model: what it is and where its weights come from.

    Attributes:
        handle: Kaggle's name for it, without a version: the newest is taken.
        parameters: Of the text part.
    """

    name: str
    architecture: Architecture
    parameters: int
    handle: str
    licence: str = GEMMA_TERMS

    @property
    def folder(self) -> Path | None:
        """Where kagglehub has put its newest complete version, if it is on disk."""
        place = Path(get_cache_folder()) / "models" / self.handle
        versions = [int(mark.stem) for mark in place.glob("*.complete") if mark.stem.isdigit()]
        found = [place / str(version) for version in sorted(versions) if (place / str(version)).is_dir()]
        return found[-1] if found else None


def parameter_count(architecture: Architecture) -> int:
    """The number of parameters, from the shapes alone.

    Raises:
        ValueError: The network's shapes are not told by the architecture's fields.
    """
    if architecture.network is not None:
        raise ValueError(f"{architecture.network}: counted in the table, not from its fields")
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
        little_endian=False,
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


def _whole(network: str, embed_dim: int, hidden_dim: int, num_layers: int, heads: tuple[int, int], context: int):
    return Architecture(
        vocab_size=262_144,
        embed_dim=embed_dim,
        hidden_dim=hidden_dim,
        num_layers=num_layers,
        num_heads=heads[0],
        head_dim=256,
        num_kv_heads=heads[1],
        context_length=context,
        little_endian=False,
        network=network,
    )


# Their parameters, counted from `param_shapes`: the fields of their architecture only inform.
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


def _known() -> Iterator[KnownModel]:
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


KNOWN = {model.name: model for model in _known()}


def table() -> list[dict[str, Any]]:
    """One row a known policy: name, parameters, bytes of a download, licence, source, and its folder where on disk."""
    embedded = [
        {
            "name": name,
            "parameters": parameter_count(load_architecture(ASSETS / folder)),
            "bytes": sum(file.stat().st_size for file in (ASSETS / folder).rglob("*") if file.is_file()),
            "licence": APACHE,
            "source": "embedded",
            "folder": str(ASSETS / folder),
        }
        for name, folder in EMBEDDED.items()
    ]
    return embedded + [
        {
            "name": model.name,
            "parameters": model.parameters,
            "bytes": BYTES * model.parameters,
            "licence": model.licence,
            "source": f"kaggle.com/models/{model.handle}",
            "folder": str(model.folder) if model.folder else None,
        }
        for model in KNOWN.values()
    ]


def text(rows: list[dict[str, Any]]) -> str:
    """The table for a screen."""
    lines = [f"{'policy':18}{'parameters':>11}{'size':>10}  {'on disk':9}{'licence':15}source"]
    for row in rows:
        licence = row["licence"].partition(" Terms")[0].partition(",")[0]
        lines.append(
            f"{row['name']:18}{count_text(row['parameters']):>11}{size_text(row['bytes']):>10}  "
            f"{'yes' if row['folder'] else 'no':9}{licence:15}{row['source']}"
        )
    return "\n".join(lines)


def count_text(count: int) -> str:
    """A number of parameters as people say it: 270M, 2.5B."""
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
        close = difflib.get_close_matches(name, KNOWN, 1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        raise ConfigError(f"no model {name!r}{hint} `restem models` lists them")
    return KNOWN[name]


def check_credentials() -> None:
    """Kaggle knows who asks: it gives Gemma only to those who have accepted its licence.

    Raises:
        ConfigError: No credentials; the message says which to set.
    """
    try:
        found = get_kaggle_credentials()
    except ValueError as error:
        raise ConfigError(f"{error}") from None
    if found is None:
        raise ConfigError(
            "no Kaggle credentials: set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into "
            "~/.kaggle; a token comes from https://www.kaggle.com/settings/api"
        )


def download(model: KnownModel) -> Path:
    """Fetches a model into kagglehub's cache, on from where an earlier download stopped; gives its folder.

    Raises:
        ConfigError: Kaggle does not give it to these credentials.
        RestemError: Kaggle cannot be reached, or failed.
    """
    page = f"https://www.kaggle.com/models/{model.handle}"
    try:
        return Path(kagglehub.model_download(model.handle))
    except KaggleApiHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise ConfigError(f"Kaggle refuses {model.handle}: accept its licence at {page} (HTTP {status})") from None
        raise RestemError(f"Kaggle: {model.handle}: HTTP {status}") from None
    except (requests.RequestException, BackendError, DataCorruptionError) as error:
        raise RestemError(f"Kaggle: {model.handle}: {error}; the same command goes on where this one stopped") from None
