"""A whole page: one HTML file that needs no other, around what is told in it."""

from __future__ import annotations

from mme.training.page.style import STYLE
from mme.training.plots.svg import escaped

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever is told, a browser asks nobody for anything."""


def whole(title: str, heading: str, *parts: str) -> str:
    """The page; empty parts are left out."""
    lines = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escaped(title)}</title><style>{STYLE}</style></head><body><main>",
        f"<h1>{escaped(heading)}</h1>",
        *parts,
        "</main></body></html>",
    ]
    return "\n".join(filter(None, lines)) + "\n"
