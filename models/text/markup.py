"""Markup: tags, comments and entities of HTML and XML in a text that may hold none at all.

`a < b`, `x<3`, `AT&T` and `<Name>` are text: a tag is only what HTML knows as one, what has
attributes with values, or what the text itself closes. An entity ends in a semicolon. Nothing here
makes untrusted HTML safe to show; it finds the words.
"""

from __future__ import annotations

import html
import re
from html.entities import html5

MAX_ATTRIBUTES = 50
"""A tag has at most so many; the bound keeps hostile input linear."""

_INLINE = frozenset(
    ("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
     "font", "i", "ins", "kbd", "label", "mark", "nobr", "q", "rb", "ruby", "s", "samp", "small",
     "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr")
)  # fmt: skip
"""Elements that stand inside words and lines: their tags vanish."""
_CELLS = frozenset(
    ("audio", "button", "canvas", "embed", "iframe", "img", "input", "map", "math", "meter",
     "object", "option", "picture", "progress", "select", "source", "svg", "td", "th", "track",
     "video")
)  # fmt: skip
"""Elements that part words, but not lines."""
_BLOCKS = frozenset(
    ("address", "article", "aside", "base", "blockquote", "body", "br", "caption", "center", "col",
     "colgroup", "dd", "details", "dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption",
     "figure", "footer", "form", "frame", "frameset", "h1", "h2", "h3", "h4", "h5", "h6", "head",
     "header", "hgroup", "hr", "html", "legend", "li", "link", "main", "menu", "meta", "nav",
     "noframes", "noscript", "ol", "optgroup", "p", "param", "pre", "script", "section", "style",
     "summary", "table", "tbody", "template", "textarea", "tfoot", "thead", "title", "tr", "ul")
)  # fmt: skip
_KNOWN = _INLINE | _CELLS | _BLOCKS
_BARE_ATTRIBUTES = (
    "allowfullscreen|async|autofocus|autoplay|checked|compact|controls|default|defer|disabled|"
    "hidden|ismap|itemscope|loop|multiple|muted|nomodule|noshade|novalidate|nowrap|open|"
    "playsinline|readonly|required|reversed|selected"
)
# The bounds and the plus signs behind the repetitions, which forbid going back, keep this linear:
# a value in quotes ends at the next quote of its kind, and each tag that is begun brings one.
_VALUE = r"""(?:"[^"]*+"|'[^']*+'|[^\s"'<>=`]++)"""
_ATTRIBUTE = rf"""[\s/]++(?:[^\s"'<>/=]++\s*+=\s*+{_VALUE}|(?i:{_BARE_ATTRIBUTES})(?=[\s/>]))"""
_NAME = r"[A-Za-z][A-Za-z0-9:_.-]{0,60}+"
_TAG = re.compile(
    rf"<(?:(?P<name>{_NAME})(?P<attributes>(?:{_ATTRIBUTE}){{0,{MAX_ATTRIBUTES}}}+)"
    rf"\s*+(?P<empty>/?)>|/(?P<closed>{_NAME})\s*+>|[!?][A-Za-z][^<>]*+>|!\[CDATA\[|!--)"
    r"|(?P<section>\]\]>)"
)
_CLOSING = re.compile(rf"</({_NAME})\s*+>")
_HIDDEN = re.compile(r"<(?:!--|(script|style)(?=[\s/>])[^<>]*+>)", re.IGNORECASE)
_ENDS = {
    "": re.compile("-->"),
    "script": re.compile(r"</script\s*+>", re.IGNORECASE),
    "style": re.compile(r"</style\s*+>", re.IGNORECASE),
}
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")


def without_markup(text: str) -> str:
    """The text without tags and comments, its entities decoded once.

    Block elements and cells leave a line end or a space, so that words stay apart; what stands in
    `script` and `style` is gone. The same object where there is no markup.
    """
    found = _without_tags(_without_hidden(text)) if "<" in text else text
    if "&" in found:
        found = _ENTITY.sub(_character, found)
    return text if found == text else found


def _without_hidden(text: str) -> str:
    """The text without comments, scripts and styles. What is not closed hides nothing."""
    kept: list[str] = []
    place = start = 0
    unclosed: set[str] = set()
    while found := _HIDDEN.search(text, start):
        name = (found[1] or "").lower()
        # The rest is searched once for an end that is not there.
        end = None if name in unclosed else _ENDS[name].search(text, found.end())
        if end is None:
            unclosed.add(name)
            start = found.end()
            continue
        kept += text[place : found.start()], "\n" if name else ""
        place = start = end.end()
    return "".join([*kept, text[place:]]) if kept else text


def _without_tags(text: str) -> str:
    has_sections = "<![CDATA[" in text
    closed: set[str] | None = None

    def stand_in(found: re.Match[str]) -> str:
        nonlocal closed
        name = found["name"] or found["closed"]
        if name is None:
            return found[0] if found["section"] and not has_sections else ""
        name = name.lower()
        if name in _INLINE:
            return ""
        if name in _KNOWN:
            return " " if name in _CELLS else "\n"
        if found["name"] and not found["attributes"] and not found["empty"]:
            if closed is None:
                closed = {each.lower() for each in _CLOSING.findall(text)}
            if name not in closed:
                return found[0]
        return " "

    return _TAG.sub(stand_in, text)


def _character(found: re.Match[str]) -> str:
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity
