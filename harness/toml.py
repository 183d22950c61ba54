"""TOML as plain data, or one error that says what is wrong.

Takes a text and the name of its place; gives a dict. Refused are, besides what is no TOML: lists and tables within one
another that are deeper than any suite's, and whole numbers that 64 bits do not hold, as TOML 1.0 asks for. Does not
depend on what the keys mean.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from restem.harness.errors import ConfigError

MAX_DEPTH = 50


def read_toml(path: Path) -> dict[str, Any]:
    """The data of a file.

    Raises:
        ConfigError: It cannot be read, or is not TOML.
    """
    try:
        return parse_toml(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not TOML: not UTF-8 at byte {error.start}") from None


def parse_toml(text: str, place: str) -> dict[str, Any]:
    """The data of a text.

    Raises:
        ConfigError: It is not TOML; the message names `place`.
    """
    try:
        return _loaded(text)
    except ValueError as error:
        raise ConfigError(f"{place}: not TOML: {error!s:.200}") from None


def parse_value(text: str, place: str) -> Any:
    """A value as TOML has it; the text itself where it is not TOML.

    Raises:
        ConfigError: It is what is refused in a file too.
    """
    try:
        return _loaded(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None


def _loaded(text: str) -> dict[str, Any]:
    """The data, or a ValueError; a TOMLDecodeError, which is one, says that the text is not TOML."""
    if not text.isascii():
        _check_unicode(text)
    try:
        data = tomllib.loads(text)
        _check(data, MAX_DEPTH)
    except RecursionError:
        raise ValueError(f"expected at most {MAX_DEPTH} lists and tables within one another, found more") from None
    except OverflowError:
        raise ValueError("expected whole numbers of at most 64 bits, found a larger one") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # Python converts no number of more than 4,300 digits
        raise ValueError("expected whole numbers of at most 64 bits, found one of thousands of digits") from None
    return data


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"expected Unicode text, found {text[error.start]!a} at character {error.start}") from None


def _check(value: Any, depth: int) -> None:
    """Raises RecursionError for what is too deep, OverflowError for a whole number that is too large."""
    if isinstance(value, dict | list):
        if not depth:
            raise RecursionError
        for part in value.values() if isinstance(value, dict) else value:
            _check(part, depth - 1)
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise OverflowError
