"""A figure as a report holds it: bytes with a title and a caption.

Does not depend on Matplotlib, so that pages without figures need not import it.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure as files and for the page in both themes."""

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes
    png: bytes
