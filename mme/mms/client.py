"""HTTP to the model server: start a worker, end it, ask it, each with a deadline of our own.

Over its Unix socket. Every status of the model server is translated here into a fact: what was
wanted is done, or one of the errors below. Contract: MMS 1.1.11 management and inference API.

MmsError
├── ServerGone       no answer: the model server ended, or hangs
├── StartFailed      it has no such worker now
│   └── NameTaken    a worker of that name is there, or half there
├── Unseen           no worker saw the request
└── WorkerDied       the worker ended while it computed the answer
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from mme.core.through_mms import answer_of, request_headers

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from mme.core.door import Answer, Question

OK, NOT_FOUND, CONFLICT, INTERNAL, UNAVAILABLE, NO_ROOM = 200, 404, 409, 500, 503, 507
FIRST_ERROR = 400
PAGE_LENGTH = 100
BASE = "http://localhost"
"""What the Host header says; the connection is the socket's."""


class MmsError(Exception):
    """A call that did not bring what was wanted; the message is the model server's, or ours."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ServerGone(MmsError):
    """There was no answer."""


class StartFailed(MmsError):
    """The worker did not start; `is_for_room` if the model found too little memory."""

    def __init__(self, message: str, *, is_for_room: bool = False) -> None:
        super().__init__(message)
        self.is_for_room = is_for_room


class NameTaken(StartFailed):
    """The name is registered."""


class Unseen(MmsError):
    """The request reached no worker, so it may be sent again."""


class WorkerDied(MmsError):
    """The worker ended while it had the request."""


class MmsClient:
    """Keep-alive client of one model server. Safe for many tasks of one event loop."""

    def __init__(self, server_socket: Path, handler: str = "") -> None:
        """`handler` is `FILE:FUNCTION`, for all workers whatever their folders hold."""
        self._handler = handler
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(server_socket), limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None),
            # The model must see what the caller sent, nothing that we made up.
            skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def ping(self, timeout_s: float) -> bool:
        """Whether the model server answers now; it says 200 in every state of its models.

        A connection of its own: a kept one may lie on a network thread that is busy loading.
        """
        try:
            async with self._session.get(
                f"{BASE}/ping",
                headers={"Connection": "close"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                return answer.status == OK
        # RuntimeError: the session was closed meanwhile.
        except (aiohttp.ClientError, TimeoutError, OSError, RuntimeError):
            return False

    async def start_worker(self, name: str, folder: str, *, timeout_s: float) -> None:
        """Start a worker `name` for what is in `folder`; returns when it is ready.

        Raises ServerGone, StartFailed.
        """
        body: dict[str, object] = {
            "model_name": name,
            "url": folder,
            "initial_workers": 1,
            "synchronous": True,
        }
        if self._handler:
            # Else a MAR-INF/MANIFEST.json in the folder chooses them.
            body |= {"handler": self._handler, "runtime": "python"}
        status, content = await self._manage("POST", "/models", timeout_s, body)
        # 210 is "partial success": fewer workers than asked.
        if status == CONFLICT:
            raise NameTaken(_message(content))
        if status != OK:
            raise StartFailed(_message(content), is_for_room=status == NO_ROOM)

    async def end_worker(self, name: str, *, timeout_s: float) -> None:
        """End a worker; returns when the model server says so, also if there was none.

        Raises MmsError.
        """
        status, content = await self._manage("DELETE", f"/models/{name}", timeout_s)
        if status not in (OK, NOT_FOUND):
            raise MmsError(f"{status}: {_message(content)}")

    async def workers(self, *, timeout_s: float) -> list[str]:
        """The name of every worker it knows, starting ones included. Raises MmsError."""
        names: list[str] = []
        token: str | None = None
        while True:
            query = f"?limit={PAGE_LENGTH}" + (f"&next_page_token={token}" if token else "")
            status, page = await self._manage("GET", f"/models{query}", timeout_s)
            if status != OK:
                raise MmsError(f"{status}: {_message(page)}")
            names += [model["modelName"] for model in page["models"]]
            token = page.get("nextPageToken")
            if token is None:
                return names

    async def ask(self, name: str, question: Question) -> Answer:
        """Send one question to a worker; the deadline is the caller's.

        Raises Unseen, WorkerDied, ServerGone.
        """
        try:
            async with self._session.post(
                f"{BASE}/models/{name}/invoke",
                headers=request_headers(question),
                data=question.body,
            ) as answer:
                status, headers, body = answer.status, answer.headers, await answer.read()
        except aiohttp.ClientConnectorError as error:
            raise Unseen(f"the model server does not listen ({error})") from error
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise ServerGone(f"the connection broke ({error})") from error
        said = _said_by_server(status, body)
        if said is not None and status in (NOT_FOUND, UNAVAILABLE) and said != PREDICTION_FAILED:
            raise Unseen(said)
        if said is not None and status == INTERNAL and said == WORKER_DIED:
            raise WorkerDied(said)
        return answer_of(status, headers, body)

    async def _manage(
        self, method: str, path: str, timeout_s: float, body: object | None = None
    ) -> tuple[int, Any]:
        try:
            async with self._session.request(
                method,
                BASE + path,
                data=None if body is None else json.dumps(body),
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                return answer.status, _json_or_text(await answer.text())
        except TimeoutError:
            raise ServerGone(f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            raise ServerGone(f"the connection broke ({error})") from error


PREDICTION_FAILED, WORKER_DIED = "Prediction failed", "Worker died."


def _said_by_server(status: int, body: bytes) -> str | None:
    """The message, if this is an error the model server made and not the handler.

    The handler's own errors never have this shape: `{"code", "type", "message"}`.
    """
    if status < FIRST_ERROR:
        return None
    content = _json_or_text(body)
    if isinstance(content, dict) and content.keys() == {"code", "type", "message"}:
        return str(content["message"])
    return None


def _message(content: Any) -> str:
    message = content.get("message") if isinstance(content, dict) else None
    return str(message or str(content)[:200])


def _json_or_text(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
