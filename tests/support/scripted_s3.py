"""An S3 server that says what a test has written down, whatever is asked."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAST_MODIFIED = "Sat, 28 Nov 2026 12:00:00 GMT"


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False
    """Hang up after half of the body."""
    is_stalled: bool = False
    """Say nothing more after half of the body, or nothing at all where there is none."""

    @classmethod
    def error(cls, status: int, code: str) -> Said:
        """An error as S3 has them."""
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>m</Message></Error>'
        return cls(status, {"Content-Type": "application/xml"}, body.encode())

    @classmethod
    def item(cls, content: bytes, etag: str, *, is_cut: bool = False, **headers: str) -> Said:
        """An object."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        facts = {"ETag": f'"{etag}"', "Last-Modified": LAST_MODIFIED}
        return cls(200, facts | named, content, is_cut)


@dataclass
class ScriptedS3:
    """`say` answers a method and a path."""

    url: str = ""
    say: Callable[[str, str], Said] = lambda _method, _path: Said()
    asked: list[str] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)
    """Set when stalled answers end."""


@contextlib.contextmanager
def scripted_s3() -> Iterator[ScriptedS3]:  # noqa: C901 - a handler's class within
    """Start a server on a free port."""
    script = ScriptedS3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            script.asked.append(f"{self.command} {self.path}")
            said = script.say(self.command, self.path)
            if said.is_stalled and (self.command == "HEAD" or not said.body):
                script.ends.wait(30)
            self.send_response(said.status)
            for name, value in {"Content-Length": str(len(said.body)), **said.headers}.items():
                if value:
                    self.send_header(name, value)
            if not said.headers.get("Content-Length", "x"):
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                is_half = said.is_cut or said.is_stalled
                with contextlib.suppress(ConnectionError):  # who has heard enough goes
                    self.wfile.write(said.body[: len(said.body) // 2] if is_half else said.body)
                if said.is_stalled:
                    self.wfile.flush()
                    script.ends.wait(30)
                    self.close_connection = True
            if said.is_cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        script.ends.set()
        server.shutdown()
        thread.join()
        server.server_close()
