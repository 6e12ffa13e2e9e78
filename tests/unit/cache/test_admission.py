"""The words of an admission survive the way to the process that does it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mme.cache.admission import AdmissionJob
from mme.cache.extract import ExtractionLimits


def job(archive=Path("/cache/partial/x/archive")):
    return AdmissionJob(
        target="de/grö ße.tar.gz",
        uri="s3://bucket/de/grö ße.tar.gz",
        archive=archive,
        model_dir=Path("/cache/partial/x/model"),
        scratch_dir=Path("/cache/partial/x/mapped"),
        limits=ExtractionLimits(archive_bytes=1, unpacked_bytes=2, files=3),
        memory_bytes=4,
        cpu_s=5,
        checks=True,
    )


@pytest.mark.parametrize("archive", [Path("/a b/c"), None])
def test_a_job_is_the_same_after_the_way_as_json(archive):
    assert AdmissionJob.from_json(job(archive).to_json()) == job(archive)


def test_a_job_is_one_line_of_ascii():
    text = job().to_json()
    assert text.isascii()
    assert "\n" not in text


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"target": "a"}', "null", "\x00"])
def test_anything_else_is_no_job(text):
    with pytest.raises((KeyError, TypeError, ValueError)):
        AdmissionJob.from_json(text)


def test_unknown_limits_are_an_error():
    record = json.loads(job().to_json())
    record["limits"]["more"] = 1
    with pytest.raises(TypeError):
        AdmissionJob.from_json(json.dumps(record))
