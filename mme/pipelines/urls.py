"""Asking other containers: a step that is the URL of one, `http://host:port/invocations`.

URLs come from the operator's file alone: no request makes the endpoint ask one. Redirects are not
followed, proxies and cookies not used, no answer is unpacked. What callers are told does not name
the URL; the log does.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from typing import TYPE_CHECKING

import aiohttp

from mme.core.answer import Answer
from mme.core.errors import Busy, ModelFailed, ModelTimedOut
from mme.core.log_format import REQUEST_ID
from mme.core.timing import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mme.core.parts import Parts
    from mme.core.terms import Terms
    from mme.pipelines.definition import Step

log = logging.getLogger(__name__)

NO_ANSWER = 0
CONNECT_S = 5.0
KEEP_S = 1.0
"""How long a connection is kept without use. Less than servers do: one that is closed while a
request goes out on it fails that request, for nobody knows whether it may be sent again."""
HEAD_BYTES = 16384
ERROR_BYTES = 65536
"""What is read of an error answer."""
FIRST_ERROR = 400
SUCCESSES = range(200, 300)
KEPT = ("content-type", "x-amzn-sagemaker-custom-attributes")
SENT = {"User-Agent": "mme", "Accept-Encoding": "identity"}


class Urls:
    """Asks them. To be made, used and closed on one event loop."""

    def __init__(self, *, timeout_s: float, limit_bytes: int, most_waiting: int) -> None:
        """What holds where a request's terms say nothing; so many may wait for one URL."""
        self._timeout_s = timeout_s
        self._limit_bytes = limit_bytes
        self._most_waiting = most_waiting
        self._waiting: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None

    async def ask(
        self, step: Step, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        """The answer of a container, errors too. Raises Busy, ModelFailed, ModelTimedOut."""
        waiting = self._waiting[step.url]
        if waiting >= self._most_waiting:
            raise Busy(step.name, waiting)
        self._waiting[step.url] += 1
        try:
            return await self._ask(step, headers, body, terms)
        except ModelFailed as error:
            log.warning(
                "step %s, %s: %s", step.name, step.url.partition("?")[0], error.body,
                extra={REQUEST_ID: terms.request_id},
            )  # fmt: skip
            raise
        finally:
            self._waiting[step.url] -= 1
            if not self._waiting[step.url]:
                del self._waiting[step.url]

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    async def _ask(
        self, step: Step, headers: Mapping[str, str], body: bytes, terms: Terms
    ) -> Answer:
        timeout_s = self._timeout_s if terms.timeout_s is None else terms.timeout_s
        limit_bytes = terms.answer_limit_bytes or self._limit_bytes
        try:
            async with self._opened().post(
                step.url,
                data=body,
                headers={**SENT, **headers},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s, connect=CONNECT_S),
            ) as response:
                is_error = response.status >= FIRST_ERROR
                if not is_error:
                    _check(step, response, limit_bytes)
                kept = {name: response.headers[name] for name in KEPT if name in response.headers}
                # A container that yields announces no length.
                if terms.parts is not None and not is_error and response.content_length is None:
                    await _pass_on(step, response, terms.parts, kept, limit_bytes)
                    return Answer(response.status, kept, b"", cold=False, timing=Timing())
                content = await _read(response, ERROR_BYTES if is_error else limit_bytes)
                if len(content) > limit_bytes and not is_error:
                    raise _too_large(step, f"more than {limit_bytes}", limit_bytes)
                return Answer(response.status, kept, content, cold=False, timing=Timing())
        except aiohttp.ConnectionTimeoutError:
            reason = f"it could not be reached within {min(CONNECT_S, timeout_s):g} s"
            raise ModelFailed(step.name, NO_ANSWER, reason) from None
        except TimeoutError:
            raise ModelTimedOut(step.name, timeout_s) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ModelFailed(step.name, NO_ANSWER, _reason(error)) from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("Content-Type", "Accept"),
                auto_decompress=False,
                trust_env=False,
                max_line_size=HEAD_BYTES,
                max_field_size=HEAD_BYTES,
            )
        return self._session


def _check(step: Step, response: aiohttp.ClientResponse, limit_bytes: int) -> None:
    """Raise ModelFailed for an answer that no step may give."""
    if response.status not in SUCCESSES:
        raise ModelFailed(
            step.name, response.status, f"it answered {response.status}, and is not followed there"
        )
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding != "identity":
        reason = f"its answer is packed ({coding[:30]!r}), which was not asked for"
        raise ModelFailed(step.name, NO_ANSWER, reason)
    length_bytes = response.content_length
    if length_bytes is not None and length_bytes > limit_bytes:
        raise _too_large(step, str(length_bytes), limit_bytes)


def _too_large(step: Step, size: str, limit_bytes: int) -> ModelFailed:
    reason = f"its answer has {size} bytes; it may have {limit_bytes}"
    return ModelFailed(step.name, NO_ANSWER, reason)


async def _pass_on(
    step: Step,
    response: aiohttp.ClientResponse,
    parts: Parts,
    headers: Mapping[str, str],
    limit_bytes: int,
) -> None:
    """Put the pieces of an answer there as they come. Raises ModelFailed for one too large."""
    size_bytes, flow = 0, _Flow()
    try:
        async for piece in response.content.iter_any():
            size_bytes += len(piece)
            if size_bytes > limit_bytes:
                raise _too_large(step, f"more than {limit_bytes}", limit_bytes)
            parts.put(piece, headers, flow)
            await flow.may_go.wait()
    finally:
        parts.release()


class _Flow:
    """Whether more is read of a container's answer; what it sends meanwhile waits with it."""

    def __init__(self) -> None:
        self.may_go = asyncio.Event()
        self.may_go.set()

    def pause(self) -> None:
        self.may_go.clear()

    def resume(self) -> None:
        self.may_go.set()


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The body, or of a longer one somewhat more than `limit_bytes`."""
    pieces, size_bytes = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size_bytes += len(piece)
        if size_bytes > limit_bytes:
            break
    return b"".join(pieces)


def _reason(error: Exception) -> str:
    """What callers are told: nothing of where the container is."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "it cannot be reached: TLS failed, or its certificate is not trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno or 0  # above 0: not a failed look-up of a name
        why = os.strerror(number) if number > 0 else "its name is not known"
        return f"it cannot be reached: {why}"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "its answer broke off"
    if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
        return "it broke the connection off without an answer"
    return "its answer is no HTTP"
