"""Refusals in the form of OpenAI's API.

Takes what is wrong with a request; gives an exception and the JSON of its reply. Does not depend on routes or models.
"""

from __future__ import annotations

from typing import Any


class BadRequest(Exception):
    """The request cannot be fulfilled.

    Args:
        message: Why.
        param: The field of the body that is at fault.
        status: The HTTP status.
        code: OpenAI's word for the fault, which clients decide by.
    """

    def __init__(self, message: str, param: str | None = None, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.param, self.status, self.code = param, status, code


def unsupported(name: str, value: Any = None) -> BadRequest:
    """The refusal of a parameter, or where one is given, of its value."""
    if value is None:
        return BadRequest(f"{name[:80]!r} is not supported", name[:80], code="unsupported_parameter")
    message = f"{name}={_short(value)} is not supported: it would change the answer"
    return BadRequest(message, name, code="unsupported_value")


def invalid(name: str, expected: str, value: Any) -> BadRequest:
    """The refusal of a value that is none of the parameter's."""
    return BadRequest(f"{name} must be {expected}, found {_short(value)}", name, code="invalid_value")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def error_reply(error: BadRequest) -> dict[str, Any]:
    """The JSON of a refusal."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {"error": {"message": str(error), "type": kind, "param": error.param, "code": error.code}}
