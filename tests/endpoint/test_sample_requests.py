"""Every shipped artifact answers the request that the endpoint offers to try it with."""

from __future__ import annotations

import pytest
import requests

ARTIFACTS = ("TopicalPageRank.tar.gz", "DocSim.tar.gz", "Search.tar.gz")


@pytest.mark.parametrize("target", ARTIFACTS)
def test_a_model_answers_its_sample_request(endpoint, target):
    loaded = requests.post(f"{endpoint.url}/models", json={"target_model": target}, timeout=60)
    assert loaded.status_code == 200
    sample = requests.get(f"{endpoint.url}/models/{target}/sample", timeout=60).json()
    answer = requests.post(
        f"{endpoint.url}/invocations",
        data=sample["body"].encode(),
        headers={
            "Content-Type": sample["content_type"],
            "X-Amzn-SageMaker-Target-Model": target,
        },
        timeout=60,
    )
    assert answer.status_code == 200
    assert len(answer.json()) > 0
