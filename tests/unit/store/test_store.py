"""Every store against one contract; S3 is a real server on loopback."""

from __future__ import annotations

import errno
import os
import socket
import time
import types
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from mme.core.errors import InvalidRequest, StoreUnavailable, TargetNotFound
from mme.store import Changed, TargetDenied, open_store


class StoreContract:
    """What holds for every store. Subclasses give `store` and `put(target, content)`."""

    def test_what_is_put_is_found_and_read(self, store, put):
        put("de/a.tar.gz", b"content")
        ref = store.find("de/a.tar.gz")
        assert (ref.target, ref.size_bytes) == ("de/a.tar.gz", 7)
        assert ref.uri.endswith("/de/a.tar.gz")
        with store.open(ref) as source:
            assert source.read() == b"content"

    def test_the_version_stays_while_the_content_does_and_changes_with_it(self, store, put):
        put("a.tar.gz", b"one")
        first = store.find("a.tar.gz")
        assert store.find("a.tar.gz").version == first.version
        put("a.tar.gz", b"another")
        assert store.find("a.tar.gz").version != first.version

    def test_an_artifact_replaced_since_it_was_found_is_not_read_by_mistake(self, store, put):
        put("a.tar.gz", b"one")
        ref = store.find("a.tar.gz")
        put("a.tar.gz", b"another")
        with pytest.raises(StoreUnavailable, match="changed"), store.open(ref):
            pass

    def test_a_missing_artifact_is_named_with_the_place_tried(self, store):
        with pytest.raises(TargetNotFound) as caught:
            store.find("de/none.tar.gz")
        assert caught.value.tried.endswith("/de/none.tar.gz")
        shown = store.uri.rstrip("/") if "://" in store.uri else "<store>"
        assert f"tried {shown}/de/none.tar.gz" in caught.value.message

    def test_a_store_that_is_there_is_found_well_also_if_it_is_empty(self, store, put):
        store.check()
        put("a.tar.gz", b"x")
        store.check()

    def test_a_folder_is_no_artifact(self, store, put):
        put("de/a.tar.gz", b"x")
        with pytest.raises(TargetNotFound):
            store.find("de")

    @pytest.mark.parametrize("target", ["../a", "/a", "", "a/../../b", "a\0"])
    def test_a_target_that_is_no_plain_path_is_refused(self, store, target):
        with pytest.raises(InvalidRequest):
            store.find(target)

    def test_archives_are_listed_in_order_and_nothing_else(self, store, put):
        for name in ("b.tar.gz", "a.tar.gz", "de/c.tar.gz", "readme.txt"):
            put(name, b"x")
        assert [ref.target for ref in store.list()] == ["a.tar.gz", "b.tar.gz", "de/c.tar.gz"]
        assert [ref.target for ref in store.list("de/")] == ["de/c.tar.gz"]
        assert [ref.target for ref in store.list(ending=".txt")] == ["readme.txt"]
        assert next(store.list()).version == store.find("a.tar.gz").version

    def test_a_folder_is_listed_without_those_below_it(self, store, put):
        for name in ("b.tar.gz", "de/c.tar.gz", "de/at/d.tar.gz", "de/readme.txt"):
            put(name, b"x")
        assert [ref.target for ref in store.list_folder("")] == ["b.tar.gz"]
        assert [ref.target for ref in store.list_folder("de/")] == ["de/c.tar.gz"]
        assert [ref.target for ref in store.list_folder("none/")] == []
        found = next(store.list_folder("de/"))
        assert found.version == store.find("de/c.tar.gz").version
        assert abs(found.modified_at - time.time()) < 60

    def test_a_file_is_replaced_if_it_is_what_it_was(self, store, put):
        put("de/a.tar.gz", b"x")
        first = store.replace("de/ids.json", b"one", None)
        assert store.find("de/ids.json").version == first
        second = store.replace("de/ids.json", b"two", first)
        with store.open(store.find("de/ids.json")) as source:
            assert source.read() == b"two"
        for version in (None, first):
            with pytest.raises(Changed):
                store.replace("de/ids.json", b"three", version)
        assert store.find("de/ids.json").version == second

    def test_a_file_that_is_gone_is_not_replaced(self, store):
        with pytest.raises(Changed):
            store.replace("ids.json", b"x", "0" * 32)
        with pytest.raises(TargetNotFound):
            store.find("ids.json")

    def test_of_many_that_replace_a_file_at_once_one_does(self, store):
        first = store.replace("ids.json", b"0", None)

        def replace(number):
            try:
                return store.replace("ids.json", str(number).encode(), first)
            except Changed:
                return None

        with ThreadPoolExecutor(8) as pool:
            written = [version for version in pool.map(replace, range(1, 9)) if version]
        assert written == [store.find("ids.json").version]

    def test_no_file_is_replaced_out_of_the_store(self, store):
        with pytest.raises(InvalidRequest):
            store.replace("../ids.json", b"x", None)

    def test_names_may_have_umlauts_and_spaces(self, store, put):
        put("grö ße.tar.gz", b"x")
        assert store.find("grö ße.tar.gz").size_bytes == 1


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        (tmp_path / "store").mkdir()
        return open_store(str(tmp_path / "store"))

    @pytest.fixture
    def put(self, tmp_path):
        def put(target, content):
            place = tmp_path / "store" / target
            place.parent.mkdir(parents=True, exist_ok=True)
            fresh = place.with_name(uuid.uuid4().hex)
            fresh.write_bytes(content)
            fresh.replace(place)

        return put

    def test_a_link_out_of_the_folder_is_not_followed(self, store, tmp_path):
        (tmp_path / "secret").write_text("x")
        (tmp_path / "store" / "a.tar.gz").symlink_to(tmp_path / "secret")
        with pytest.raises(TargetNotFound, match="out of the store"):
            store.find("a.tar.gz")
        assert list(store.list()) == []

    def test_a_file_that_is_replaced_is_seen_whole_and_by_others(self, store, tmp_path):
        store.replace("ids.json", b"x", None)
        assert (tmp_path / "store" / "ids.json").stat().st_mode & 0o777 == 0o644
        names = sorted(path.name for path in (tmp_path / "store").iterdir())
        assert names == [".ids.json.lock", "ids.json"]

    def test_nothing_is_written_through_a_link_out_of_the_folder(self, store, tmp_path):
        (tmp_path / "out").mkdir()
        (tmp_path / "store" / "de").symlink_to(tmp_path / "out")
        with pytest.raises(StoreUnavailable, match="out of the store"):
            store.replace("de/ids.json", b"x", None)
        assert list((tmp_path / "out").iterdir()) == []

    def test_a_folder_that_cannot_be_written_is_said_to(self, store):
        with pytest.raises(StoreUnavailable, match="cannot be written: No such file"):
            store.replace("none/ids.json", b"x", None)

    def test_a_link_inside_the_folder_is(self, store, put, tmp_path):
        put("v1.tar.gz", b"x")
        (tmp_path / "store" / "live.tar.gz").symlink_to("v1.tar.gz")
        assert store.find("live.tar.gz").size_bytes == 1

    def test_a_fifo_is_no_artifact_and_does_not_hang(self, store, tmp_path):
        os.mkfifo(tmp_path / "store" / "a.tar.gz")
        with pytest.raises(TargetNotFound, match="not a file"):
            store.find("a.tar.gz")

    @pytest.mark.hostile("stores")
    def test_a_folder_that_is_gone_is_the_stores_fault(self, store, tmp_path):
        (tmp_path / "store").rmdir()
        for ask in (store.check, lambda: store.find("a.tar.gz"), lambda: list(store.list())):
            with pytest.raises(StoreUnavailable, match="cannot be read"):
                ask()

    @pytest.mark.hostile("stores")
    @pytest.mark.parametrize("name", ["EIO", "ESTALE", "ETIMEDOUT", "EMFILE", "EHOSTDOWN"])
    @pytest.mark.parametrize("call", ["open", "fstat", "read"])
    def test_a_fault_of_the_file_system_is_the_stores(self, store, put, monkeypatch, name, call):
        put("a.tar.gz", b"x")
        ref = store.find("a.tar.gz")
        number = getattr(errno, name)

        def fail(*_args, **_options):
            raise OSError(number, os.strerror(number))

        if call == "read":
            with store.open(ref) as source:
                source._file.close()
                source._file = types.SimpleNamespace(read=fail)
                with pytest.raises(StoreUnavailable, match=os.strerror(number)):
                    source.read(1)
            return
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(StoreUnavailable) as caught:
                store.find("a.tar.gz")
        assert caught.value.where.endswith("/a.tar.gz")

    @pytest.mark.hostile("stores")
    @pytest.mark.parametrize("name", ["EACCES", "EPERM"])
    def test_what_nobody_may_read_is_told_from_what_is_missing(self, store, put, monkeypatch, name):
        put("a.tar.gz", b"x")
        number = getattr(errno, name)

        def fail(*_args, **_options):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", fail)
        with pytest.raises(TargetDenied, match="access is denied"):
            store.find("a.tar.gz")

    def test_a_fault_of_whoever_reads_is_not_the_stores(self, store, put):
        put("a.tar.gz", b"x")
        with pytest.raises(OSError, match="full"), store.open(store.find("a.tar.gz")):
            raise OSError(errno.ENOSPC, "full")


