"""The elements of SVG that plots are made of. Everything that is written into them is escaped."""

from __future__ import annotations

import html
import unicodedata
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDTH = 360
"""All plots are as wide, in SVG's units: about what a phone has in pixels."""
LETTER_PX = 6.6
"""How wide a letter is, at most on average; one of Chinese is twice as wide."""
_ROUNDING_PX = 1e-6
_UNSEEN = {"Cc", "Cf", "Cs", "Co"}


def clean(text: str) -> str:
    """`text` without what HTML cannot hold, or would turn around what stands beside it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in _UNSEEN else letter
        for letter in text.replace("\n", " ").replace("\t", " ")
    )


def escaped(text: str) -> str:
    """`text` as it may stand in an element or in an attribute."""
    return html.escape(clean(text))


def fitted(text: str, width_px: float) -> str:
    """As much of `text` as fits into this width, with dots in place of the rest."""
    left = width_px
    for place, letter in enumerate(text):
        left -= LETTER_PX * (2 if unicodedata.east_asian_width(letter) in "WF" else 1)
        if left < -_ROUNDING_PX:
            return text[: max(place - 1, 0)].rstrip() + "…"
    return text


def element(name: str, content: str = "", /, **attributes: object) -> str:
    """An element; an attribute's trailing underscore is dropped, others become dashes."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def label(x: float, y: float, text: str, kind: str = "label", anchor: str = "start") -> str:
    """A line of text; `anchor` is start, middle or end."""
    return element("text", escaped(text), x=x, y=y, class_=kind, text_anchor=anchor)


def drawing(title: str, description: str, height: float, parts: Iterable[str]) -> str:
    """A whole picture, named and described for those who do not see it."""
    name = f"plot-{zlib.crc32(f'{title}{description}'.encode('utf-8', 'replace')):08x}"
    named = [
        element("title", escaped(title) or "plot", id=f"{name}-title"),
        element("desc", escaped(description) or "plot", id=f"{name}-text"),
    ]
    return element(
        "svg", "".join([*named, *parts]),
        class_="plot", viewBox=f"0 0 {WIDTH} {height:g}", role="img",
        aria_labelledby=f"{name}-title", aria_describedby=f"{name}-text",
    )  # fmt: skip


def legend(names: Sequence[str], y: float) -> list[str]:
    """What each kind of mark stands for; the first is solid, the second dashed, and so on."""
    parts, x = [], 0.0
    room = WIDTH / max(len(names), 1)
    for number, name in enumerate(names):
        mark = element("line", x1=x, x2=x + 18, y1=y - 4, y2=y - 4, class_=f"line kind-{number}")
        parts += [mark, label(x + 24, y, fitted(name, room - 30))]
        x += room
    return parts


def _attribute(value: object) -> str:
    return (
        f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escaped(str(value))
    )
