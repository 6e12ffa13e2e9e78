"""Paths and methods: which handler, which name, and what is said where there is none."""

from __future__ import annotations

import pytest

from mme.gateway.routing import MethodNotAllowed, NoSuchPath, Router


@pytest.fixture
def router() -> Router:
    routes = [
        ("GET", "/models", "list"),
        ("POST", "/models", "load"),
        ("GET", "/models/{name}", "describe"),
        ("DELETE", "/models/{name}", "unload"),
        ("POST", "/models/{name}/invoke", "invoke"),
        ("GET", "/files/{path...}", "file"),
    ]
    return Router(routes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/models", ("list", "")),
        ("HEAD", "/models", ("list", "")),
        ("GET", "/models/m", ("describe", "m")),
        ("GET", "/models/invoke", ("describe", "invoke")),
        ("POST", "/models/m/invoke", ("invoke", "m")),
        ("POST", "/models/a%2Fb/invoke", ("invoke", "a/b")),
        ("GET", "/models/%2E%2E", ("describe", "..")),
        ("GET", "/models/50%25", ("describe", "50%")),
        ("GET", "/models/%C3%A4", ("describe", "ä")),
        ("GET", "/models/%ff", ("describe", "\udcff")),
        ("GET", "/models/100%", ("describe", "100%")),
        ("GET", "/files/a/b%20c", ("file", "a/b c")),
    ],
)
def test_a_path_leads_to_its_handler_and_the_name_in_it(router, method, path, found):
    assert router.find(method, path)[:2] == found


@pytest.mark.parametrize(
    "path", ["", "/", "/model", "/models/", "/models//invoke", "/models/a/b", "/files/", "*"]
)
def test_there_is_nothing_elsewhere(router, path):
    with pytest.raises(NoSuchPath):
        router.find("GET", path)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/models", "GET,HEAD,POST"),
        ("POST", "/models/m", "DELETE,GET,HEAD"),
        ("GET", "/models/m/invoke", "POST"),
    ],
)
def test_another_method_is_told_which_ones_there_are(router, method, path, allowed):
    with pytest.raises(MethodNotAllowed) as caught:
        router.find(method, path)
    assert caught.value.allowed == allowed


def test_a_long_path_is_not_repeated_in_full(router):
    with pytest.raises(NoSuchPath) as caught:
        router.find("GET", "/" + "x" * 10_000)
    assert len(caught.value.message) < 250


async def test_each_surface_says_so_in_its_own_shape(surface):
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("OPTIONS", "/nothing", 404),
        ("POST", "/etc/passwd", 404),
        ("PUT", "/ping", 405),
        ("PATCH", "/ping", 405),
    ):
        async with surface.served.client.request(method, path) as answer:
            assert answer.status == status, (method, path)
            assert path in (await answer.json())[surface.message_key]
            assert answer.headers.get("Allow") == ("GET,HEAD" if status == 405 else None)
            assert answer.headers["x-amzn-RequestId"]


async def test_a_whole_url_in_the_request_line_is_its_path(endpoint):
    request = (
        b"GET http://elsewhere/models?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert (await endpoint.raw(request)).startswith(b"HTTP/1.1 200")


async def test_an_endpoint_is_asked_by_post_alone(endpoint):
    async with endpoint.client.get("/endpoints/demo/invocations") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "POST")


def test_a_path_is_told_by_the_form_of_its_route(router):
    assert router.find("GET", "/models/m")[2] == "/models/{name}"
    assert router.find("HEAD", "/models")[2] == "/models"
    assert router.find("GET", "/files/a/b")[2] == "/files/{path...}"
