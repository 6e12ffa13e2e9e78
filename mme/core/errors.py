"""The errors of the endpoint, each carrying its facts; the gateway alone knows their HTTP form.

EndpointError
├── InvalidRequest            the caller's words are off (bad header, bad key, too large)
│   ├── BodyRefused           ... in a body that is no secret to us: what a management call wants
│   ├── PayloadTooLarge
│   ├── EndpointNotFound
│   ├── TargetNeeded          the endpoint has many models, and none is named
│   ├── TargetNotFound        no such artifact in the store
│   └── ArtifactRejected      the archive is there but broken or unsafe
├── AlreadyLoaded             asked to load under a name that is taken
├── NotLoaded                 asked about a target model that is not on this endpoint
├── StoreUnavailable          the store does not answer
├── ModelFailed               the container's side answered 4xx/5xx or not at all
│   ├── LoadFailed            ... while loading
│   │   └── CodeNotAllowed    ... as it is code, which the operator has not allowed
│   └── ModelTimedOut         ... not within the time a model has for one request
├── ModelNotReady             still loading at the deadline
│   └── NotBack               ... since the workers, which had nothing to do, are not back
├── Busy                      too many requests wait for one model
├── Overloaded                the bodies of all requests take too many bytes
├── NoDiskSpace               the disk cache cannot take another artifact
├── StateUnavailable          what must not be lost cannot be kept, or read, at the moment
└── ShuttingDown              the endpoint drains
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mme.core.timing import StepTime, Timing


FORBIDDEN = 403


class EndpointError(Exception):
    """Base of all errors the endpoint answers with; `message` is meant for the caller's eyes."""

    outcome: str = ""
    """How warm the model was, where an invocation failed (`mme.core.statistics.Outcome`)."""
    timing: Timing | None = None
    """Where its time went."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def for_log(self) -> str:
        """What the log may have of it: nothing that a caller sent in a body."""
        return self.message

    def anew(self) -> Self:
        """The same error, not raised yet.

        Each raise of one object adds frames to it, and they keep what the functions had: bodies.
        """
        again = type(self).__new__(type(self), *self.args)
        again.__dict__.update(self.__dict__)
        return again


class InvalidRequest(EndpointError):
    """The request cannot be served as it was sent."""


class BodyRefused(InvalidRequest):
    """The body of a management call is not what it should be; the message may quote it."""

    @property
    def for_log(self) -> str:
        """Without the body."""
        return type(self).__name__


class PayloadTooLarge(InvalidRequest):
    """The body exceeds the limit of the API."""

    def __init__(self, limit_bytes: int, asked: str = "an invocation") -> None:
        super().__init__(
            f"The request body is larger than the {limit_bytes} bytes {asked} may carry"
        )
        self.limit_bytes = limit_bytes


class EndpointNotFound(InvalidRequest):
    """An endpoint name outside `MME_ENDPOINT_NAMES`."""

    def __init__(self, endpoint: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"Endpoint {endpoint!r} is not served here; known endpoints: {', '.join(allowed)}"
        )
        self.endpoint = endpoint


class TargetNeeded(InvalidRequest):
    """A multi-model endpoint was asked without a target model."""

    def __init__(self, whose: str, otherwise: str = "TargetModel in boto3") -> None:
        """`whose` begins the message, as "Endpoint 'e'"; `otherwise` is the header's other way."""
        super().__init__(
            f"{whose} is a multi-model endpoint: name a target model in the header"
            f" X-Amzn-SageMaker-Target-Model ({otherwise})"
        )
        self.whose = whose

    def without_parameter(self) -> TargetNeeded:
        """The same for an operation whose API has no TargetModel."""
        return TargetNeeded(
            self.whose,
            "this operation has no TargetModel) or as target-model=NAME in the custom"
            " attributes (CustomAttributes in boto3",
        )


class TargetNotFound(InvalidRequest):
    """No artifact at the place a target model names."""

    def __init__(self, target: str, tried: str, reason: str = "there is no such object") -> None:
        shown = tried if "://" in tried else f"<store>/{target}"
        super().__init__(f"Target model {target!r} was not found: tried {shown}, {reason}")
        self.target = target
        self.tried = tried
        self.reason = reason

    def named(self, target: str) -> Self:
        """The same under another name for the target: the one its caller knows."""
        return type(self)(target, self.tried, self.reason)


