"""The calls that the start suggests are answered, as they are printed."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import urllib.parse

import pytest

from mme.app.life import Address
from mme.app.offered import look
from mme.cli.banner import boto3_call, curl_call
from mme.core.settings import Settings
from mme.store import open_store

ENDED = 0


@pytest.fixture
def calls(store_dir):
    async def looked():
        return await look(
            open_store(str(store_dir)),
            lambda _: None,
            lambda work: asyncio.ensure_future(asyncio.to_thread(work)),
        )

    return asyncio.run(looked()).calls


def printed(command):
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == ENDED, ended.stderr
    return ended.stdout


def test_suggested_calls_are_answered_by_curl_and_boto3(endpoint, calls):
    if shutil.which("curl") is None:
        pytest.skip("it needs curl")
    parts = urllib.parse.urlsplit(endpoint.url)
    address = Address(str(parts.hostname), int(parts.port or 80))
    assert {call.family for call in calls} == {"DocSim", "Search", "TopicalPageRank"}
    for call in calls:
        by_curl = printed(curl_call(Settings(), address, call).replace("curl", "curl -sf", 1))
        by_boto3 = printed(boto3_call(Settings(), address, call))
        assert by_curl.strip()
        assert by_boto3.strip() == by_curl.strip()
