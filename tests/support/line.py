"""A line to a server that can be cut: bytes go through as they are until it is."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_BYTES = 65536
POLL_S = 0.05


class Line:
    """A port of this machine that leads to a server."""

    def __init__(self, upstream: str) -> None:
        parts = urllib.parse.urlsplit(upstream)
        assert parts.hostname
        assert parts.port
        self._upstream = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.is_cut = False
        """Connections end, and new ones are closed at once."""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def close(self) -> None:
        """End all."""
        self._ends.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        pairs: dict[socket.socket, socket.socket] = {}
        while not self._ends.is_set():
            for key, _ in selector.select(POLL_S):
                end = key.fileobj
                assert isinstance(end, socket.socket)
                if end is self._listener:
                    self._take(selector, pairs)
                elif end in pairs and not self._passed_on(end, pairs[end]):
                    self._hang_up(selector, pairs, end)
            if self.is_cut:
                for end in list(pairs):
                    self._hang_up(selector, pairs, end)
        for end in list(pairs):
            self._hang_up(selector, pairs, end)
        selector.close()

    def _take(
        self, selector: selectors.BaseSelector, pairs: dict[socket.socket, socket.socket]
    ) -> None:
        near, _ = self._listener.accept()
        if self.is_cut:
            near.close()
            return
        far = socket.create_connection(self._upstream)
        for one, other in ((near, far), (far, near)):
            pairs[one] = other
            selector.register(one, selectors.EVENT_READ)

    def _passed_on(self, end: socket.socket, other: socket.socket) -> bool:
        try:
            content = end.recv(READ_BYTES)
            other.sendall(content)
        except OSError:
            return False
        return bool(content)

    def _hang_up(
        self,
        selector: selectors.BaseSelector,
        pairs: dict[socket.socket, socket.socket],
        end: socket.socket,
    ) -> None:
        other = pairs.pop(end, None)
        if other is None:
            return
        pairs.pop(other, None)
        for each in (end, other):
            selector.unregister(each)
            each.close()


@contextlib.contextmanager
def line_to(upstream: str) -> Iterator[Line]:
    """A line inside the block."""
    line = Line(upstream)
    line.start()
    try:
        yield line
    finally:
        line.close()
