"""The tag report: whether a taxonomy covers tags that are in use elsewhere.

A tag is covered by a tag of its name, by a term of its name, or by being like a term, above the
threshold. The report names the taxonomy's tags that are most like it, covered or not. It is written
at training.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.bodies import to_csv
from models.DocSim.answers import as_number
from models.DocSim.taxonomy import Taxonomy, Term, exact_words
from models.errors import CorpusError, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from models.DocSim.taxonomy_report import Space

NAME = "DocSim-tag-report"
LIKEST = 5
MAX_BYTES = 16 * 1024 * 1024
HEADERS = frozenset({"tag", "tags", "name"})
"""What the first cell of a table's header may be; it is no tag."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How a taxonomy covers one tag."""

    tag: str
    covered_by: str | None
    """`tag`, `term`, `similar` or None."""
    likest: tuple[tuple[Term, float], ...]
    """The tags that are most like it, best first, each by its best term."""


def coverage(taxonomy: Taxonomy, tags: Sequence[str], space: Space) -> list[Coverage]:
    """How the taxonomy covers each of `tags`."""
    names = [Term(category, tag, tag) for category, tag in taxonomy.tags]
    known = [*taxonomy.terms, *names]
    by_name = {_key(term.text): "term" for term in taxonomy.terms}
    by_name |= {_key(term.text): "tag" for term in names}
    theirs = space.of([term.text for term in known])
    found: list[Coverage] = []
    for tag, unit in zip(tags, space.of(tags), strict=True):
        scores = theirs @ unit
        is_like = bool((scores[: len(taxonomy.terms)] > taxonomy.threshold).any())
        covered_by = by_name.get(_key(tag), "similar" if is_like else None)
        found.append(Coverage(tag, covered_by, _likest(known, scores)))
    return found


def _likest(known: Sequence[Term], scores: NDArray[np.float32]) -> tuple[tuple[Term, float], ...]:
    found: dict[tuple[str, str], tuple[Term, float]] = {}
    for row in np.argsort(-scores, kind="stable").tolist():
        if len(found) == LIKEST or scores[row] <= 0:
            break
        term = known[row]
        found.setdefault((term.category, term.tag), (term, as_number(scores[row])))
    return tuple(found.values())


def _key(name: str) -> str:
    return " ".join(exact_words(name)) or name


def read_tags(path: Path) -> list[str]:
    """The tags in a file: a JSON list, or the first cell of each line. Raises CorpusError."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
        tags = _tags_in(raw.decode("utf-8-sig"))
    except OSError as error:
        raise CorpusError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError, csv.Error) as error:
        raise CorpusError(path, f"is no list of tags: {error}") from error
    if len(raw) > MAX_BYTES:
        raise CorpusError(path, f"is larger than {MAX_BYTES} bytes")
    for tag in tags:
        if not isinstance(tag, str):
            raise CorpusError(path, f"holds {shorten(tag, 60)}, which is no tag")
    found = list(dict.fromkeys(str(tag).strip() for tag in tags if str(tag).strip()))
    if not found:
        raise CorpusError(path, "has no tags")
    return found


def _tags_in(text: str) -> list[object]:
    if text.lstrip().startswith("["):
        tags: list[object] = json.loads(text)
        return tags
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    cells: list[object] = [row[0] for row in rows if row]
    is_headed = bool(cells) and str(cells[0]).strip().lower() in HEADERS
    return cells[1:] if is_headed else cells


def report_files(found: Sequence[Coverage]) -> dict[str, str]:
    """File name -> content: the report as JSON and as a table, a row for each similar tag."""
    rows: list[tuple[object, ...]] = [
        ("tag", "covered by", "likest category", "likest tag", "term", "similarity")
    ]
    for each in found:
        name = (each.tag, each.covered_by or "")
        likest = [(term.category, term.tag, term.text, score) for term, score in each.likest]
        rows += [(*name, *cells) for cells in likest] or [(*name, "", "", "", "")]
    covered = sum(each.covered_by is not None for each in found)
    value = {
        "covered": covered,
        "not_covered": len(found) - covered,
        "tags": [
            {
                "tag": each.tag,
                "is_covered": each.covered_by is not None,
                "covered_by": each.covered_by,
                "most_similar": [
                    {
                        "category": term.category,
                        "tag": term.tag,
                        "term": term.text,
                        "similarity": score,
                    }
                    for term, score in each.likest
                ],
            }
            for each in found
        ],
    }
    return {
        f"{NAME}.json": json.dumps(value, ensure_ascii=False, indent=2) + "\n",
        f"{NAME}.csv": to_csv(rows),
    }
