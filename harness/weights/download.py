"""Downloads of official Gemma weights through kagglehub.

Takes a known model; gives the folder that it was downloaded to. Does not depend on checkpoint formats. kagglehub takes
seconds to import, so only what downloads imports this module.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

import kagglehub
import requests
from kagglehub.config import get_kaggle_credentials
from kagglehub.exceptions import BackendError, DataCorruptionError, KaggleApiHTTPError

from restem.harness.errors import ConfigError, RestemError
from restem.harness.weights.registry import KnownModel


def check_credentials() -> None:
    """Checks that there are credentials: Kaggle gives Gemma only to accounts that have accepted its licence.

    Raises:
        ConfigError: There are none; the message says which to set.
    """
    try:
        credentials = get_kaggle_credentials()
    except ValueError as error:
        raise ConfigError(f"{error}") from None
    if credentials is None:
        raise ConfigError(
            "no Kaggle credentials: set KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY, or put kaggle.json into "
            "~/.kaggle; a token comes from https://www.kaggle.com/settings/api"
        )


def download(model: KnownModel) -> Path:
    """Downloads a model into kagglehub's cache, resuming an interrupted download; gives its folder.

    Raises:
        ConfigError: These credentials do not give access to it.
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
        raise RestemError(f"Kaggle: {model.handle}: {error}; the same command resumes the download") from None
