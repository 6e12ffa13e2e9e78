"""A bound on the memory of this process while it reads what may be hostile.

A file of a few bytes can ask for gigabytes. Within `memory_bound` such an allocation fails, and
nothing has been touched. How much a file may take is for the caller to say; that a process which
reads artifacts has bounds on the whole is for whoever runs it.
"""

from __future__ import annotations

import contextlib
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class TooMuchMemory(Exception):
    """More memory was asked for than the bound allows."""


@contextlib.contextmanager
def memory_bound(more_bytes: int) -> Iterator[None]:
    """Let this process have `more_bytes` more than it has; TooMuchMemory for what asks for more.

    A closer bound that is there already stays, and is a MemoryError as ever. The bound is on the
    address space of the whole process, so it is for processes that do one thing at a time.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = _address_space_bytes() + more_bytes
    if resource.RLIM_INFINITY != soft <= most:
        yield
        return
    failed: MemoryError | None = None
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    try:
        yield
    except MemoryError as error:
        failed = error  # there is no memory for another error yet
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    if failed is not None:
        raise TooMuchMemory from failed


def _address_space_bytes() -> int:
    with open("/proc/self/statm", "rb") as sizes:  # noqa: PTH123 - a Path costs more than the rest
        return int(sizes.read().split()[0]) * resource.getpagesize()
