"""From texts to the numbers of their tokens, by a file of Hugging Face's `tokenizers`.

What the file says of cutting and padding is not used: the parameters say how long a text may be,
and texts are padded to the longest of their batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from models.Embedding.params import TOKENIZER_FILE
from models.errors import ArtifactError
from models.onnx import running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MOST_BYTES = 64 * 1024 * 1024
PADS = ("[PAD]", "<pad>", "<|endoftext|>")
UNREADABLE, FAILED = "cannot be read", "fails at a text"


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one text."""

    ids: NDArray[np.int64]
    was_cut: bool


@dataclass(frozen=True, slots=True)
class Padded:
    """Texts of a batch. *Shapes*: (texts, longest)."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    """1 where there is a token."""


class Tokenizer:
    """The tokenizer of an artifact. Raises ArtifactError. Not for several threads."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        try:
            size_bytes = path.stat().st_size
            if size_bytes > MOST_BYTES:
                raise ArtifactError(path, f"has {size_bytes} bytes; at most {MOST_BYTES} are read")
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise ArtifactError(path, "is missing") from error
        library = running.library("tokenizers")
        with running.translated(UNREADABLE, path.name):
            self._tokenizer: Any = library.Tokenizer.from_buffer(data)
            self._pad = self._pad_id()
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(max_tokens)
            self.size = int(self._tokenizer.get_vocab_size())

    def read(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text."""
        with running.translated(FAILED, TOKENIZER_FILE):
            # Not as a batch: that may start threads.
            encodings = map(self._tokenizer.encode, texts)
            return [
                Tokens(np.array(each.ids, np.int64), was_cut=bool(each.overflowing))
                for each in encodings
            ]

    def padded(self, tokens: Sequence[Tokens]) -> Padded:
        """A batch of them. One without any token gets one that does not count."""
        longest = max(1, *(len(each.ids) for each in tokens))
        ids = np.full((len(tokens), longest), self._pad, np.int64)
        mask = np.zeros((len(tokens), longest), np.int64)
        for row, each in enumerate(tokens):
            ids[row, : len(each.ids)] = each.ids
            mask[row, : len(each.ids)] = 1
        return Padded(ids, mask)

    def _pad_id(self) -> int:
        """The token that fills up: what the file says, or the usual ones, or the first."""
        padding = self._tokenizer.padding
        if padding:
            return int(padding["pad_id"])
        found = (self._tokenizer.token_to_id(name) for name in PADS)
        return next((number for number in found if number is not None), 0)
