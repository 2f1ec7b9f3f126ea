"""What self-contained pages are made of: their files, colours of both themes, and policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from logit_amp_chat.core.analysis.palette import LANE_COLOURS

CHROME = {  # dark, light
    "ground": ("#121212", "#ffffff"),
    "raised": ("#1c1c1c", "#f5f5f5"),
    "line": ("#3a3a3a", "#d0d0d0"),
    "text": ("#d0d0d0", "#303030"),
    "muted": ("#949494", "#6c6c6c"),
}


@cache
def file(name: str) -> str:
    """A file that belongs to pages, beside this module."""
    return files("logit_amp_chat.core.export").joinpath(name).read_text(encoding="utf-8")


def policy_hash(text: str) -> str:
    """How a content security policy names a style or a script, whose text this is."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def themes(*, light: Mapping[str, str], dark: Mapping[str, str]) -> str:
    """CSS variables of the light and the dark theme: a page's own with those of all pages."""
    bright, dim = _variables(light, dark=False), _variables(dark, dark=True)
    return "\n".join(
        [
            f":root{{{bright}}}",
            f"@media screen and (prefers-color-scheme:dark){{:root{{{dim}}}}}",
            f"@media screen{{:root:has(#light:checked){{{bright}}}"
            f":root:has(#dark:checked){{{dim}}}}}",
        ]
    )


def _variables(own: Mapping[str, str], *, dark: bool) -> str:
    index = 0 if dark else 1
    pairs = {name: colours[index] for name, colours in (CHROME | LANE_COLOURS).items()} | {**own}
    scheme = "dark" if dark else "light"
    return f"color-scheme:{scheme};" + "".join(f"--{k}:{v};" for k, v in pairs.items())
