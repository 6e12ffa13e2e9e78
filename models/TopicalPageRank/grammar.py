"""Candidate phrases: a grammar over part-of-speech tags, such as `NP: {<ADJ>*<NOUN|PROPN>+}`.

The notation is that of NLTK's RegexpParser, of which one label with one or more `{...}` rules is
understood: tags in angle brackets (inside them `|`, `.`, `*`, `+`, `?` and character classes as in
regular expressions), and outside them groups and `|`, `*`, `+`, `?`, `{n,m}`. A rule takes the
leftmost, greediest runs of a sentence; a later rule takes from what the earlier ones left.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from models.errors import shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_GRAMMAR_CHARS = 1000
_LABEL = re.compile(r"\s*([A-Z]\w*)\s*:", re.ASCII)
_RULE = re.compile(r"\{((?:[^{}]|\{\d*,?\d*\})+)\}")
_TAG = re.compile(r"<([^<>]+)>")
_OPERATORS = re.compile(r"(?:[()|*+?]|\{\d+(?:,\d*)?\}|\{,\d+\}|\(\?:)*")
_INSIDE = re.compile(r"[\w|.*+?\[\]^$-]+")


class GrammarError(ValueError):
    """A grammar this module cannot read."""


class Grammar:
    """A compiled grammar; immutable."""

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_GRAMMAR_CHARS:
            raise GrammarError(f"is longer than {MAX_GRAMMAR_CHARS} characters")
        label = _LABEL.match(text)
        if not label:
            raise GrammarError(f"{shorten(text)} does not begin with a label such as NP:")
        body = "\n".join(line.partition("#")[0] for line in text[label.end() :].splitlines())
        rest = _RULE.sub(" ", body).strip()
        if rest:
            raise GrammarError(f"{shorten(text)} holds {shorten(rest)}: only {{...}} rules work")
        self._rules = [_compile(rule) for rule in _RULE.findall(body)]
        if not self._rules:
            raise GrammarError(f"{shorten(text)} has no rule in braces")

    def spans(self, tags: Sequence[str]) -> list[tuple[int, int]]:
        """The phrases of a sentence with these tags: half-open ranges of token positions."""
        starts, written = [], 0
        for tag in tags:
            starts.append(written)
            written += len(tag) + 2
        starts.append(written)
        line = "".join(f"<{tag}>" for tag in tags)
        found: list[tuple[int, int]] = []
        for rule in self._rules:
            found += _matches(rule, line, found)
        return sorted((bisect_left(starts, a), bisect_left(starts, b)) for a, b in found)


def _matches(
    rule: re.Pattern[str], line: str, taken: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Where a rule matches in the parts of `line` that are not taken yet."""
    gaps, position = [], 0
    for start, end in sorted(taken):
        gaps.append((position, start))
        position = end
    gaps.append((position, len(line)))
    return [
        match.span()
        for start, end in gaps
        for match in rule.finditer(line, start, end)
        if match.start() < match.end()
    ]


def _compile(rule: str) -> re.Pattern[str]:
    """One rule's inside as a regular expression over `<TAG><TAG>...`."""
    compact = "".join(rule.split())
    pieces = _TAG.split(compact)  # between tags, tag, between tags, tag, ...
    for between in pieces[::2]:
        if not _OPERATORS.fullmatch(between):
            raise GrammarError(f"has {shorten(between)} outside a tag in {shorten(rule)}")
    for tag in pieces[1::2]:
        if not _INSIDE.fullmatch(tag):
            raise GrammarError(f"has an unreadable tag {shorten(tag)} in {shorten(rule)}")
    pattern = _TAG.sub(lambda tag: f"(?:<(?:{tag[1].replace('.', '[^<>]')})>)", compact)
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise GrammarError(
            f"has a rule {shorten(rule)} that cannot be compiled: {error}"
        ) from error
    if compiled.fullmatch(""):
        raise GrammarError(f"has a rule {shorten(rule)} that matches nothing at all")
    return compiled
