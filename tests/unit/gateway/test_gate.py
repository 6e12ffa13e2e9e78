"""Who passes the gate by a token, with which scope, within which limits."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging

import pytest

from mme.access.limits import Limits
from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.gate import Gate
from mme.gateway.scopes import SCOPES, NoScope
from tests.support.endpoint import PROJECT
from tests.support.fake_engine import until
from tests.support.gated import INVOKE, TARGET, TOKENS, ask, invoke, token

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def routes_of(settings, engine, bodies):
    """The routes of the standalone endpoint, as a gate would be given them."""
    seen = []

    class Looking(Gate):
        def guarded(self, routes):
            seen.extend(routes)
            return super().guarded(seen)

    gate = Looking(body_limit_bytes=1)
    make_app(settings, engine, Serving(settings, engine), bodies, gate=gate)
    return [(method, form) for method, form, _ in seen]


async def test_every_route_has_a_scope_or_is_open_on_purpose(settings, engine, bodies):
    routes = routes_of(settings, engine, bodies)
    assert ("POST", "/models") in routes
    assert not set(routes) - set(SCOPES)


def test_every_route_that_is_described_has_one_too():
    described = json.loads((PROJECT / "docs" / "openapi.json").read_text("utf-8"))["paths"]
    known = {(method, form.replace("...", "")) for method, form in SCOPES}
    routes = {(name.upper(), path) for path, methods in described.items() for name in methods}
    assert ("GET", "/metrics") in routes
    assert not routes - known


async def _answers(_):
    return None


def test_a_route_without_a_scope_ends_the_start():
    with pytest.raises(NoScope, match="POST /new"):
        Gate(body_limit_bytes=1).guarded([("POST", "/new", _answers)])


async def test_what_is_open_needs_nobody(gated):
    assert (await ask(gated, ("GET", "/ping")))[0] == 200


WANTS = {
    ("GET", "/models"): "reader",
    ("HEAD", "/models"): "reader",
    ("GET", "/aliases"): "reader",
    ("POST", "/models"): "manager",
    ("DELETE", "/models/a"): "manager",
    INVOKE: "caller",
    ("POST", "/invocations"): "caller",
    ("POST", "/endpoints/e/invocations-response-stream"): "caller",
}


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        pytest.param(*each, id=f"{each[0][1]}-{each[1]}")
        for each in itertools.product(WANTS, TOKENS)
    ],
)
async def test_a_token_may_do_what_its_scopes_say(gated, engine, asked, name):
    may = name in ("all", WANTS[asked])
    headers = {TARGET: "a"} | token(name)
    status, given, text = await ask(gated, asked, headers, json={"target_model": "a"})
    assert (status == 403) is not may, text
    if not may:
        assert given["x-amzn-ErrorType"] == "AccessDeniedException"
        assert 'error="insufficient_scope"' in given["WWW-Authenticate"]
        assert not engine.asked
        assert not engine.views


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize(
    "authorization",
    [
        "Bearer", "Bearer ", "Bearer x", "bearer reader-token-012345", "Basic cmVhZGVyOng=", "x",
        "reader-token-0123456", "Bearer late-token-0123456789", "Bearer größe", "Bearer a b",
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", [("GET", "/models"), INVOKE], ids=["plain", "runtime"])
async def test_another_token_is_told_to_send_one_that_is_known(gated, engine, asked, authorization):
    headers = {TARGET: "a", "Authorization": authorization}
    status, given, text = await ask(gated, asked, headers, data=b"{}")
    assert status == 401
    assert given["WWW-Authenticate"].startswith('Bearer realm="mme"')
    assert "late-token" not in text
    assert not engine.asked


async def test_without_a_word_of_who_it_is_a_request_gets_401_and_an_aws_client_403(gated):
    status, given, _ = await ask(gated, ("GET", "/models"))
    assert (status, given["WWW-Authenticate"]) == (401, 'Bearer realm="mme"')
    for asked in (INVOKE, ("POST", "/")):
        status, given, _ = await ask(gated, asked)
        assert (status, given["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")


@pytest.mark.hostile("HTTP")
async def test_two_authorizations_are_none(gated):
    raw = (
        b"GET /models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Authorization: Bearer x\r\nAuthorization: Bearer all-token-0123456\r\n\r\n"
    )
    assert b" 401 " in await gated.raw(raw)


@pytest.mark.parametrize(
    ("method", "path", "may", "options"),
    [
        ("POST", "/endpoints/e/invocations", True, {"headers": {TARGET: "de/a"}}),
        ("POST", "/endpoints/e/invocations", False, {"headers": {TARGET: "en/a"}}),
        ("POST", "/endpoints/e/invocations", False, {}),
        (
            "POST", "/endpoints/e/invocations", False,
            {"headers": {ATTRIBUTES: "target-model=de/a"}},
        ),
        (
            "POST", "/endpoints/e/invocations-response-stream", True,
            {"headers": {ATTRIBUTES: "target-model=de/a"}},
        ),
        (
            "POST", "/endpoints/e/invocations-response-stream", False,
            {"headers": {TARGET: "en/a", ATTRIBUTES: "target-model=de/a"}},
        ),
        ("POST", "/models", True, {"json": {"target_model": "de/a"}}),
        ("POST", "/models", False, {"json": {"target_model": "en/a"}}),
        ("POST", "/models", False, {"json": ["de/a"]}),
        ("GET", "/models/de/a", True, {}),
        ("GET", "/models/de%2Fa", True, {}),
        ("GET", "/models/en/a", False, {}),
        ("DELETE", "/models/en/a", False, {}),
        ("GET", "/models", False, {}),
        ("GET", "/models", False, {"headers": {TARGET: "de/a"}}),
    ],
)  # fmt: skip
async def test_a_token_for_some_targets_reaches_no_others(gated, method, path, may, options):
    headers = options.pop("headers", {}) | token("german")
    status, _, text = await ask(gated, (method, path), headers, **options)
    assert (status == 403) is not may, text
    if not may:
        assert "'german' may not use" in text


@pytest.mark.hostile("HTTP")
async def test_a_target_that_climbs_out_of_its_pattern_is_no_target(gated, engine):
    headers = {TARGET: "de/../en/a"} | token("german")
    assert (await ask(gated, INVOKE, headers))[0] == 400
    assert not engine.asked


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("/endpoints/tenant-1/invocations", True),
        ("/endpoints/tenant%2D1/invocations", True),
        ("/endpoints/other/invocations", False),
        ("/invocations", False),
    ],
)
async def test_a_token_for_some_endpoints_reaches_no_others(gated, path, may):
    status, _, text = await ask(gated, ("POST", path), {TARGET: "a"} | token("tenant"))
    assert status == (200 if may else 403), text


async def test_the_log_names_who_asked(gated, caplog):
    caplog.set_level(logging.INFO, "mme.gateway.access")
    await ask(gated, ("GET", "/models"), token("reader"))
    await ask(gated, ("DELETE", "/models/a"), token("reader"))
    assert [" by reader" in record.getMessage() for record in caplog.records] == [True, True]
    assert "reader-token" not in caplog.text


async def test_where_only_keys_are_known_a_bearer_token_is_not(gating):
    async with gating.start(tokens=False) as gated:
        status, given, text = await ask(gated, ("GET", "/models"), token("all"))
        assert (status, given["WWW-Authenticate"]) == (
            401,
            'AWS4-HMAC-SHA256, error="invalid_token"',
        )
        assert "MME_TOKENS_FILE" in text


async def test_where_only_tokens_are_known_a_signature_is_not(gating, refusal):
    async with gating.start(keys=False) as gated:
        status, code, text = await refusal(lambda: invoke(gated.url))
        assert (status, code) == (403, "UnrecognizedClientException")
        assert "MME_SIGV4_KEYS_FILE" in text


async def test_one_request_too_many_is_told_when_to_come_again(gating, in_thread, refusal):
    async with gating.start(limits=Limits(2, clock=lambda: 0.0)) as gated:
        for _ in range(2):
            assert (await ask(gated, ("GET", "/models"), token("reader")))[0] == 200
        status, given, text = await ask(gated, ("GET", "/models"), token("reader"))
        assert (status, given["Retry-After"]) == (429, "1")
        assert "'reader' may ask 2 times a second" in text
        await in_thread(lambda: invoke(gated.url))
        await in_thread(lambda: invoke(gated.url))
        status, code, _ = await refusal(lambda: invoke(gated.url))
        assert (status, code) == (429, "ThrottlingException")


@pytest.mark.hostile("HTTP")
async def test_whoever_guesses_tokens_is_limited_by_address(gating):
    async with gating.start(limits=Limits(5, clock=lambda: 0.0)) as gated:
        statuses = [
            (await ask(gated, ("GET", "/models"), {"Authorization": f"Bearer {number}"}))[0]
            for number in range(8)
        ]
        assert statuses == [401] * 5 + [429] * 3
        assert (await ask(gated, ("GET", "/models"), token("reader")))[0] == 200


@pytest.mark.hostile("HTTP")
async def test_whoever_knows_an_access_key_only_cannot_use_up_its_limit(gating, in_thread, refusal):
    async with gating.start(limits=Limits(3, clock=lambda: 0.0)) as gated:
        for _ in range(10):
            await refusal(lambda: invoke(gated.url, secret="not the secret of it"))
        await in_thread(lambda: invoke(gated.url))


async def test_limits_without_callers_are_each_addresss(gating):
    async with gating.start(tokens=False, keys=False, limits=Limits(1, clock=lambda: 0.0)) as gated:
        assert (await ask(gated, ("GET", "/models")))[0] == 200
        status, _, text = await ask(gated, ("GET", "/models"))
        assert status == 429
        assert "127.0.0.1" in text
        assert (await ask(gated, ("GET", "/ping")))[0] == 200


async def test_a_caller_has_so_many_requests_at_a_time_and_may_look_besides(gating, engine):
    engine.is_hanging = True
    async with gating.start(limits=Limits(None, 2)) as gated, asyncio.TaskGroup() as tasks:
        headers = {TARGET: "a"} | token("all")
        waiting = [tasks.create_task(ask(gated, INVOKE, headers)) for _ in range(2)]
        await until(lambda: len(engine.asked) == 2)
        status, given, text = await ask(gated, INVOKE, headers)
        assert (status, given["x-amzn-ErrorType"]) == (429, "ThrottlingException")
        assert "under way" in text
        assert (await ask(gated, ("GET", "/models"), headers))[0] == 200
        engine.release.set()
        assert [(await task)[0] for task in waiting] == [200, 200]
        assert (await ask(gated, INVOKE, headers))[0] == 200


@pytest.mark.hostile("HTTP")
async def test_a_client_that_goes_gives_its_place_back(gating, engine):
    engine.is_hanging = True
    limits = Limits(None, 1)
    async with gating.start(limits=limits) as gated:
        headers = {TARGET: "a"} | token("all")
        task = asyncio.create_task(ask(gated, INVOKE, headers))
        await engine.begun.wait()
        task.cancel()
        await engine.cancelled.wait()
        engine.is_hanging = False
        await until(lambda: not limits._under_way)
        assert (await ask(gated, INVOKE, headers))[0] == 200
