"""Whether a store in a folder can be used, and which archives in it an endpoint would pass over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.doctor.finding import Finding, counted, failed, ok, warning
from mme.doctor.looked import LISTING, READING, Looked
from mme.doctor.s3_store import nothing_offered
from mme.store import ARCHIVE_ENDING, TargetDenied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mme.store import Store

PASSED_OVER = "store"
MOST_TOLD = 20


def look_at_folder(store: Store) -> Looked:
    """See what the folder holds. Blocking."""
    looked = Looked(store)
    try:
        looked.offers = list(store.list())
    except EndpointError as error:
        advice = f"let user {os.geteuid()} read it"
        looked.findings.append(failed(LISTING, error.message, advice, uri=store.uri))
        return looked
    looked.is_listed = True
    if looked.offers:
        looked.findings.append(
            ok(
                LISTING,
                f"{store.uri} holds {counted(len(looked.offers), 'artifact')}",
                uri=store.uri,
                artifacts=len(looked.offers),
                archive_bytes=looked.archive_bytes,
            )
        )
        looked.findings.append(_read(store, looked))
    else:
        looked.findings.append(
            warning(LISTING, *nothing_offered(store.uri, looked), uri=store.uri, artifacts=0)
        )
    looked.findings += _passed_over(store, looked)
    return looked


def _read(store: Store, looked: Looked) -> Finding:
    first = looked.offers[0]
    try:
        with store.open(first) as content:
            content.read(1)
    except EndpointError as error:
        return failed(READING, error.message, f"let user {os.geteuid()} read it", uri=first.uri)
    return ok(READING, f"{first.uri} can be read", uri=first.uri)


def _passed_over(store: Store, looked: Looked) -> Iterator[Finding]:
    """What looks like an artifact and is not offered; folders that cannot be looked into."""
    offered = {each.target for each in looked.offers}
    told = 0
    for target, trouble in _archives(Path(store.uri)):
        if target in offered:
            continue
        reason, advice = (trouble, _let_read()) if trouble else _why(store, target)
        if reason:
            told += 1
            if told > MOST_TOLD:
                yield warning(PASSED_OVER, "there are more of these")
                return
            yield warning(PASSED_OVER, reason, advice)


def _why(store: Store, target: str) -> tuple[str, str]:
    """Why a target cannot be served, and what to do; nothing if it came meanwhile."""
    try:
        store.find(target)
    except TargetDenied as error:
        return error.message, _let_read()
    except EndpointError as error:
        return error.message, "put a plain file of a plain name there, or remove it"
    return "", ""


def _let_read() -> str:
    return f"let user {os.geteuid()} read it, or remove it"


def _archives(root: Path) -> Iterator[tuple[str, str]]:
    """Names that end as archives do, with ""; and folders that cannot be read, with the reason."""
    unread: list[OSError] = []
    for place, folders, files in os.walk(root, onerror=unread.append):
        # A folder of that name holds an artifact unpacked, or is one of many archives.
        for name in (*files, *folders):
            if name.endswith(ARCHIVE_ENDING):
                path = Path(place, name)
                if name in files or not any(path.glob(f"*{ARCHIVE_ENDING}")):
                    yield path.relative_to(root).as_posix(), ""
    for error in unread:
        yield str(error.filename), f"{error.filename} cannot be read: {error.strerror}"
