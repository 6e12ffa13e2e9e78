"""What `mme serve` tells its operator when the endpoint is ready."""

from __future__ import annotations

from mme.app.life import Address
from mme.cli.serve import ready_text
from mme.core.settings import Settings

URL = "http://127.0.0.1:18080"
ADDRESS = Address("127.0.0.1", 18080)


def test_the_samples_are_tried_where_no_store_is_named():
    said = ready_text(Settings(), ADDRESS)
    assert f"The endpoint is ready at {URL}; models come from" in said
    assert "X-Amzn-SageMaker-Target-Model: en/Search.tar.gz" in said
    assert "Ctrl-C stops it." in said


def test_no_sample_is_named_where_a_store_is():
    said = ready_text(Settings(store="s3://bucket/prefix/"), ADDRESS)
    assert f"The endpoint is ready at {URL}; models come from s3://bucket/prefix/." in said
    assert "en/" not in said
    assert f"curl {URL}/endpoints/demo/invocations" in said
    assert "Ctrl-C stops it." in said
