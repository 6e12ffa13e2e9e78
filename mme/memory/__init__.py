"""How much memory and how many tasks there are, and which models leave when either is short."""

from mme.memory.amount import Amount
from mme.memory.book import MemoryBook
from mme.memory.policy import POLICIES, Candidate, decayed
from mme.memory.processes import anonymous_bytes, own_bytes
from mme.memory.readings import MemoryReader, Reading, TaskReader
from mme.memory.watermarks import Decision, Watermarks

__all__ = [
    "POLICIES",
    "Amount",
    "Candidate",
    "Decision",
    "MemoryBook",
    "MemoryReader",
    "Reading",
    "TaskReader",
    "Watermarks",
    "anonymous_bytes",
    "decayed",
    "own_bytes",
]
