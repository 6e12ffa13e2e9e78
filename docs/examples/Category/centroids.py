"""Texts as directions, and the file `Category-model` that holds those of the categories.

The file is mapped where it lies, in the layout of `models.mapped.folder`, so all workers share its
pages. Nothing it says is believed: kinds and sizes are checked at every load, the numbers when it
is loaded for the first time. How directions are learnt is for `train`.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.errors import ArtifactError, shorten
from models.language.stemming import LANGUAGES, stemmer
from models.language.stop_words import stop_list
from models.mapped.folder import MAGIC, Mapped, mapped, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from models.params import Params

BUCKETS = 4096
FORM = "Category.v1"
MAX_CATEGORIES = 1000
MAX_NAME_CHARS = 200
MAX_WEIGHT = 100
MAX_HEADER_BYTES = 1024 * 1024
_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True, slots=True)
class Centroids:
    """The categories.

    *Shapes*: rarity (BUCKETS,), directions (categories, BUCKETS), each row of length 1.
    """

    categories: tuple[str, ...]
    rarity: NDArray[np.float32]
    directions: NDArray[np.float32]

    def likeness(self, buckets: Mapping[int, int]) -> NDArray[np.float32] | None:
        """The cosine to each category; None for a text without a word of the corpus."""
        if not buckets:
            return None
        places = np.fromiter(buckets, np.intp)
        counts = np.fromiter(buckets.values(), np.float32)
        weights = np.log1p(counts) * self.rarity[places]
        length = float(np.linalg.norm(weights))
        if length == 0:
            return None
        likeness: NDArray[np.float32] = self.directions[:, places] @ (weights / length)
        return likeness


class WordReader:
    """Counts the words of texts by bucket, in time linear in the text."""

    def __init__(self, params: Params) -> None:
        """Raises ArtifactError where the language has no stop words."""
        self.language = params.text("language")
        self.stop_words = stop_list(params, self.language)
        self._stem: Callable[[str], str] = (
            stemmer(self.language) if self.language in LANGUAGES else str.lower
        )

    def buckets(self, text: str) -> Counter[int]:
        """How often each bucket is hit; `crc32` is the same in every process, `hash` is not."""
        words = (word for word in _WORD.findall(text.lower()) if word not in self.stop_words)
        return Counter(zlib.crc32(self._stem(word).encode()) % BUCKETS for word in words)


def write_centroids(path: Path, centroids: Centroids) -> None:
    """Write the file; the same values give the same bytes."""
    arrays: dict[str, NDArray[Any]] = {
        "rarity": centroids.rarity,
        "directions": centroids.directions,
    }
    write(path, Mapped(arrays, {"form": FORM, "categories": centroids.categories}))


def map_centroids(path: Path, scratch: Path | None) -> Centroids:
    """The categories in a file, mapped. Raises ArtifactError."""
    content = _read(path)
    centroids = _shaped(content, path)

    def check() -> Mapped:
        for name, array in content.arrays.items():
            # An admission does this once, in a process of its own; a worker finds it done.
            if not (np.abs(array) <= MAX_WEIGHT).all():  # not a number is not below it either
                raise ArtifactError(path, f"{name} holds numbers beyond {MAX_WEIGHT}")
        return Mapped({"checked": np.zeros(0, np.uint8)}, {})

    mapped(scratch, [path], FORM, check)
    return centroids


def _read(path: Path) -> Mapped:
    try:
        with path.open("rb") as file:
            head = file.read(len(MAGIC) + 8)
        if int.from_bytes(head[len(MAGIC) :], "little") > MAX_HEADER_BYTES:
            raise ArtifactError(path, f"has a header of more than {MAX_HEADER_BYTES} bytes")
        return read(path)
    except FileNotFoundError as error:
        raise ArtifactError(path, "is missing") from error
    except OSError as error:
        raise ArtifactError(path, f"cannot be read: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactError(path, f"is damaged: {shorten(str(error), 100)}") from error


def _shaped(content: Mapped, path: Path) -> Centroids:
    """The categories, if the file holds what it must."""
    arrays, facts = content.arrays, content.facts
    if not isinstance(facts, dict) or facts.get("form") != FORM:
        raise ArtifactError(path, f"is no model in the form {FORM}")
    categories = facts.get("categories")
    if (
        not isinstance(categories, list)
        or not all(isinstance(name, str) and len(name) <= MAX_NAME_CHARS for name in categories)
        or not 1 <= len(set(categories)) == len(categories) <= MAX_CATEGORIES
    ):
        raise ArtifactError(path, f"categories are {shorten(categories)}: no different names")
    wanted = {"rarity": (BUCKETS,), "directions": (len(categories), BUCKETS)}
    for name, shape in wanted.items():
        array = arrays.get(name)
        if array is None or array.dtype != np.dtype("<f4") or array.shape != shape:
            raise ArtifactError(path, f"{name} must be float32 of the shape {shape}")
    return Centroids(tuple(categories), arrays["rarity"], arrays["directions"])