class TestS3Store(StoreContract):
    @pytest.fixture
    def bucket(self, s3_server):
        name = f"bucket-{uuid.uuid4().hex}"
        s3_server.client().create_bucket(Bucket=name)
        return name

    @pytest.fixture
    def store(self, s3_server, bucket, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        return open_store(f"s3://{bucket}/live")

    @pytest.fixture
    def put(self, s3_server, bucket):
        def put(target, content):
            s3_server.client().put_object(Bucket=bucket, Key=f"live/{target}", Body=content)

        return put

    def test_nothing_beside_the_prefix_is_seen(self, store, s3_server, bucket):
        s3_server.client().put_object(Bucket=bucket, Key="live2/a.tar.gz", Body=b"x")
        s3_server.client().put_object(Bucket=bucket, Key="a.tar.gz", Body=b"x")
        assert list(store.list()) == []
        with pytest.raises(TargetNotFound):
            store.find("a.tar.gz")

    def test_a_missing_bucket_is_named(self, s3_server, store):
        missing = open_store("s3://no-such-bucket-here/")
        for ask in (missing.check, lambda: missing.find("a.tar.gz"), lambda: list(missing.list())):
            with pytest.raises(StoreUnavailable, match=r"no-such-bucket-here.*NoSuchBucket"):
                ask()

    def test_a_store_that_does_not_answer_is_unavailable(self, store, monkeypatch):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{port}")
        with pytest.raises(StoreUnavailable, match=r"s3://b/a\.tar\.gz"):
            open_store("s3://b").find("a.tar.gz")


@pytest.mark.parametrize(
    "uri", ["", "http://x/y", "s3://", "s3:///key", "file://host/x", "/no/such/folder"]
)
def test_an_address_that_is_no_store_is_refused(uri):
    with pytest.raises(ValueError, match="model store"):
        open_store(uri)


def test_a_folder_can_be_given_as_a_path_or_a_file_uri(tmp_path):
    (tmp_path / "a b").mkdir()
    assert open_store(f"{tmp_path}/a b").uri == open_store(f"file://{tmp_path}/a%20b").uri
