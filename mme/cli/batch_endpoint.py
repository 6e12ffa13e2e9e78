"""A running endpoint as what a transform invokes: the SageMaker Runtime form over HTTP."""

from __future__ import annotations

import contextlib
import json
import urllib.parse
from typing import TYPE_CHECKING

import aiohttp

from mme.cli.client import UNIX
from mme.core.answer import Answer
from mme.core.errors import ModelFailed, ModelTimedOut
from mme.core.names import TARGET_HEADER
from mme.jobs.transform.asking import MOST_ANSWER_BYTES, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from mme.core.terms import Terms
    from mme.jobs.transform.asking import Invoke

CONNECT_TIMEOUT_S = 10.0
MODEL_ERROR, SERVER_FAULT = 424, 500
PIECE_BYTES = 256 * 1024


@contextlib.asynccontextmanager
async def remote_endpoint(address: str, token: str, most_connections: int) -> AsyncIterator[Invoke]:
    """Asks the endpoint at `address`, a Unix socket's too, with `token` if there is one."""
    parts = urllib.parse.urlsplit(address)
    connector: aiohttp.BaseConnector
    if parts.scheme == UNIX:
        connector = aiohttp.UnixConnector(parts.path, limit=most_connections)
        base = "http://localhost"
    else:
        connector, base = aiohttp.TCPConnector(limit=most_connections), address
    shown = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession(connector=connector, headers=shown) as session:

        async def invoke(
            target: str, headers: Mapping[str, str], body: bytes, terms: Terms
        ) -> Answer:
            timeout = aiohttp.ClientTimeout(total=terms.timeout_s, sock_connect=CONNECT_TIMEOUT_S)
            try:
                async with session.post(
                    f"{base}/invocations",
                    data=body,
                    headers={**headers, TARGET_HEADER: target},
                    timeout=timeout,
                    skip_auto_headers=("Content-Type",),
                    allow_redirects=False,
                ) as answer:
                    content = await _content(answer, target)
                    kept = {name.lower(): value for name, value in answer.headers.items()}
                    status, content = _of_model(answer.status, content)
                    return Answer(status, kept, content, cold=False)
            except aiohttp.ClientConnectorError as error:
                raise Unreachable(f"cannot reach {address}: {error.os_error}") from error
            except TimeoutError as error:
                raise ModelTimedOut(target, terms.timeout_s or 0) from error
            except (aiohttp.ClientError, OSError) as error:
                raise ModelFailed(target, 0, f"{type(error).__name__}: {error}") from error

        yield invoke


def _of_model(status: int, content: bytes) -> tuple[int, bytes]:
    """What the model answered, which the endpoint wraps if it is an error."""
    if status != MODEL_ERROR:
        return status, content
    try:
        told = json.loads(content)
        original = int(told["OriginalStatusCode"])
        return original or SERVER_FAULT, str(told["OriginalMessage"]).encode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return status, content


async def _content(answer: aiohttp.ClientResponse, target: str) -> bytes:
    parts, held = [], 0
    async for part in answer.content.iter_chunked(PIECE_BYTES):
        parts.append(part)
        held += len(part)
        if held > MOST_ANSWER_BYTES:
            raise ModelFailed(target, 400, f"its answer has more than {MOST_ANSWER_BYTES} bytes")
    return b"".join(parts)
