"""Whether a model answers: its own sample request, asked of the endpoint as callers ask.

The sample is read out of the archive as it streams from S3, so nothing of it is written but that
one small file. A model that SageMaker is still loading is asked again until the deadline.
"""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from mme.core.artifact import SAMPLE_REQUEST
from mme.core.errors import EndpointError
from mme.residency.trial import HEADERS, MOST_BYTES, Sample, SampleFailed, read_sample

if TYPE_CHECKING:
    from collections.abc import Callable

    from mme.store.base import Store

LOADING = ("ModelNotReadyException", "ServiceUnavailable", "ThrottlingException")
"""Asked again until the deadline."""
FAULTS = ("InternalDependencyException", "InternalFailure")
"""The platform's own, which no model is to be rolled back for at once."""
FAULTS_BORNE = 4
PAUSE_S = 5.0
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, OSError)
"""What a broken archive raises, gzip's BadGzipFile among it."""


def sample_of(store: Store, target: str) -> Sample:
    """The sample request in an artifact of the store. Raises SampleFailed, and as the store does.

    Each artifact of a pipeline has one, or there would be nothing to try it with.
    """
    ref = store.find(target)
    try:
        with (
            store.open(ref) as content,
            tarfile.open(fileobj=content, mode="r|gz") as archive,
            tempfile.TemporaryDirectory() as folder,
        ):
            for member in archive:
                if PurePosixPath(member.name) == PurePosixPath(SAMPLE_REQUEST):
                    source = archive.extractfile(member)
                    said = source.read(MOST_BYTES + 1) if source is not None else b""
                    Path(folder, SAMPLE_REQUEST).write_bytes(said)
                    sample = read_sample(Path(folder), target)
                    if sample is not None:
                        return sample
    except EndpointError:
        raise
    except UNREADABLE as error:
        raise SampleFailed(target, f"its archive cannot be read: {error}") from error
    raise SampleFailed(
        target,
        f"it has no {SAMPLE_REQUEST} to try it with: train with the hyperparameter sample_request",
    )


def why_it_fails(
    runtime: Any,
    endpoint: str,
    target: str,
    sample: Sample,
    *,
    time_left_s: Callable[[], float],
    pause: Callable[[float], None],
) -> str:
    """Why the endpoint does not answer a sample request, or ""."""
    parameters = _parameters(endpoint, target, sample)
    faults = 0
    while True:
        try:
            runtime.invoke_endpoint(**parameters)["Body"].read()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            said = error.response.get("OriginalMessage") or error.response["Error"].get("Message")
            reason = f"its sample request is answered with {code}: {said}"
            faults += code in FAULTS
            may_pass = code in (*LOADING, *FAULTS)
        except BotoCoreError as error:
            reason = f"its sample request is not answered: {error}"
            faults += 1
            may_pass = True
        else:
            return ""
        if not may_pass or faults > FAULTS_BORNE or time_left_s() <= PAUSE_S:
            return reason
        pause(PAUSE_S)


def _parameters(endpoint: str, target: str, sample: Sample) -> dict[str, object]:
    """The request in the words of boto3."""
    said = {
        member: sample.headers[header]
        for member, header in HEADERS.items()
        if header in sample.headers
    }
    return said | {"EndpointName": endpoint, "TargetModel": target, "Body": sample.body}
