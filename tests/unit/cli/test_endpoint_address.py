"""Where the commands look for an endpoint that is not named: where its settings put it."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from aiohttp import web

from mme.cli.batch_endpoint import remote_endpoint
from mme.cli.client import Endpoint, EndpointUnreachable, endpoint_url
from mme.core.terms import Terms
from tests.support.certificates import authority


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"MME_PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"MME_SOCKET": "/run/mme.sock", "MME_PORT": "9000"}, "unix:///run/mme.sock"),
        ({"MME_PORT": "9000", "MME_MANAGEMENT_PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"MME_SOCKET": "/s", "MME_MANAGEMENT_PORT": "9001"}, "http://127.0.0.1:9001"),
        ({"MME_TLS_CERT": "c", "MME_PORT": "8443"}, "https://127.0.0.1:8443"),
        ({"MME_ENDPOINT": "http://there:1", "MME_SOCKET": "/s"}, "http://there:1"),
    ],
)
def test_an_endpoint_is_looked_for_where_its_settings_put_it(environ, url):
    assert endpoint_url(None, environ) == url


async def answered(request: web.Request) -> web.Response:
    return web.json_response({"asked": request.path})


@pytest.fixture
async def app():
    made = web.Application()
    made.router.add_route("*", "/{path:.*}", answered)
    runner = web.AppRunner(made)
    await runner.setup()
    yield runner
    await runner.cleanup()


async def test_a_batch_asks_on_a_unix_socket_too(app, tmp_path):
    path = str(tmp_path / "mme.sock")
    await web.UnixSite(app, path).start()
    async with remote_endpoint(f"unix://{path}", "", 2) as invoke:
        answer = await invoke("m", {}, b"x", Terms(timeout_s=5))
    assert answer.body == b'{"asked": "/invocations"}'


async def test_who_is_not_trusted_is_told_with_what_would_help(app, tmp_path):
    pair = authority().signs("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair.written(tmp_path, "server"))
    site = web.TCPSite(app, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    url = f"https://127.0.0.1:{app.addresses[0][1]}"
    with pytest.raises(EndpointUnreachable, match=r"is not trusted .*SSL_CERT_FILE"):
        await asyncio.to_thread(Endpoint(url).get, "/models")
