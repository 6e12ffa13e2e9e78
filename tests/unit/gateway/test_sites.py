"""Names an endpoint goes by: none that a web page of another site could have."""

from __future__ import annotations

import pytest

from mme.endpoints.serving import Serving
from mme.gateway import make_app
from mme.gateway.sites import Forbidden, Sites
from tests.support.fake_engine import served

OURS = [
    "127.0.0.1", "127.0.0.1:8080", "10.1.2.3:80", "[::1]:8080", "[::1]", "[::ffff:1.2.3.4]:1",
    "localhost:8080", "LOCALHOST", "localhost.", "mme:8080", "a.localhost", "box.local:8080",
    "host.docker.internal:8080", "mme.models.svc:80", "mme.models.svc.cluster.local",
    "serving.example:8080", "mme.example.org", "a.models.example.org", "", ":8080",
]  # fmt: skip
OTHERS = [
    "evil.example", "evil.example:8080", "127.0.0.1.nip.io", "localhost.evil.example",
    "evil.com.", "mme.example.org.evil.com", "xmme.example.org", "models.example.org.", "1.2.3",
    "127.1", "0x7f.0.0.1", "evil.example:80:80", "local.evil", "evil.com#.local", "a@evil.com",
]  # fmt: skip


@pytest.fixture
def sites() -> Sites:
    return Sites("serving.example", ("mme.example.org", "*.models.example.org"))


@pytest.mark.parametrize("host", OURS)
def test_an_endpoint_goes_by_addresses_local_names_and_listed_ones(sites, host):
    sites.check_host({"Host": host})
    sites.check_host({"Host": host})


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("host", [host for host in OTHERS if "#" not in host])
def test_by_another_name_it_is_told_which_setting_lists_names(sites, host):
    sites.check_host({"Host": "localhost"})
    for _ in range(2):
        with pytest.raises(Forbidden, match="MME_ALLOWED_HOSTS"):
            sites.check_host({"Host": host})


def test_a_star_lets_any_name_through():
    Sites("127.0.0.1", ("*",)).check_host({"Host": "any.example"})


def test_a_request_of_no_browser_needs_no_name(sites):
    sites.check_host({})


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("path", ["/ping", "/models", "/nothing"])
async def test_a_page_that_took_an_address_of_ours_for_its_name_reads_nothing(endpoint, path):
    async with endpoint.client.get(path, headers={"Host": "evil.example"}) as answer:
        assert answer.status == 403
        assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"


async def test_names_are_listed_in_the_settings(settings, engine, bodies):
    listed = settings.model_copy(update={"allowed_hosts": ("mme.example.org",)})
    headers = {"Host": "mme.example.org"}
    async with (
        served(make_app(listed, engine, Serving(listed, engine), bodies)) as endpoint,
        endpoint.client.get("/ping", headers=headers) as answer,
    ):
        assert answer.status == 200


async def test_a_platform_calls_its_containers_as_it_likes(container, single):
    for served_one in (container, single):
        async with served_one.client.get("/ping", headers={"Host": "any.example"}) as answer:
            assert answer.status == 200


@pytest.mark.hostile("HTTP")
@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Original-Host", "Forwarded"])
async def test_what_a_proxy_says_of_its_caller_is_not_believed(endpoint, header):
    """Anybody can write such a header."""
    ours = "host=localhost" if header == "Forwarded" else "localhost"
    given = {"Host": "evil.example", header: ours}
    async with endpoint.client.get("/ping", headers=given) as answer:
        assert answer.status == 403
