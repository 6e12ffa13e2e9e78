"""A running endpoint, asked over HTTP: JSON, bytes, and streams that go on after a break.

Says of each failure which it was: nobody there, or an answer that refuses. What exit code that is,
and what is printed, is up to the commands.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import ssl
import time
import urllib.parse
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from mme.cli import tables
from mme.cli.frames import frames_in
from mme.core.json_text import json_object
from mme.core.unix_http import UnixConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mme.cli.frames import Frame

_T = TypeVar("_T")
DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", "8080"
ENDPOINT, TOKEN, PORT = "MME_ENDPOINT", "MME_TOKEN", "MME_PORT"
UNIX = "unix"
TIMEOUT_S = 60.0
STREAM_TIMEOUT_S = 45.0
"""Three beats of the endpoint (a comment every 15 s) that did not come."""
RECONNECT_S = (0.25, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0)
"""Pauses between attempts to go on with a stream: half a minute, the time of a restart."""
JSON = "application/json"
EVENT_STREAM = "text/event-stream"
SHOWN_CHARS = 500
LINE_ENDS = re.compile(r"\s*\n\s*")
UNAUTHORIZED = 401


class BadAddress(ValueError):
    """What was named is no address of an endpoint, or no token."""


class EndpointUnreachable(Exception):
    """Nobody answers at the address, or not to the end; the message says where and why."""


class Refused(Exception):
    """The endpoint answered with a status above 299."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class NoSuchModel(Refused):
    """There is no model of that name, here or in the store."""


class NotOurs(Refused):
    """What answers is none of our endpoints, or one of a kind that has no such calls."""


class Told(dict[str, Any]):
    """An object of an answer; one that is of no endpoint of ours lacks what is looked for in it."""

    def __missing__(self, key: str) -> NoReturn:
        """Raise NotOurs."""
        raise NotOurs(http.client.OK, f"what answers is none of our endpoints: it has no {key!r}")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether the status says that it was done."""
        return http.client.OK <= self.status < http.client.MULTIPLE_CHOICES


def endpoint_url(named: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """What is named, else MME_ENDPOINT, else where an endpoint of these settings is here.

    Raises BadAddress.
    """
    address = named or environ.get(ENDPOINT)
    if not address:
        return _of_settings(environ)
    try:
        parts = urllib.parse.urlsplit(address)
        is_usable = bool(parts.hostname and parts.port != 0)
    except ValueError:
        parts, is_usable = urllib.parse.urlsplit(""), False
    if parts.scheme == UNIX and parts.path and not parts.netloc:
        return address
    if parts.scheme not in ("http", "https") or not is_usable or not address.isprintable():
        raise BadAddress(
            f"the endpoint is {address!r}: write http://HOST:PORT, https://HOST:PORT or unix:///PATH"
        )
    return address.rstrip("/")


def _of_settings(environ: Mapping[str, str]) -> str:
    """Management's own port answers all; without one, the socket or the port of invocations."""
    port = environ.get("MME_MANAGEMENT_PORT")
    path = environ.get("MME_SOCKET")
    if path and not port:
        return f"{UNIX}://{Path(path).absolute()}"
    scheme = "https" if environ.get("MME_TLS_CERT") else "http"
    return f"{scheme}://{DEFAULT_HOST}:{port or environ.get(PORT) or DEFAULT_PORT}"


