"""The analyses of unknown words, remembered for all forks of a process in shared memory.

Analysing a word takes a hundred times as long as looking it up, and every text has new words. A
process that forks workers makes the table before it forks. The worker that analyses a word first
puts it into the table for all. The memory is anonymous: it is counted once, however many workers
use it; it is bounded, and freed with the last of them. No word of a request is written to a file.

No answer depends on the table. An entry depends on the word and the tagger's model alone, is found
only by the whole word, and has a checksum: workers read and write without a lock, and a slot that
two wrote at once counts as empty. What callers can learn about other callers' requests is at most,
from the time an answer takes, that some worker analysed a given word lately; the words cannot be
listed. Workers trust each other, as forks of one process: they run no code of artifacts.
"""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    Candidates = Sequence[tuple[int, float]]

SLOT_BYTES = 128
SLOTS = 1 << 15
"""They take 4 MiB, and hold the words of about a hundred pages of text."""
MOST_CANDIDATES = 8
WAYS = 2
"""How many slots a word may be in, next to each other; the newest word is in the first."""

# checksum, length of the key in bytes, number of candidates; then the key, then the candidates.
_HEAD = struct.Struct("=qBB")
_CHECKED_FROM = 8
_CANDIDATES = [struct.Struct(f"={count}d{count}B") for count in range(MOST_CANDIDATES + 1)]


class SharedAnalyses:
    """A table from word and kind (a small number) to candidates: (tag, log probability).

    Hashes are Python's own, which all forks of a process share.
    """

    def __init__(self, slots: int = SLOTS) -> None:
        """Map memory for `slots`, a power of two; a page takes memory once it is written."""
        self._mask = slots - WAYS
        self._memory = mmap.mmap(-1, slots * SLOT_BYTES)

    def get(self, word: str, kind: int) -> Candidates | None:
        """The candidates of `word`, seen as `kind` (0 to 255); None if they are not remembered."""
        key = bytes((kind,)) + word.encode("utf-8", "surrogatepass")
        place = (hash(key) & self._mask) * SLOT_BYTES
        for offset in (place, place + SLOT_BYTES):
            slot = self._memory[offset : offset + SLOT_BYTES]
            if slot.startswith(key, _HEAD.size):
                found = _unpack(slot, key)
                if found is not None:
                    return found
        return None

    def put(self, word: str, kind: int, candidates: Candidates) -> None:
        """Remember `candidates`, unless they are too many or the word is too long for a slot."""
        key = bytes((kind,)) + word.encode("utf-8", "surrogatepass")
        count = len(candidates)
        if count > MOST_CANDIDATES:
            return
        numbers = [log_prob for _, log_prob in candidates] + [tag for tag, _ in candidates]
        body = bytes((len(key), count)) + key + _CANDIDATES[count].pack(*numbers)
        if _CHECKED_FROM + len(body) > SLOT_BYTES:
            return
        place = (hash(key) & self._mask) * SLOT_BYTES
        older, newer = place + SLOT_BYTES, place
        # The first slot is for the newest word. Its present word moves to the second, whose word is
        # forgotten.
        moved = self._memory[newer : newer + SLOT_BYTES]
        if not moved.startswith(key, _HEAD.size):
            self._memory[older : older + SLOT_BYTES] = moved
        self._memory[newer : newer + _CHECKED_FROM + len(body)] = _checksum(body) + body


def _checksum(body: bytes) -> bytes:
    return hash(body).to_bytes(_CHECKED_FROM, "little", signed=True)


def _unpack(slot: bytes, key: bytes) -> Candidates | None:
    checksum, key_bytes, count = _HEAD.unpack_from(slot)
    if key_bytes != len(key) or count > MOST_CANDIDATES:
        return None
    form = _CANDIDATES[count]
    start = _HEAD.size + key_bytes
    end = start + form.size
    if end > SLOT_BYTES or hash(slot[_CHECKED_FROM:end]) != checksum:
        return None
    numbers = form.unpack_from(slot, start)
    return list(zip(numbers[count:], numbers[:count], strict=True))
