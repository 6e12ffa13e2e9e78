"""An endpoint behind a gate, whom its files name, and how they ask."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from mme.access.keys import parse_keys
from mme.access.secret_file import Watched
from mme.access.signatures import Signatures
from mme.access.tokens import Tokens, parse_tokens
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.gate import Gate
from tests.support.fake_engine import served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from mme.access.limits import Limits
    from mme.core.settings import Settings
    from mme.gateway import BodyBudget
    from mme.gateway.routing import Route
    from tests.support.fake_engine import FakeStandalone, Served

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKENS = {"reader": "read", "caller": "invoke", "manager": "manage", "all": "*"}
MORE_TOKENS = """
german invoke,manage,read german-token-0123456 targets=de/*
tenant invoke,read tenant-token-0123456 endpoints=tenant-*
late * late-token-0123456789 expires=2020-01-01
"""
KEYS = f"""
AKALL * {SECRET}
AKINVOKE invoke {SECRET}
AKREAD read {SECRET}
AKSESSION * {SECRET} session=of-an-hour
"""
TARGET = "X-Amzn-SageMaker-Target-Model"
INVOKE = ("POST", "/endpoints/e/invocations")


class Wall:
    """The wall clock, moved by hand."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass
class Gated:
    """Starts endpoints with a gate, whose control plane has two operations that do nothing."""

    settings: Settings
    engine: FakeStandalone
    bodies: BodyBudget
    folder: Path
    wall: Wall = field(default_factory=Wall)
    asked: list[dict[str, Any]] = field(default_factory=list)
    """What the control plane was asked."""

    @contextlib.asynccontextmanager
    async def start(
        self,
        *,
        tokens: bool = True,
        keys: bool = True,
        limits: Limits | None = None,
        more: Iterable[Route] = (),
    ) -> AsyncIterator[Served]:
        """Serve inside the block."""
        token_lines = [f"{name} {scopes} {name}-token-0123456" for name, scopes in TOKENS.items()]
        token_file = self._file("tokens", "\n".join(token_lines) + MORE_TOKENS)
        key_file = self._file("keys", KEYS)
        gate = Gate(
            Tokens(Watched(token_file, parse_tokens)) if tokens else None,
            Signatures(Watched(key_file, parse_keys), wall=self.wall) if keys else None,
            limits,
            body_limit_bytes=self.settings.max_body_bytes,
        )
        table = dict.fromkeys(("ListEndpoints", "DeleteEndpoint"), self._operation)
        serving = Serving(self.settings, self.engine)
        app = make_app(
            self.settings, self.engine, serving, self.bodies, table, gate=gate, more=more
        )
        async with served(app) as running:
            yield running

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.touch(0o600)
        path.write_text(text)
        return path

    async def _operation(self, request: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(request)
        return {"Endpoints": []}


def token(name):
    """The headers of whoever has a token."""
    return {"Authorization": f"Bearer {name}-token-0123456"}


async def ask(gated, asked, headers=None, **more):
    """Status, headers and text of the answer to a method and a path."""
    async with gated.client.request(*asked, headers=headers, **more) as answer:
        return answer.status, answer.headers, (await answer.read()).decode(errors="replace")


def client(url, key="AKALL", secret=SECRET, *, service="sagemaker-runtime", **more):
    """A boto3 client."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name="eu-central-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}),
        **more,
    )


def invoke(url, key="AKALL", secret=SECRET, *, body=b"{}", target="de/größe.tar.gz", **more):
    """What boto3's invoke_endpoint returns."""
    asked = client(url, key, secret, **more)
    return asked.invoke_endpoint(EndpointName="e", TargetModel=target, Body=body)
