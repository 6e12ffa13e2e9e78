"""What a model is tried with: its own sample request, or one of its family and language."""

from __future__ import annotations

import asyncio
import json

import pytest

from mme.core.artifact import SAMPLE_REQUEST, Admitted, Findings
from mme.residency.sample_requests import SampleRequest, sample_request
from mme.residency.trial import SampleFailed


def at_once(work):
    future = asyncio.get_running_loop().create_future()
    try:
        future.set_result(work())
    except Exception as error:  # noqa: BLE001 - as a thread would
        future.set_exception(error)
    return future


def admitted(folder, **details):
    findings = Findings(unpacked_bytes=1, details=details)
    return Admitted("n", "m.tar.gz", "v", folder, folder, 1, 0.0, findings)


@pytest.mark.parametrize(
    ("family", "language", "content_type", "words"),
    [
        ("TopicalPageRank", "de", "text/plain", "Die Regierung"),
        ("Search", "en", "text/plain", "The government"),
        ("DocSim", "en", "text/csv", '","Owners'),
        ("DocSim", "fr", "text/csv", '"The government'),
    ],
)
async def test_a_family_has_one_in_the_language_of_the_model(
    tmp_path, family, language, content_type, words
):
    sample = await sample_request(admitted(tmp_path, family=family, language=language), at_once)
    assert (sample.content_type, sample.is_own) == (content_type, False)
    assert words in sample.body


async def test_of_a_family_of_ones_own_only_the_usual_type_is_known(tmp_path):
    sample = await sample_request(admitted(tmp_path, family="Mine"), at_once)
    assert sample == SampleRequest("application/json", "")


async def test_the_artifacts_own_comes_first(tmp_path):
    said = {"ContentType": "text/plain", "Accept": "application/json", "Body": "Grüße"}
    (tmp_path / SAMPLE_REQUEST).write_text(json.dumps(said), encoding="utf-8")
    sample = await sample_request(admitted(tmp_path, family="DocSim"), at_once)
    assert sample == SampleRequest("text/plain", "Grüße", "application/json", is_own=True)


async def test_one_that_is_broken_is_told(tmp_path):
    (tmp_path / SAMPLE_REQUEST).write_text("{", encoding="utf-8")
    with pytest.raises(SampleFailed, match="no JSON"):
        await sample_request(admitted(tmp_path), at_once)
