"""Regular expressions over tags, such as `<ADJ>*<NOUN|PROPN>+`, without backtracking.

A rule comes with an artifact, and a rule of a few characters can make `re` run practically for
ever. This module follows all ways to match side by side (Thompson 1968), with priorities, so that
it finds the match that `re` would find. It remembers which ways follow a set of ways by a tag, so
most steps are look-ups.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Compile = Callable[[int], int]
    """Adds instructions that lead on to the given one; returns the first of them."""

MAX_INSTRUCTIONS = 1000
MAX_REPETITIONS_IN_TAG = 8
"""Bounds the time that `re` takes to match one tag, which is short."""
MAX_REMEMBERED = 5000
END = 0
_PIECES = re.compile(r"<([^<>]+)>|(\(\?:|\()|(\))|(\|)|([*+?]|\{\d+(?:,\d*)?\}|\{,\d+\})(\??)")
_TOO_LARGE = f"is longer than {MAX_INSTRUCTIONS} tags when its repetitions are written out"


class PatternError(ValueError):
    """A rule that cannot be read; the message completes "the rule ..."."""


class TooManySteps(Exception):
    """Matching took more steps than it was given."""


@dataclass(slots=True)
class Budget:
    """How many steps matching may still make."""

    steps: int

    def spend(self, steps: int) -> None:
        """Take `steps`; TooManySteps where there are not that many left."""
        self.steps -= steps
        if self.steps < 0:
            raise TooManySteps


@dataclass(slots=True)
class _Set:
    """Instructions that wait for a tag, the preferred first, and whether the tags so far match."""

    waiting: tuple[int, ...]
    matches: bool
    following: dict[str, _Set] = field(default_factory=dict)


class TagPattern:
    """One rule, compiled."""

    def __init__(self, rule: str) -> None:
        self._program = _Program()
        self._first = _Parser(rule, self._program).parse()(END)
        self._sets: dict[tuple[tuple[int, ...], bool], _Set] = {}
        self._start = self._set_of([self._first])

    @property
    def matches_nothing(self) -> bool:
        """Whether an empty run of tags is a match."""
        return self._start.matches

    def spans(
        self, tags: Sequence[str], start: int, end: int, budget: Budget
    ) -> list[tuple[int, int]]:
        """Where the rule matches in tags[start:end]: leftmost first, none empty or overlapping."""
        found = []
        here = start
        while here < end:
            stop = self._match(tags, here, end, budget)
            if stop > here:
                found.append((here, stop))
            here = max(stop, here + 1)
        return found

    def _match(self, tags: Sequence[str], start: int, end: int, budget: Budget) -> int:
        """The end of the preferred match from `start` on; `start` where there is none."""
        found, place, ways = start, start, self._start
        while place < end and ways.waiting:
            tag = tags[place]
            ways = ways.following.get(tag) or self._follow(ways, tag, budget)
            place += 1
            if ways.matches:
                found = place
        budget.spend(place - start)
        return found

    def _follow(self, ways: _Set, tag: str, budget: Budget) -> _Set:
        budget.spend(len(ways.waiting))
        program = self._program
        reached = [program.following[way][0] for way in ways.waiting if program.accepts(way, tag)]
        if len(self._sets) > MAX_REMEMBERED:
            self._sets.clear()
            self._start = self._set_of([self._first])
        ways.following[tag] = following = self._set_of(reached)
        return following

    def _set_of(self, reached: Iterable[int]) -> _Set:
        """The instructions reached from others without a tag, up to the first that matches."""
        program, seen, waiting = self._program, set[int](), list[int]()
        matches = False
        left = list(reached)[::-1]
        while left:
            instruction = left.pop()
            if instruction == END:
                matches = True  # less preferred ways no longer matter
                break
            if instruction not in seen:
                seen.add(instruction)
                if program.tags[instruction] is None:
                    left.extend(reversed(program.following[instruction]))
                else:
                    waiting.append(instruction)
        key = tuple(waiting), matches
        return self._sets.setdefault(key, _Set(*key))


class _Program:
    """Instructions: wait for a tag and go on, or go on several ways, the preferred first."""

    def __init__(self) -> None:
        self.tags: list[re.Pattern[str] | None] = [None]
        self.following: list[tuple[int, ...]] = [()]
        self._copies = 0

    def add(self, tag: re.Pattern[str] | None, following: tuple[int, ...]) -> int:
        if len(self.tags) > MAX_INSTRUCTIONS:
            raise PatternError(_TOO_LARGE)
        self.tags.append(tag)
        self.following.append(following)
        return len(self.tags) - 1

    def copy(self, part: Compile, on: int) -> int:
        """Add the instructions of one more repetition."""
        self._copies += 1
        if self._copies > MAX_INSTRUCTIONS:  # of nothing, too, for brackets may be empty
            raise PatternError(_TOO_LARGE)
        return part(on)

    def accepts(self, instruction: int, tag: str) -> bool:
        pattern = self.tags[instruction]
        return pattern is not None and pattern.fullmatch(tag) is not None


class _Parser:
    """Parses a rule without spaces into functions that compile it."""

    def __init__(self, rule: str, program: _Program) -> None:
        self._program = program
        self._pieces: list[tuple[str, ...]] = []
        place = 0
        while place < len(rule):
            piece = _PIECES.match(rule, place)
            if piece is None:
                raise PatternError(f"cannot be read from {rule[place : place + 20]!r} on")
            self._pieces.append(tuple(part or "" for part in piece.groups()))
            place = piece.end()
        self._next = 0

    def parse(self) -> Compile:
        compiled = self._alternatives()
        if self._next < len(self._pieces):
            raise PatternError("has a closing bracket too many")
        return compiled

    def _alternatives(self) -> Compile:
        choices = [self._sequence()]
        while self._peek(3):
            self._next += 1
            choices.append(self._sequence())
        if len(choices) == 1:
            return choices[0]
        return lambda on: self._program.add(None, tuple(choice(on) for choice in choices))

    def _sequence(self) -> Compile:
        parts: list[Compile] = []
        while self._next < len(self._pieces) and not self._peek(2) and not self._peek(3):
            parts.append(self._repeated())

        def compiled(on: int) -> int:
            for part in reversed(parts):
                on = part(on)
            return on

        return compiled

    def _repeated(self) -> Compile:
        part = self._part()
        if not self._peek(4):
            return part
        operator, lazy = self._pieces[self._next][4:]
        self._next += 1
        if self._peek(4):
            raise PatternError("has two repetitions of one thing")
        least, most = _bounds(operator)
        if most is not None and most < least:
            raise PatternError(f"has a repetition {operator} that cannot be")
        program = self._program

        def either(way: int, on: int) -> tuple[int, int]:
            return (on, way) if lazy else (way, on)

        def compiled(on: int) -> int:
            here = on
            if most is None:
                here = program.add(None, ())
                program.following[here] = either(part(here), on)
            else:
                for _ in range(most - least):
                    here = program.add(None, either(program.copy(part, here), on))
            for _ in range(least):
                here = program.copy(part, here)
            return here

        return compiled

    def _part(self) -> Compile:
        tag, opening, *_ = self._pieces[self._next]
        self._next += 1
        if tag:
            if sum(map(tag.count, "*+?")) > MAX_REPETITIONS_IN_TAG:
                raise PatternError(f"has more than {MAX_REPETITIONS_IN_TAG} of *, + and ? in a tag")
            try:
                pattern = re.compile(tag.replace(".", "[^<>]"))
            except re.error as error:
                raise PatternError(f"has a tag {tag!r} that cannot be read: {error}") from error
            return lambda on: self._program.add(pattern, (on,))
        if not opening:
            raise PatternError("has a repetition of nothing")
        inside = self._alternatives()
        if not self._peek(2):
            raise PatternError("has a bracket that is not closed")
        self._next += 1
        return inside

    def _peek(self, kind: int) -> bool:
        return self._next < len(self._pieces) and bool(self._pieces[self._next][kind])


def _bounds(operator: str) -> tuple[int, int | None]:
    """The least and the most repetitions of an operator; None: any number."""
    if operator in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[operator]
    least, comma, most = operator[1:-1].partition(",")
    if not comma:
        return int(least), int(least)
    return int(least or 0), int(most) if most else None