class Endpoint:
    """An endpoint at `url`; each request has a connection of its own.

    A token that cannot be one raises BadAddress. All that ask raise EndpointUnreachable; those that
    return JSON also Refused.
    """

    def __init__(self, url: str, token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = url
        self._parts = urllib.parse.urlsplit(url)
        if not (token.isascii() and token.isprintable()):
            raise BadAddress(f"the token has signs that none has (--token or {TOKEN})")
        self._token = token
        self._timeout_s = timeout_s

    def get(self, path: str, **query: object) -> Any:
        """The JSON object at a path; of a query, what is None or "" is left out."""
        return self._json("GET", path, query)

    def post(self, path: str, content: object = None, **query: object) -> Any:
        """Post `content` as JSON."""
        return self._json("POST", path, query, content)

    def put(self, path: str, content: object = None, **query: object) -> Any:
        """Put `content` as JSON, or nothing."""
        return self._json("PUT", path, query, content)

    def delete(self, path: str, **query: object) -> Any:
        """Delete what is at a path."""
        return self._json("DELETE", path, query)

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Whatever the endpoint answers."""
        with self._answer(method, path, headers or {}, body, self._timeout_s) as answer:
            named = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, named, self._translated(answer.read))

    def stream(
        self, path: str, *, on_break: Callable[[str], None] | None = None, **query: object
    ) -> Iterator[Frame]:
        """Frames of server-sent events, without end.

        A stream that breaks is asked for again from the last id on, for half a minute; `on_break`
        is told why it broke. Raises EndpointUnreachable after that, Refused.
        """
        last_id, attempt, has_begun = "", 0, False
        while True:
            try:
                with self._opened(_with(path, query), last_id) as answer:
                    has_begun = True
                    for frame in frames_in(iter(lambda: self._translated(answer.readline), b"")):
                        attempt = 0
                        last_id = frame.id or last_id
                        yield frame
                broken = EndpointUnreachable(f"{self.url} ended the stream")
            except EndpointUnreachable as error:
                broken = error
            # One that never began is not waited for: nobody is there.
            if not has_begun or attempt == len(RECONNECT_S):
                raise broken
            if not attempt and on_break is not None:
                on_break(str(broken))
            time.sleep(RECONNECT_S[attempt])
            attempt += 1

    def _opened(self, path: str, last_id: str) -> http.client.HTTPResponse:
        headers = {"Accept": EVENT_STREAM} | ({"Last-Event-ID": last_id} if last_id else {})
        answer = self._answer("GET", path, headers, None, STREAM_TIMEOUT_S)
        if answer.status == http.client.OK:
            return answer
        with answer:
            raise refusal_of(Reply(answer.status, {}, self._translated(answer.read)))

    def _json(
        self, method: str, path: str, query: Mapping[str, object], content: object = None
    ) -> Any:
        headers = {"Accept": JSON}
        body = None
        if content is not None:
            headers["Content-Type"] = JSON
            body = json.dumps(content, ensure_ascii=False).encode()
        reply = self.ask(method, _with(path, query), headers, body)
        if not reply.is_good:
            raise refusal_of(reply)
        try:
            found = told_by(reply.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, Told):
            raise NotOurs(reply.status, f"{self.url} answers {path} with no JSON object")
        return found

    def _answer(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
    ) -> http.client.HTTPResponse:
        """The head of an answer; closing it closes the connection."""
        sent = {"Connection": "close", **headers}
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        prefix = "" if self._parts.scheme == UNIX else self._parts.path

        def asked() -> http.client.HTTPResponse:
            connection = self._connection(timeout_s)
            try:
                connection.request(method, prefix + path, body=body, headers=sent)
                return connection.getresponse()
            except BaseException:
                connection.close()
                raise

        return self._translated(asked)

    def _connection(self, timeout_s: float) -> http.client.HTTPConnection:
        if self._parts.scheme == UNIX:
            return UnixConnection(self._parts.path, timeout_s)
        host, port = str(self._parts.hostname), self._parts.port
        if self._parts.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    def _translated(self, do: Callable[[], _T]) -> _T:
        try:
            return do()
        except TimeoutError:
            raise EndpointUnreachable(f"{self.url} does not answer in time") from None
        except ssl.SSLCertVerificationError as error:
            raise EndpointUnreachable(
                f"the certificate of {self.url} is not trusted ({error.verify_message}):"
                " SSL_CERT_FILE names a file of authorities that are"
            ) from error
        except OSError as error:
            reason = error.strerror or str(error) or type(error).__name__
            raise EndpointUnreachable(f"cannot reach {self.url}: {reason}") from error
        except http.client.HTTPException as error:
            raise EndpointUnreachable(
                f"{self.url} does not speak HTTP, or not to the end ({type(error).__name__})"
            ) from error


def model_path(target: str, what: str = "") -> str:
    """The path of a model, or of something of it (`why`, `pin`)."""
    return f"/models/{urllib.parse.quote(target, safe='/')}" + (f"/{what}" if what else "")


def told_by(text: str | bytes) -> Any:
    """JSON of an endpoint. Raises ValueError, RecursionError."""
    return json.loads(text, object_hook=Told)


def _with(path: str, query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urllib.parse.urlencode(given)}" if given else path


def refusal_of(reply: Reply) -> Refused:
    """What an answer says: the message of its JSON in one of the surfaces' forms, else its text."""
    message = _message_in(json_object(reply.body) or {})
    text = message if isinstance(message, str) else reply.body.decode("utf-8", "replace").strip()
    if reply.status == UNAUTHORIZED:
        text = f"{text or 'the endpoint wants a token'} (--token or {TOKEN})"
    line = tables.plain(LINE_ENDS.sub(" ", text[:SHOWN_CHARS].strip()))
    return Refused(reply.status, line or f"the endpoint answers {reply.status}")


def _message_in(content: Mapping[str, Any]) -> object:
    """The message, a model's own where it is the model that refuses."""
    original = content.get("OriginalMessage")
    if isinstance(original, str):
        status, said = content.get("OriginalStatusCode"), json_object(original) or {}
        text = said.get("message", original)
        if isinstance(status, int) and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            # Of what code raises the message alone may say nothing: a KeyError's is the key.
            text = ": ".join(str(part) for part in (said.get("type"), text) if part)
        return f"the model answers {status}: {text}"
    return content.get("message") or content.get("Message")
