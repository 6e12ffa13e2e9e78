"""HTTP to the model server: load, unload, list, invoke, each with a deadline of our own.

Over its Unix socket. Translates the model server's answers into facts (`MmsAnswer`, `MmsError`);
what they mean for a target model is decided in residency. Contract: MMS 1.1.11 management and
inference API.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

NO_ANSWER = 0
"""Status of an exchange that brought no answer, as SageMaker counts it."""
PAGE_LENGTH = 100
BASE = "http://localhost"
"""What the Host header says; the connection is the socket's."""


@dataclass(frozen=True, slots=True)
class MmsAnswer:
    """One answer of the model server; `from_server` if it speaks itself, not the model."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def content_type(self) -> str | None:
        """The answer's content type; None if the model set none."""
        return self.headers.get("Content-Type")

    def server_error(self) -> str | None:
        """The message, if this is an error the model server made and not the handler.

        The handler's own errors never have this shape: `{"code", "type", "message"}`.
        """
        if self.status < 400:  # noqa: PLR2004
            return None
        try:
            content = json.loads(self.body)
        except ValueError:
            return None
        if isinstance(content, dict) and content.keys() == {"code", "type", "message"}:
            return str(content["message"])
        return None


class MmsError(Exception):
    """A management call the model server refused, or did not answer (status `NO_ANSWER`)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class MmsClient:
    """Keep-alive client of one model server. Safe for many tasks of one event loop."""

    def __init__(self, server_socket: Path) -> None:
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
                return answer.status == 200  # noqa: PLR2004
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def register(self, name: str, model_dir: str, *, timeout_s: float) -> None:
        """Load the model in `model_dir` as `name`; returns when it answers. Raises MmsError."""
        body = {"model_name": name, "url": model_dir, "initial_workers": 1, "synchronous": True}
        await self._manage("POST", "/models", timeout_s, body)

    async def unregister(self, name: str, *, timeout_s: float) -> None:
        """Unload `name`; returns when the server says so. Raises MmsError (404: not loaded)."""
        await self._manage("DELETE", f"/models/{name}", timeout_s)

    async def describe(self, name: str, *, timeout_s: float) -> dict[str, Any]:
        """What the server says of `name`: workers, their memory and state. Raises MmsError."""
        answer = await self._manage("GET", f"/models/{name}", timeout_s)
        found: dict[str, Any] = answer[0] if isinstance(answer, list) else answer
        return found

    async def names(self, *, timeout_s: float) -> list[str]:
        """Every name the server has registered, loading ones included. Raises MmsError."""
        names: list[str] = []
        token: str | None = None
        while True:
            query = f"?limit={PAGE_LENGTH}" + (f"&next_page_token={token}" if token else "")
            page = await self._manage("GET", f"/models{query}", timeout_s)
            names += [model["modelName"] for model in page["models"]]
            token = page.get("nextPageToken")
            if token is None:
                return names

    async def invoke(self, name: str, headers: Mapping[str, str], body: bytes) -> MmsAnswer:
        """Send one request to a loaded model; the deadline is the caller's.

        Raises MmsError(NO_ANSWER) if the connection breaks.
        """
        try:
            async with self._session.post(
                f"{BASE}/models/{name}/invoke", headers=headers, data=body
            ) as answer:
                return MmsAnswer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            raise MmsError(NO_ANSWER, f"the connection broke ({error})") from error

    async def _manage(
        self, method: str, path: str, timeout_s: float, body: object | None = None
    ) -> Any:
        try:
            async with self._session.request(
                method,
                BASE + path,
                data=None if body is None else json.dumps(body),
                headers={} if body is None else {"Content-Type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                text = await answer.text()
                status = answer.status
        except TimeoutError:
            raise MmsError(NO_ANSWER, f"no answer within {timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise MmsError(NO_ANSWER, f"the connection broke ({error})") from error
        content = _json_or_none(text)
        if status != 200:  # noqa: PLR2004 - 210 is "partial success": fewer workers than asked
            message = content.get("message") if isinstance(content, dict) else None
            raise MmsError(status, str(message or text[:200]))
        return content


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
