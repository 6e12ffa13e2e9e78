"""Management of target models over a fake engine: views, pages, loads."""

from __future__ import annotations

import pytest

from mme.core.errors import LoadFailed
from mme.residency.views import AliasView
from tests.support.fake_engine import view


async def get(endpoint, path, **options):
    async with endpoint.client.get(path, **options) as answer:
        return answer.status, await answer.json()


async def test_a_view_shows_what_is_known_and_nothing_of_the_inside(endpoint, engine):
    engine.views["de/m.tar.gz"] = view(
        "de/m.tar.gz", "on-disk", archive_bytes=3, fetched_at=0.5, details={"family": "DocSim"}
    )
    for path in ("/models/de/m.tar.gz", "/models/de%2Fm.tar.gz"):
        assert await get(endpoint, path) == (
            200,
            {
                "target_model": "de/m.tar.gz",
                "state": "on-disk",
                "archive_bytes": 3,
                "pinned": False,
                "in_flight": 0,
                "invocations": 0,
                "errors": 0,
                "fetched_at": "1970-01-01T00:00:00.500+00:00",
                "model": {"family": "DocSim"},
            },
        )


async def test_an_unknown_model_is_404(endpoint):
    status, body = await get(endpoint, "/models/never.tar.gz")
    assert (status, "never.tar.gz" in body["Message"]) == (404, True)


async def test_pages_show_each_model_once_in_the_order_of_names(endpoint, engine):
    targets = [f"{n}.tar.gz" for n in range(5)] + ["größe.tar.gz", "a b/ü"]
    engine.views = {target: view(target) for target in targets}
    seen, query = [], {"limit": "2"}
    while True:
        _, page = await get(endpoint, "/models", params=query)
        seen.append([model["target_model"] for model in page["models"]])
        if "nextPageToken" not in page:
            break
        query["next_page_token"] = page["nextPageToken"]
    assert [len(page) for page in seen] == [2, 2, 2, 1]
    assert [target for page in seen for target in page] == sorted(targets)


async def test_a_page_has_a_hundred_models_and_a_thousand_at_most(endpoint, engine):
    engine.views = {f"{n:04}": view(f"{n:04}") for n in range(1001)}
    assert len((await get(endpoint, "/models"))[1]["models"]) == 100
    assert len((await get(endpoint, "/models?limit=1000"))[1]["models"]) == 1000


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=1001", "limit=x", "limit=-1", "limit=", "limit=1.0", "limit=%C2%B2",
        "limit=" + "9" * 5000, "next_page_token=%C3%A4", "next_page_token=%FF",
        "next_page_token=a", "next_page_token=!!!!", "next_page_token=_w==",
    ],
)  # fmt: skip
async def test_a_bad_page_is_refused(endpoint, query):
    async with endpoint.client.get(f"/models?{query}") as answer:
        assert answer.status == 400
        assert answer.headers["x-amzn-ErrorType"] == "ValidationError"
        assert len(await answer.text()) < 200


async def test_a_model_is_loaded_and_let_go(endpoint, engine):
    async with endpoint.client.post("/models", json={"target_model": "m"}) as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "ready")
    for status in (200, 404):
        async with endpoint.client.delete("/models/m") as answer:
            assert answer.status == status


async def test_a_load_that_fails_is_a_model_error(endpoint, engine):
    engine.failure = LoadFailed("m", 500, "no params in it")
    async with endpoint.client.post("/models", json={"target_model": "m"}) as answer:
        assert answer.status == 424
        assert (await answer.json())["OriginalMessage"] == "no params in it"


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/jsonx", "text/json", "application/json, text/plain"],
)  # fmt: skip
async def test_a_load_that_a_form_of_any_web_page_could_send_is_refused(
    endpoint, engine, content_type
):
    headers = {} if content_type is None else {"Content-Type": content_type}
    async with endpoint.client.post(
        "/models",
        data=b'{"target_model": "m"}',
        headers=headers,
        skip_auto_headers=["Content-Type"],
    ) as answer:
        assert answer.status == 415
        assert answer.headers["x-amzn-ErrorType"] == "UnsupportedMediaType"
        assert "application/json" in (await answer.json())["Message"]
    assert engine.views == {}


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"]
)
async def test_a_load_that_says_it_is_json_is_taken(endpoint, content_type):
    headers = {"Content-Type": content_type}
    async with endpoint.client.post(
        "/models", data=b'{"target_model": "m"}', headers=headers
    ) as answer:
        assert answer.status == 200


@pytest.mark.hostile("requests to models")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://127.0.0.1:1", "null", "", "http://", "x", "file://"],
)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_a_page_of_another_site_manages_nothing(endpoint, engine, method, origin):
    engine.views["m"] = view("m")
    path = "/models" if method == "POST" else "/models/m"
    headers = {"Origin": origin}
    async with endpoint.client.request(
        method, path, json={"target_model": "n"}, headers=headers
    ) as answer:
        assert answer.status == 403
        assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"
    assert list(engine.views) == ["m"]


async def test_a_page_of_the_endpoints_own_site_may_manage(endpoint):
    headers = {"Origin": endpoint.url}
    async with endpoint.client.post(
        "/models", json={"target_model": "m"}, headers=headers
    ) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"target_model": 5}', b"[" * 60_000, b"\xff"]
)
async def test_a_load_without_a_target_is_refused(endpoint, body):
    json_type = {"Content-Type": "application/json"}
    async with endpoint.client.post("/models", data=body, headers=json_type) as answer:
        assert answer.status == 400
        assert "target_model" in (await answer.json())["Message"]


async def test_ping_is_asked_twice_before_it_says_no(endpoint, engine):
    assert await get(endpoint, "/ping") == (200, {"status": "Healthy"})
    assert engine.pings == 1
    engine.is_up = False
    assert await get(endpoint, "/ping") == (503, {"status": "Unhealthy"})
    assert engine.pings == 3


@pytest.mark.parametrize("path", ["/ping", "/models"])
async def test_head_is_answered_as_get_without_the_body(endpoint, path):
    async with endpoint.client.get(path) as whole, endpoint.client.head(path) as answer:
        assert answer.status == 200
        assert await answer.read() == b""
        assert answer.headers["Content-Length"] == whole.headers["Content-Length"] != "0"


async def test_aliases_are_shown_page_by_page_with_what_they_should_mean(endpoint, engine):
    engine.aliases = [
        AliasView("A", "A-1.tar.gz", "A-1.tar.gz"),
        AliasView("B", "B-1.tar.gz", "B-2.tar.gz"),
        AliasView("C", "C-1.tar.gz", "C-2.tar.gz", "no"),
    ]
    _, first = await get(endpoint, "/aliases?limit=2")
    token = first.pop("nextPageToken")
    assert first["aliases"] == [
        {"alias": "A", "target_model": "A-1.tar.gz"},
        {"alias": "B", "target_model": "B-1.tar.gz", "wanted": "B-2.tar.gz", "state": "loading"},
    ]
    assert (await get(endpoint, f"/aliases?next_page_token={token}"))[1] == {
        "aliases": [
            {"alias": "C", "target_model": "C-1.tar.gz", "wanted": "C-2.tar.gz",
             "state": "refused", "reason": "no"}
        ]
    }  # fmt: skip
