"""What the settings say of who may."""

from __future__ import annotations

import pytest

from mme.app.access import buckets_of, gate_of
from mme.core.settings import Settings, SettingsError
from mme.store.buckets import BucketNotNamed

SECRET = "a-secret-of-many-characters"


@pytest.fixture
def callers(tmp_path):
    path = tmp_path / "callers"
    path.touch(0o600)
    path.write_text(f"ci * {SECRET}")
    return path


def test_limits_alone_need_a_gate_too():
    assert gate_of(Settings(rate_limit=1.5)) is not None
    assert gate_of(Settings(concurrency_limit=1)) is not None


@pytest.mark.parametrize("name", ["tokens_file", "sigv4_keys_file"])
def test_a_file_that_cannot_be_used_ends_the_start_and_names_its_variable(callers, name):
    callers.chmod(0o644)
    with pytest.raises(SettingsError, match=f"MME_{name.upper()}=.*callers.*others may read it"):
        gate_of(Settings(**{name: callers}))
    callers.unlink()
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        gate_of(Settings(**{name: callers}))


def test_the_place_of_answers_need_not_be_listed():
    buckets = buckets_of(Settings(buckets="in,in2/x/", async_output="s3://out/a[b]/"))
    for uri in ("s3://in/x", "s3://in2/x/y", "s3://out/a[b]/x"):
        buckets.check(uri)
    for uri in ("s3://out/ab/x", "s3://out/other", "s3://in2/y"):
        with pytest.raises(BucketNotNamed):
            buckets.check(uri)
