"""Whether a store in S3 can be used: credentials, region, rights to list and to read, the clock.

Decides; what is asked is `s3_asking.py`'s, what a refusal means is told by `s3_rights.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import BotoCoreError

from mme.core.errors import EndpointError
from mme.doctor.clock import judge_clock
from mme.doctor.finding import Finding, counted, failed, ok, skipped, warning
from mme.doctor.looked import LISTING, READING, Looked
from mme.doctor.s3_asking import AskingS3
from mme.doctor.s3_rights import GET, LIST, Refusal, refusal_of
from mme.store import ARCHIVE_ENDING, open_store
from mme.store.address import bucket_and_prefix
from mme.store.s3_errors import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.doctor.s3_asking import Asker, Heard

WHO = "credentials"
NO_CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the container or"
    " machine a role"
)


class Place(NamedTuple):
    """A bucket and a prefix in it, which is empty or ends in a slash."""

    bucket: str
    prefix: str

    @property
    def arn(self) -> str:
        """Of the bucket."""
        return f"arn:aws:s3:::{self.bucket}"

    @property
    def objects_arn(self) -> str:
        """Of all that is below the prefix."""
        return f"{self.arn}/{self.prefix}*"


def look_at_s3(uri: str, named: Sequence[str] = (), asking: AskingS3 | None = None) -> Looked:
    """See what the store at `uri` lets us do; `named` are targets to try where it is not listed.

    Blocking.
    """
    asking = asking or AskingS3()
    looked = Looked()
    place = Place(*bucket_and_prefix(uri))
    try:
        asker = asking.asker()
    except (BotoCoreError, ValueError) as error:
        looked.findings.append(failed(WHO, f"AWS's configuration cannot be used: {error}"))
        return looked
    if not asker.source:
        looked.findings.append(failed(WHO, "there are none", NO_CREDENTIALS))
        return looked
    listed = asking.list_one(*place)
    looked.store = open_store(uri)
    listing_trouble = _list_all(looked) if _is_heard(listed) else ""
    key = place.prefix + named[0] if named else _first_key(place, looked)
    read = asking.read_one_byte(place.bucket, key) if key else None
    looked.findings += [
        judge_asker(asker, asker.identity or _identity(place, listed, read)),
        judge_listing(place, listed, looked, asker, listing_trouble, is_read=_is_heard(read)),
        judge_reading(place, key, read, asker),
        judge_clock(listed.skew_s),
    ]
    return looked


def judge_asker(asker: Asker, identity: str) -> Finding:
    """Who asks."""
    return ok(
        WHO,
        f"from {asker.source} (key {asker.access_key})"
        f"{f', as {identity}' if identity else ''}; region {asker.region}, {asker.endpoint_url}",
        source=asker.source,
        access_key=asker.access_key,
        identity=identity or None,
        profile=asker.profile,
        region=asker.region,
        endpoint_url=asker.endpoint_url,
    )


def judge_listing(
    place: Place, listed: Heard, looked: Looked, asker: Asker, trouble: str, *, is_read: bool
) -> Finding:
    """Whether the store can be listed, and what is in it."""
    uri = f"s3://{place.bucket}/{place.prefix}"
    if listed.trouble or trouble:
        return failed(LISTING, f"{uri}: {listed.trouble or trouble}", _where(asker), uri=uri)
    if listed.error is not None:
        refusal = refusal_of(listed.error, LIST, place.arn)
        said = f"{uri}: {refusal.found}"
        facts = _facts(uri, refusal)
        if refusal.missing_right and is_read:
            return warning(
                LISTING,
                f"{said}; models that are named are served, yet what there is cannot be shown, and"
                " a missing one cannot be told from one that is denied",
                refusal.advice,
                **facts,
            )
        return failed(LISTING, said, refusal.advice, **facts)
    if not looked.offers:
        return warning(LISTING, *nothing_offered(uri, looked), uri=uri, artifacts=0)
    return ok(
        LISTING,
        f"{uri} holds {counted(len(looked.offers), 'artifact')}",
        uri=uri,
        artifacts=len(looked.offers),
        archive_bytes=looked.archive_bytes,
    )


def judge_reading(place: Place, key: str, read: Heard | None, asker: Asker) -> Finding:
    """Whether an object can be read."""
    uri = f"s3://{place.bucket}/{key}"
    if read is None:
        return skipped(READING, "no artifact is known to try; --artifact NAME names one")
    if read.trouble:
        return failed(READING, f"{uri}: {read.trouble}", _where(asker), uri=uri)
    if read.error is None or read.error.get("Error", {}).get("Code") == "InvalidRange":
        return ok(READING, f"{uri} can be read", uri=uri)  # an empty object has no first byte
    refusal = refusal_of(read.error, GET, place.objects_arn)
    if refusal.code in MISSING:
        return failed(READING, f"{uri}: there is no such object", "see its name", uri=uri)
    return failed(READING, f"{uri}: {refusal.found}", refusal.advice, **_facts(uri, refusal))


def nothing_offered(uri: str, looked: Looked) -> tuple[str, str]:
    """What is found, and what to do, where a store that can be listed offers nothing."""
    others = _others(looked)
    if others:
        return (
            f"{uri} holds no artifact: what there is does not end in {ARCHIVE_ENDING}, as {others}",
            f"an artifact is an archive NAME{ARCHIVE_ENDING}",
        )
    return f"{uri} is empty", "put an artifact there, or name another place in MME_STORE"


def _others(looked: Looked) -> str:
    """Something else in the store, if there is anything."""
    if looked.store is None:
        return ""
    try:
        found = next(iter(looked.store.list("", "")), None)
    except EndpointError:
        return ""
    return "" if found is None else found.target


def _list_all(looked: Looked) -> str:
    """List the store; what went wrong with that, or ""."""
    assert looked.store is not None  # noqa: S101 - for the type checker
    try:
        looked.offers = list(looked.store.list())
    except EndpointError as error:
        return error.message
    looked.is_listed = True
    return ""


def _first_key(place: Place, looked: Looked) -> str:
    return place.prefix + looked.offers[0].target if looked.offers else ""


def _is_heard(heard: Heard | None) -> bool:
    return heard is not None and heard.error is None and not heard.trouble


def _identity(place: Place, *heard: Heard | None) -> str:
    """Who S3 says has asked, if it refused."""
    for each in heard:
        if each is not None and each.error is not None:
            found = refusal_of(each.error, LIST, place.arn).identity
            if found:
                return found
    return ""


def _where(asker: Asker) -> str:
    return (
        f"{asker.endpoint_url} was asked: see the network, proxies (HTTPS_PROXY) and"
        " AWS_ENDPOINT_URL_S3"
    )


def _facts(uri: str, refusal: Refusal) -> dict[str, str | None]:
    return {
        "uri": uri,
        "code": refusal.code,
        "missing_right": refusal.missing_right or None,
    }
