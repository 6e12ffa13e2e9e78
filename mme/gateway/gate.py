"""Who may, at the door: around each route that is not open, before anything of it is done.

A request passes when its caller is known (by a bearer token, or by the signature of its head and
body), has the route's scope for what it names, and is within its limits. The body of a signed
request is read here, since only with it the signature says anything. Who is known, and what a limit
is, is up to `mme.access`; which route has which scope is in `scopes.py`, what one request of it
wants in `rule.py`.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING

from aiohttp import hdrs

from mme.access.canonical import Head
from mme.access.claim import ALGORITHM
from mme.access.limits import Limits, name_of_address
from mme.access.refusals import NoCredentials, Refusal, UnknownCaller
from mme.gateway.control_plane import BODY_LIMIT_BYTES
from mme.gateway.refused import Refused
from mme.gateway.rule import Rule
from mme.gateway.scopes import READ, scope_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web

    from mme.access.caller import Caller, Scope
    from mme.access.signatures import Signatures
    from mme.access.tokens import Tokens
    from mme.gateway.exchange import Call
    from mme.gateway.routing import Handler, Route

BEARER = "bearer"
AWS = "AWS4-"
SLICE_BYTES = 1024 * 1024
"""So much of a body is digested before other requests have their turn."""


class Gate:
    """What requests pass. The event loop owns it."""

    def __init__(
        self,
        tokens: Tokens | None = None,
        signatures: Signatures | None = None,
        limits: Limits | None = None,
        *,
        body_limit_bytes: int,
    ) -> None:
        """Without tokens and signatures anybody passes, within the limits of an address.

        `body_limit_bytes`: no route takes a larger body.
        """
        self._tokens = tokens
        self._signatures = signatures
        self._limits = limits or Limits()
        self._body_limit_bytes = max(body_limit_bytes, BODY_LIMIT_BYTES)
        self._why_unsigned = (
            "Access keys are not known here: MME_SIGV4_KEYS_FILE names none; send the header"
        )

    def by_tokens(self) -> Gate:
        """The same callers and limits where nothing is signed: gRPC has no signatures of AWS's."""
        if self._tokens is None and self._signatures is not None:
            raise ValueError("nobody has a token")
        gate = Gate(self._tokens, None, self._limits, body_limit_bytes=self._body_limit_bytes)
        gate._why_unsigned = "Calls of gRPC are not signed: send the metadata"
        return gate

    def guarded(self, routes: Iterable[Route]) -> list[Route]:
        """The same routes, with the gate before those that are not open. Raises NoScope."""
        return [
            (method, form, handler)
            if (scope := scope_of(method, form)) is None
            else (method, form, self._guard(Rule(method, form, scope), handler))
            for method, form, handler in routes
        ]

    def _guard(self, rule: Rule, handler: Handler) -> Handler:
        async def guarded(call: Call) -> web.StreamResponse:
            try:
                name = await self.let_in(call, rule)
                self.begin(name, rule.scope)
            except Refusal as error:
                raise Refused(error, rule.surface, self.challenge, call.request.headers) from None
            try:
                return await handler(call)
            finally:
                self.end(name, rule.scope)

        return guarded

    async def let_in(self, call: Call, rule: Rule) -> str:
        """The name of the caller, which may do what it asks. Raises Refusal, EndpointError."""
        if self._tokens is None and self._signatures is None:
            address = name_of_address(call.request.remote)
            self._limits.take(address)
            return address
        try:
            caller = await self._caller(call, rule)
        except Refusal:
            # Whoever guesses has a limit too.
            self._limits.take(name_of_address(call.request.remote))
            raise
        call.caller = caller.name
        self._limits.take(caller.name)
        target = await rule.target_of(call, caller)
        caller.check(rule.scope_of(call), rule.endpoint_of(call), target)
        return caller.name

    def begin(self, name: str, scope: Scope) -> None:
        """Count a request that is under way. Raises Throttled."""
        if scope is not READ:
            self._limits.begin(name)

    def end(self, name: str, scope: Scope) -> None:
        """Count it as over."""
        if scope is not READ:
            self._limits.end(name)

    @property
    def challenge(self) -> str:
        """What a caller is told to send, for WWW-Authenticate."""
        return 'Bearer realm="mme"' if self._tokens is not None else ALGORITHM

    async def _caller(self, call: Call, rule: Rule) -> Caller:
        given = call.request.headers.getall(hdrs.AUTHORIZATION, ())
        if not given:
            raise NoCredentials(
                "The request says nothing of who sends it: sign it, or send the header"
                " Authorization: Bearer TOKEN"
            )
        if len(given) > 1:
            raise UnknownCaller(f"The header Authorization is there {len(given)} times")
        text = given[0].strip()
        if text.startswith(AWS):
            return await self._signer(call, rule, text)
        scheme, _, token = text.partition(" ")
        if scheme.lower() != BEARER:
            raise UnknownCaller("The header Authorization must be Bearer TOKEN, or a signature's")
        if self._tokens is None:
            raise UnknownCaller("Bearer tokens are not known here: MME_TOKENS_FILE names none")
        return self._tokens.caller_of(token.strip())

    async def _signer(self, call: Call, rule: Rule, authorization: str) -> Caller:
        if self._signatures is None:
            raise UnknownCaller(f"{self._why_unsigned} Authorization: Bearer TOKEN")
        request = call.request
        path = request.raw_path
        if not path.startswith("/"):  # as proxies are asked
            path = request.rel_url.raw_path_qs
        begun = self._signatures.begin(authorization, Head(request.method, path, request.headers))
        body = await call.body(self._body_limit_bytes)
        return self._signatures.end(begun, await _digest_of(body), once=rule.is_once(call))


async def _digest_of(body: bytes) -> str:
    digest = sha256(body[:SLICE_BYTES])
    for start in range(SLICE_BYTES, len(body), SLICE_BYTES):
        await asyncio.sleep(0)
        digest.update(memoryview(body)[start : start + SLICE_BYTES])
    return digest.hexdigest()
