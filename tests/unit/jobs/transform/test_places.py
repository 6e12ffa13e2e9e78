"""Every place of inputs and outputs against one contract; S3 is a real server on loopback."""

import os
import uuid

import pytest

from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.inputs import inputs_below, inputs_of_manifest
from mme.jobs.transform.places import FolderPlaces, PlaceUnavailable
from mme.jobs.transform.s3_places import S3Places
from tests.support.s3 import running_s3
from tests.support.transforming import MemoryPlaces


class PlacesContract:
    """What holds for all. Subclasses give `places` and `top`, a URI that ends in a slash."""

    @pytest.fixture
    def put(self, places, top, tmp_path):
        def put(key, content=b"x"):
            file = tmp_path / "content"
            file.write_bytes(content)
            return places.write_file(top + key, file, "text/plain")

        return put

    def test_what_is_written_is_found_and_read(self, places, put, top):
        written = put("a/b c.ö", b"content")
        found = places.find(top + "a/b c.ö")
        assert found == written
        assert (found.uri, found.size_bytes) == (top + "a/b c.ö", 7)
        with places.open(found) as file:
            assert file.read(3) + file.read() == b"content"

    def test_the_version_changes_with_the_content(self, places, put, top):
        first = put("a", b"one")
        assert places.find(top + "a").version == first.version
        assert put("a", b"another").version != first.version

    def test_what_is_not_there_is_none(self, places, put, top):
        put("a/b")
        assert places.find(top + "none") is None
        assert places.find(top + "a/b/c") is None
        assert list(places.list(top + "none/")) == []

    def test_a_version_that_has_been_replaced_is_not_read_by_mistake(self, places, put):
        first = put("a", b"one")
        put("a", b"another")
        with pytest.raises(PlaceUnavailable, match="changed"), places.open(first) as file:
            file.read()

    def test_a_list_has_what_begins_so_in_order(self, places, put, top):
        for key in ("b", "a.txt", "a/z", "a/b/c", "ab"):
            put(key)
        assert [ref.uri for ref in places.list(top)] == [
            top + key for key in ("a.txt", "a/b/c", "a/z", "ab", "b")
        ]
        assert [ref.uri for ref in places.list(top + "a/")] == [top + "a/b/c", top + "a/z"]
        assert [ref.uri for ref in places.list(top + "a")][-1] == top + "ab"

    def test_inputs_have_keys_below_the_place_named_with_or_without_a_slash(self, places, put, top):
        for key in ("in/a", "in/sub/b", "inner"):
            put(key)
        for named in ("in/", "in"):
            found = list(inputs_below(places, top + named, "out/"))
            assert [(each.key, each.output_uri) for each in found[:2]] == [
                ("a", "out/a.out"),
                ("sub/b", "out/sub/b.out"),
            ]
        (one,) = inputs_below(places, top + "in/sub/b", "out")
        assert (one.key, one.output_uri) == ("b", "out/b.out")

    def test_a_manifest_lists_inputs(self, places, put, top):
        put("x/a")
        put("x/sub/b")
        manifest = f'[{{"prefix": "{top}x/"}}, "sub/b", "a", "a"]'
        put("manifest", manifest.encode())
        found = inputs_of_manifest(places, top + "manifest", "out")
        assert [(each.key, each.output_uri) for each in found] == [
            ("sub/b", "out/sub/b.out"),
            ("a", "out/a.out"),
        ]

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            ("{", "no JSON"),
            ("[" * 100_000, "no JSON"),
            ("[]", "not of the form"),
            ('["a"]', "not of the form"),
            ('[{"prefix": "TOP"}, 1]', "not of the form"),
            ('[{"prefix": "TOP"}, "../a"]', "no plain path"),
            ('[{"prefix": "TOP"}, "none"]', "which is not there"),
        ],
    )
    def test_a_manifest_that_cannot_be_used_is_refused(self, places, put, top, content, why):
        put("manifest", content.replace("TOP", top).encode())
        with pytest.raises(TransformRefused, match=why):
            list(inputs_of_manifest(places, top + "manifest", "out"))

    def test_a_manifest_that_is_not_there_is_refused(self, places, top):
        with pytest.raises(TransformRefused, match="there is no manifest"):
            list(inputs_of_manifest(places, top + "none", "out"))


class TestMemoryPlaces(PlacesContract):
    @pytest.fixture
    def places(self):
        return MemoryPlaces()

    @pytest.fixture
    def top(self):
        return "s3://bucket/top/"


class TestFolderPlaces(PlacesContract):
    @pytest.fixture
    def places(self):
        return FolderPlaces()

    @pytest.fixture
    def top(self, tmp_path):
        return f"{tmp_path}/top/"

    def test_what_another_run_is_writing_is_no_input(self, places, put, top, tmp_path):
        put("a")
        (tmp_path / "top" / ".partial-1").write_bytes(b"x")
        assert [ref.uri for ref in places.list(top)] == [top + "a"]

    def test_a_fifo_is_no_input_and_does_not_hang(self, places, put, top, tmp_path):
        put("a")
        os.mkfifo(tmp_path / "top" / "fifo")
        assert [ref.uri for ref in places.list(top)] == [top + "a"]
        assert places.find(top + "fifo") is None

    def test_a_folder_that_leads_to_itself_is_left(self, places, put, top, tmp_path):
        put("a")
        (tmp_path / "top" / "loop").symlink_to(tmp_path / "top")
        assert [ref.uri for ref in places.list(top)] == [top + "a"]

    def test_an_output_is_there_whole_or_not_at_all(self, places, put, top, tmp_path):
        put("a", b"before")
        with pytest.raises(PlaceUnavailable):
            places.write_file(top + "a", tmp_path / "none", "")
        assert [path.name for path in (tmp_path / "top").iterdir()] == ["a"]
        assert (tmp_path / "top" / "a").read_bytes() == b"before"


@pytest.fixture(scope="module")
def s3_server():
    with running_s3() as server:
        yield server


class TestS3Places(PlacesContract):
    @pytest.fixture
    def top(self, s3_server):
        bucket = f"bucket-{uuid.uuid4().hex}"
        s3_server.client().create_bucket(Bucket=bucket)
        return f"s3://{bucket}/top/"

    @pytest.fixture
    def places(self, s3_server, monkeypatch):
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        return S3Places()

    def test_a_marker_of_a_folder_is_no_input(self, places, put, top, s3_server):
        put("in/a")
        bucket = top.split("/")[2]
        s3_server.client().put_object(Bucket=bucket, Key="top/in/", Body=b"")
        assert [each.key for each in inputs_below(places, top + "in", "out")] == ["a"]

    def test_a_bucket_that_is_not_there_is_told(self, places):
        with pytest.raises(PlaceUnavailable, match="no-such-bucket"):
            list(places.list("s3://no-such-bucket/in"))
