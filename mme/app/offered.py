"""What the store offers to be tried at the start: calls that existing artifacts answer.

A call is the artifact's own sample request where one is on this disk, else the form that its family
reads, which its record or its name tells. Looks once, at one page of the store, for a bounded time.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from mme.core.errors import EndpointError
from mme.core.names import TARGET_HEADER
from mme.residency.trial import SampleFailed, read_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from mme.cache.threads import Run
    from mme.core.artifact import Admitted
    from mme.store import Store

log = logging.getLogger(__name__)

LOOK_S = 2.0
PAGE = 50
"""So many artifacts are considered."""
MOST_CALLS = 3
MOST_BODY_CHARS = 400
"""A longer sample is no line to be copied."""
CONTENT_TYPE = "Content-Type"
TEXT, CSV = "text/plain", "text/csv"
FORMS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "Search": (
        TEXT,
        {
            "en": "Spinach has more iron than any other vegetable",
            "de": "Spinat hat mehr Eisen als jedes andere Gemüse",
        },
    ),
    "TopicalPageRank": (
        TEXT,
        {
            "en": "The government plans a new tax on electricity from solar panels.",
            "de": "Die Regierung plant eine neue Steuer auf Strom aus Solaranlagen.",
        },
    ),
    "DocSim": (
        CSV,
        {
            "en": "Cars with petrol will be banned,A ban on diesel cars",
            "de": "Autos mit Benzin werden verboten,Ein Verbot von Diesel",
        },
    ),
}
"""Family -> what it reads, and a body by language."""
USUAL_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class Call:
    """One invocation to try."""

    target: str
    headers: Mapping[str, str]
    """Beside the target's."""
    body: str
    family: str = ""
    """"" where nothing tells it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What was seen of the store."""

    uri: str
    calls: Sequence[Call] = ()
    trouble: str = ""
    """Why nothing was seen: the store's error, or that it took too long."""


async def look(
    store: Store,
    kept: Callable[[str], Admitted | None],
    run: Run,
    patience_s: float = LOOK_S,
) -> Offered:
    """Look at the store; whatever is wrong with it, this ends in time and without an error.

    `kept` says what of a target is on this disk.
    """
    try:
        async with asyncio.timeout(patience_s):
            refs = await run(lambda: store.list_after("", "", PAGE))
            targets = in_order(ref.target for ref in refs)
            known = [(target, kept(target)) for target in targets]
            calls = await run(partial(chosen, known))
    except TimeoutError:
        return Offered(store.uri, (), f"it has not answered within {patience_s:g} s")
    except EndpointError as error:
        return Offered(store.uri, (), error.message)
    except Exception as error:  # a hint that cannot be given ends no endpoint
        log.warning("no calls can be suggested", exc_info=True)
        return Offered(store.uri, (), type(error).__name__)
    return Offered(store.uri, calls)


def in_order(targets: Iterable[str]) -> list[str]:
    """Targets, those first that can be typed and whose path names a language we have a text in."""
    return sorted(
        targets, key=lambda each: (not each.isascii(), not _language_in(each), each.count("/"))
    )


def chosen(kept: Sequence[tuple[str, Admitted | None]]) -> list[Call]:
    """Up to three calls, of families apart; `kept` are targets, and what is on this disk of them.

    Blocking: samples are read.
    """
    calls: list[Call] = []
    for target, artifact in kept:
        call = (artifact and _sample(target, artifact)) or _by_family(target, artifact)
        if call is not None and call.family not in {each.family for each in calls}:
            calls.append(call)
        if len(calls) == MOST_CALLS:
            break
    if not calls and kept:
        target = kept[0][0]
        calls.append(Call(target, {CONTENT_TYPE: TEXT}, FORMS["Search"][1][USUAL_LANGUAGE]))
    return calls


def _sample(target: str, artifact: Admitted) -> Call | None:
    """The artifact's own sample request, if it has one that can be shown."""
    try:
        sample = read_sample(artifact.model_dir, target)
        if sample is None:
            return None
        body = sample.body.decode("utf-8")
    except (SampleFailed, UnicodeDecodeError):
        return None
    if len(body) > MOST_BODY_CHARS or not body.isprintable():
        return None
    headers = {
        name: value
        for name, value in sample.headers.items()
        if name.lower() != TARGET_HEADER.lower()
    }
    return Call(target, headers, body, _family(target, artifact) or target)


def _by_family(target: str, artifact: Admitted | None) -> Call | None:
    family = _family(target, artifact)
    if family not in FORMS:
        return None
    content_type, bodies = FORMS[family]
    said = artifact.findings.details.get("language") if artifact is not None else None
    language = said if isinstance(said, str) else _language_in(target)
    body = bodies.get(language or USUAL_LANGUAGE, bodies[USUAL_LANGUAGE])
    return Call(target, {CONTENT_TYPE: content_type}, body, family)


def _family(target: str, artifact: Admitted | None) -> str:
    """The family of a target, by the record of its admission, else by its name; "" if neither."""
    said = artifact.findings.details.get("family") if artifact is not None else None
    if isinstance(said, str):
        return said
    return next((family for family in FORMS if family.lower() in target.lower()), "")


def _language_in(target: str) -> str | None:
    """The language a target's name or path has as a word: de/DocSim.tar.gz, DocSim-de-7.tar.gz."""
    words = re.split(r"[^a-z]+", target.lower())
    return next((each for each in ("de", "en") if each in words), None)