class ArtifactRejected(InvalidRequest):
    """An artifact that cannot be unpacked, or must not be."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"The artifact {_shown(source)} was refused: {reason}")
        self.source = source
        self.reason = reason


class NotLoaded(EndpointError):
    """A management question about a target model this endpoint does not hold."""

    def __init__(self, target: str) -> None:
        super().__init__(f"Target model {target!r} is not loaded here")
        self.target = target


class NotOffered(NotLoaded):
    """A management question about what is neither held nor in the store."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(target)
        self.message = f"Target model {target!r} is not here, and the store has none: {reason}"


class PinnedBySettings(EndpointError):
    """A model stays in memory by the operator's settings, which no request changes."""

    def __init__(self, target: str) -> None:
        super().__init__(f"Target model {target!r} is pinned by MME_PIN: change that to unpin it")


class AlreadyLoaded(EndpointError):
    """A model of that name is loaded, or loading."""

    def __init__(self, target: str) -> None:
        super().__init__(f"Model {target!r} is loaded already, or loading")
        self.target = target


class StoreUnavailable(EndpointError):
    """The store could not be reached or answered with a fault of its own."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"The model store cannot serve {_shown(where)}: {reason}")
        self.where = where


class ModelFailed(EndpointError):
    """The model's side failed: `status` and `body` are what it answered (status 0: no answer)."""

    steps: tuple[StepTime, ...] = ()
    """Of a pipeline, those that were run; the last one failed."""

    def __init__(self, target: str, status: int, body: str) -> None:
        super().__init__(f"Model {target!r} answered {status}: {body}")
        self.target = target
        self.status = status
        self.body = body

    @property
    def speaker(self) -> str:
        """Whose failure it is, as callers are told: the step's, or "model"."""
        return self.steps[-1].name if self.steps else "model"


class LoadFailed(ModelFailed):
    """The model could not be loaded; `body` is the reason the worker gave."""

    @classmethod
    def because(cls, target: str, kind: str, message: str, status: int) -> Self:
        """The error whose body tells the reason in the form that models' own errors have."""
        body = {"type": kind, "message": message, "status": status, "target_model": target}
        return cls(target, status, json.dumps(body, ensure_ascii=False))


class CodeNotAllowed(LoadFailed):
    """The model is code, and the operator has not allowed the code of this target to run."""

    def __init__(self, target: str) -> None:
        because = LoadFailed.because(
            target,
            type(self).__name__,
            f"the model is code, which runs only where the endpoint's operator has allowed it:"
            f" MME_ALLOW_CODE does not name {target!r}",
            FORBIDDEN,
        )
        super().__init__(target, because.status, because.body)


class ModelTimedOut(ModelFailed):
    """The model did not answer in time; its status is 0, since it gave no answer."""

    def __init__(self, target: str, timeout_s: float) -> None:
        super().__init__(target, 0, f"The model did not answer within {timeout_s:g} s")
        self.timeout_s = timeout_s


class ModelNotReady(EndpointError):
    """A model that is still being brought in when the caller's deadline passes."""

    def __init__(self, target: str, reason: str) -> None:
        super().__init__(f"Model {target!r} is not ready: {reason}")
        self.target = target


class NotBack(ModelNotReady):
    """The workers went down while nothing was asked, and have not come back."""

    def __init__(self, reason: str) -> None:
        EndpointError.__init__(
            self, f"The workers went down while nothing was asked and are not back: {reason}"
        )
        self.args = (reason,)


class Busy(EndpointError):
    """More requests wait for one model than it may keep waiting."""

    def __init__(self, target: str, waiting: int) -> None:
        super().__init__(f"Model {target!r} is busy: {waiting} requests are waiting for it already")
        self.target = target
        self.waiting = waiting


class Overloaded(EndpointError):
    """The requests under way hold as many bytes of bodies as they may together."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The bodies of the requests under way take the {limit_bytes} bytes they may take"
            " together; try again"
        )
        self.limit_bytes = limit_bytes


class NoDiskSpace(EndpointError):
    """The disk cache cannot take an artifact; nothing of it was kept."""

    def __init__(self, folder: str, source: str) -> None:
        place = "the cache's folder" if folder.startswith("/") else folder
        super().__init__(f"There is no space left in {place} for {_shown(source)}")
        self.folder = folder
        self.source = source


class StateUnavailable(EndpointError):
    """The database of the state failed (locked, disk full, broken); what was asked is not done."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The endpoint's state (MME_STATE_DIR) cannot be used: {reason}")


class ShuttingDown(EndpointError):
    """The endpoint takes no new work."""

    def __init__(self) -> None:
        super().__init__("The endpoint is shutting down")


def _shown(place: str) -> str:
    """An address as callers may see it: of a path of this machine, the last part."""
    return place if "://" in place else place.rpartition("/")[2]
