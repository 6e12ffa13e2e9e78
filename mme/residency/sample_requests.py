"""A request to try a model with: its artifact's own, or else one that its family answers.

How an artifact holds its own is in `trial.py`. Those of the families are data, here in the words
of a caller, since the server reads no family's code; of a family that is not known nothing is said
but its usual content type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mme.residency.trial import DEFAULT_TYPE, read_sample

if TYPE_CHECKING:
    from mme.cache.threads import Run
    from mme.core.artifact import Admitted

ENGLISH = "en"
TEXTS = {
    "de": (
        "Die Regierung plant eine neue Steuer auf Strom aus Solaranlagen.",
        "Für Strom vom eigenen Dach soll bald eine Abgabe fällig werden.",
    ),
    ENGLISH: (
        "The government plans a new tax on electricity from solar panels.",
        "Owners of solar panels will soon have to pay for their own electricity.",
    ),
}
"""By language: two texts about the same."""
FORMS = {
    "TopicalPageRank": ("text/plain", "{0}"),
    "DocSim": ("text/csv", '"{0}","{1}"'),
    "Search": ("text/plain", "{0}"),
    "Embedding": ("text/plain", "{0}"),
}
"""By family: what a request has for its Content-Type, and its body."""


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """A request as a person may send it."""

    content_type: str
    body: str
    accept: str | None = None
    is_own: bool = False
    """Whether the artifact brought it."""


async def sample_request(artifact: Admitted, run: Run) -> SampleRequest:
    """What to ask an artifact on this disk. Raises SampleFailed where its own is broken."""
    own = await run(lambda: read_sample(artifact.model_dir, artifact.target))
    if own is not None:
        content_type, accept = own.headers["Content-Type"], own.headers.get("Accept")
        return SampleRequest(content_type, own.body.decode("utf-8", "replace"), accept, is_own=True)
    details = artifact.findings.details
    form = FORMS.get(str(details.get("family")))
    if form is None:
        return SampleRequest(DEFAULT_TYPE, "")
    texts = TEXTS.get(str(details.get("language")), TEXTS[ENGLISH])
    return SampleRequest(form[0], form[1].format(*texts))
