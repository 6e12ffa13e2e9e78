"""An endpoint of canned answers over real HTTP, at a port or a Unix socket; it keeps what came."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass
class Canned:
    """One answer."""

    content: Any = None
    """JSON, or bytes as they are."""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Came:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class FakeEndpoint:
    """`answers`: (method, path without its query) -> answers in turn, the last one for good."""

    url: str
    answers: dict[tuple[str, str], list[Canned]]
    came: list[Came] = field(default_factory=list)

    def next_answer(self, method: str, path: str) -> Canned:
        waiting = self.answers.get((method, path.partition("?")[0]))
        if not waiting:
            return Canned({"Message": f"There is nothing at {path}"}, 404)
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]


class _UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def fake_endpoint(
    answers: Mapping[tuple[str, str], Canned | list[Canned]], socket: Path | None = None
) -> Iterator[FakeEndpoint]:
    """Serve until the end."""
    canned = {key: each if isinstance(each, list) else [each] for key, each in answers.items()}
    made = FakeEndpoint("", canned)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def address_string(self) -> str:
            return "somebody"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            made.came.append(Came(self.command, self.path, dict(self.headers), body))
            answer = made.next_answer(self.command, self.path)
            sent = answer.content
            if not isinstance(sent, bytes):
                sent = json.dumps(sent).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - http.server's

    server: socketserver.BaseServer
    if socket is None:
        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
    else:
        server = _UnixServer(str(socket), Handler)
        made.url = f"unix://{socket}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
