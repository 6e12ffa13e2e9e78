"""Files of TLS: what cannot be used is said by file and reason, what changes is taken up."""

from __future__ import annotations

import datetime as dt
import ssl

import pytest

from mme.core.settings import SettingsError
from mme.gateway.pem import valid_until
from mme.gateway.tls import LARGEST_BYTES, TlsFiles, TlsPaths
from tests.support.certificates import DAY, NOW, authority

BROKEN = b"-----BEGIN %s-----\nQUJD\n-----END %s-----\n"


@pytest.fixture(scope="module")
def signer():
    return authority()


@pytest.fixture(scope="module")
def pair(signer):
    return signer.signs("server")


@pytest.fixture
def paths(tmp_path, pair) -> TlsPaths:
    return TlsPaths(*pair.written(tmp_path, "server"))


def own_certificate(context: ssl.SSLContext, trusted) -> bytes:
    """What a server of `context` shows."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.create_default_context(cadata=trusted.pem.decode())
    client = asking.wrap_bio(to_client, to_server, server_hostname="localhost")
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client, server):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    shown = client.getpeercert(binary_form=True)
    assert shown
    return ssl.DER_cert_to_PEM_cert(shown).encode()


def test_the_certificate_of_the_file_is_shown_by_tls_1_2_or_above(paths, pair, signer):
    files = TlsFiles(paths)
    assert own_certificate(files.context, signer) == pair.pem
    assert files.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_key_and_certificate_may_stand_in_one_file(tmp_path, pair, signer):
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key_pem + pair.pem + signer.pem)
    assert own_certificate(TlsFiles(TlsPaths(both, both)).context, signer) == pair.pem


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("certificate", None, "MME_TLS_CERT=.*: No such file"),
        ("key", None, "MME_TLS_KEY=.*: No such file"),
        ("authorities", None, "MME_TLS_CLIENT_CA=.*: No such file"),
        ("certificate", b"", "MME_TLS_CERT=.*: the file holds no certificate in PEM form"),
        ("key", b"\x00\xff", "MME_TLS_KEY=.*: the file holds no private key in PEM form"),
        ("authorities", b"x", "MME_TLS_CLIENT_CA=.*: the file holds no certificate in PEM form"),
        (
            "certificate",
            BROKEN % (b"CERTIFICATE", b"CERTIFICATE"),
            "MME_TLS_CERT=.*: the file has a certificate that cannot be read",
        ),
        (
            "key",
            BROKEN % (b"PRIVATE KEY", b"PRIVATE KEY"),
            "MME_TLS_KEY=.*: the file has a private key that cannot be read",
        ),
        (
            "authorities",
            BROKEN % (b"CERTIFICATE", b"CERTIFICATE"),
            "MME_TLS_CLIENT_CA=.*: the file has a certificate that cannot be read",
        ),
        ("certificate", b"x" * (LARGEST_BYTES + 1), "MME_TLS_CERT=.*: the file has more than"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(  # noqa: PLR0917
    tmp_path, paths, signer, name, content, said
):
    trusted = tmp_path / "ca.crt"
    trusted.write_bytes(signer.pem)
    given = TlsPaths(paths.certificate, paths.key, trusted)
    file = getattr(given, name)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        TlsFiles(given)


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, paths):
    with pytest.raises(SettingsError, match=r"MME_TLS_KEY=.*: Is a directory"):
        TlsFiles(TlsPaths(paths.certificate, tmp_path))


def test_the_key_of_another_certificate_is_none_of_this(tmp_path, paths, signer):
    _, other = signer.signs("other").written(tmp_path, "other")
    with pytest.raises(SettingsError, match=r"MME_TLS_KEY=.*other\.key.* is not the key of"):
        TlsFiles(TlsPaths(paths.certificate, other))


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(paths, pair):
    paths.key.write_bytes(pair.locked(b"secret"))
    with pytest.raises(SettingsError, match="is protected by a passphrase"):
        TlsFiles(paths)


def test_what_has_changed_is_shown_from_then_on(paths, signer):
    files = TlsFiles(paths)
    before = files.context
    files.look()
    assert files.context is before
    renewed = signer.signs("renewed")
    renewed.written(paths.certificate.parent, "server")
    files.look()
    assert own_certificate(files.context, signer) == renewed.pem


def test_links_that_are_set_anew_count_as_a_change(tmp_path, paths, signer):
    """As Kubernetes does with the files of a secret."""
    new = tmp_path / "new"
    new.mkdir()
    renewed = signer.signs("renewed")
    renewed.written(new, "server")
    link = tmp_path / "current"
    link.symlink_to(tmp_path)
    files = TlsFiles(TlsPaths(link / "server.crt", link / "server.key"))
    (tmp_path / "next").symlink_to(new)
    (tmp_path / "next").rename(link)
    files.look()
    assert own_certificate(files.context, signer) == renewed.pem


def test_a_pair_that_does_not_fit_leaves_the_old_one_and_is_told_once(paths, pair, signer, caplog):
    files = TlsFiles(paths)
    renewed = signer.signs("renewed")
    paths.certificate.write_bytes(renewed.pem)
    for _ in range(3):
        files.look()
    assert own_certificate(files.context, signer) == pair.pem
    told = [each.message for each in caplog.records if "as it was" in each.message]
    assert len(told) == 1
    assert str(paths.key) in told[0]
    paths.key.write_bytes(renewed.key_pem)
    files.look()
    assert own_certificate(files.context, signer) == renewed.pem


def test_a_file_that_is_gone_for_a_while_leaves_the_old_one(paths, pair, signer):
    files = TlsFiles(paths)
    paths.key.rename(paths.key.with_suffix(".away"))
    files.look()
    assert own_certificate(files.context, signer) == pair.pem


def test_until_when_a_certificate_is_valid_is_read_from_it(signer):
    for until in (NOW + 30 * DAY, dt.datetime(2060, 1, 2, 3, 4, 5, tzinfo=dt.UTC)):
        expected = until.replace(microsecond=0)
        assert valid_until(signer.signs("x", until=until).pem) == expected


@pytest.mark.parametrize("content", [b"", b"x", BROKEN % (b"CERTIFICATE", b"CERTIFICATE")])
def test_what_is_no_certificate_has_no_end(content):
    assert valid_until(content) is None


def test_a_certificate_that_is_out_of_date_is_told_at_the_start(paths, signer, caplog):
    signer.signs("old", until=NOW - DAY).written(paths.certificate.parent, "server")
    TlsFiles(paths)
    assert any("is out of date" in each.message for each in caplog.records)
