"""What a benchmark found, as rows of a table, and where that is written, with machine facts."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mme.mms import find_java

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- {name}: written by make bench -->", "<!-- end of {name} -->"


class NotPossible(RuntimeError):
    """What is to be measured is not there; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One measure. `met` is None where nothing was aimed at."""

    measure: str
    stock: str
    ours: str
    aim: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, column by column."""
        verdict = {None: "", True: "yes", False: "**no**"}[self.met]
        return self.measure, self.stock, self.ours, self.aim, verdict


HEADER = ("measure", "stock", "ours", "aim", "met")


def markdown(rows: Iterable[Row], others: str = "stock") -> str:
    """The rows as a table; `others` is who we are compared with."""
    header = [others if cell == "stock" else cell for cell in HEADER]
    lines: list[Sequence[str]] = [header, ["---"] * len(header)]
    lines += [row.cells for row in rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def machine_facts() -> list[str]:
    """What the numbers depend on."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory_kib = int(Path("/proc/meminfo").read_text().split()[1])
    packages = ("multi-model-server", "spacy", "gensim", "numpy", "aiohttp")
    java = find_java(None)
    return [
        f"{os.cpu_count()} x {cpu}, {memory_kib >> 20} GiB, Linux {platform.release()}",
        f"Python {platform.python_version()}, Java {java.major}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        f"measured {datetime.now(UTC):%Y-%m-%d}",
    ]


def write_section(name: str, text: str) -> None:
    """Put `text` where README.md has a place for the section `name`."""
    begin, end = BEGIN.format(name=name), END.format(name=name)
    before, _, rest = README.read_text(encoding="utf-8").partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"{README} has no place for {name}: wanted {begin} … {end}")
    README.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
