"""A small proxy in front of an S3 server that misbehaves on command."""

from __future__ import annotations

import contextlib
import http.client
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSED_BACK = ("content-type", "content-length", "content-range", "etag", "last-modified")
SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@dataclass
class Faults:
    """What the proxy does to the bodies of GET answers from now on."""

    fail: bool = False
    """Answer 503 SlowDown."""
    cut: bool = False
    """Send half of the body and hang up."""
    held: threading.Event = field(default_factory=threading.Event)
    """While cleared, half of a body is sent and the rest waits."""
    downloads: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Released once for each object asked for."""

    def __post_init__(self) -> None:
        self.held.set()


@contextlib.contextmanager
def faulty_proxy(  # noqa: C901 - a handler's class within
    upstream: str,
) -> Iterator[tuple[str, Faults]]:
    """Pass requests on to `upstream`; gives the proxy's address and its faults."""
    faults, host = Faults(), urllib.parse.urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_) -> None:
            pass

        def do_HEAD(self) -> None:
            self.pass_on()

        def do_GET(self) -> None:
            self.pass_on()

        def pass_on(self) -> None:
            if faults.fail:
                self.answer(503, {"content-type": "application/xml"}, SLOW_DOWN)
                return
            connection = http.client.HTTPConnection(host, timeout=30)
            try:
                connection.request(self.command, self.path, headers=dict(self.headers))
                answer = connection.getresponse()
                self.answer(answer.status, dict(answer.getheaders()), answer.read())
            finally:
                connection.close()

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            given = {name.lower(): value for name, value in headers.items()}
            given.setdefault("content-length", str(len(body)))
            for name, value in given.items():
                if name in PASSED_BACK or name.startswith("x-amz"):
                    self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            half = len(body) // 2
            self.wfile.write(body[:half])
            self.wfile.flush()
            faults.downloads.release()
            if faults.cut:
                self.close_connection = True
                return
            faults.held.wait()
            with contextlib.suppress(OSError):
                self.wfile.write(body[half:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", faults
    finally:
        faults.held.set()
        server.shutdown()
        thread.join()
        server.server_close()
