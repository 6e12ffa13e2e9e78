"""What a transform is to do with each input: the parameters of the service, checked together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mme.jobs.transform.errors import TransformRefused
from mme.jobs.transform.json_path import JsonPath, read_path
from mme.jobs.transform.records import LINE, NONE, SPLIT_TYPES

MIB = 1024 * 1024
MULTI_RECORD, SINGLE_RECORD = "MultiRecord", "SingleRecord"
STRATEGIES = (MULTI_RECORD, SINGLE_RECORD)
GZIP = "Gzip"
COMPRESSIONS = (NONE, GZIP)
ASSEMBLIES = (NONE, LINE)
INPUT = "Input"
JOIN_SOURCES = (NONE, INPUT)
MOST_MB_TOGETHER = 100
MOST_MB = 100
DEFAULT_MB = 6
LONGEST_S = 3600
DEFAULT_TIMEOUT_S = 600
MOST_RETRIES = 3
CSV, JSON, JSON_LINES = "csv", "json", "jsonlines"
FORMATS = {
    "text/csv": CSV,
    "application/json": JSON,
    "application/jsonlines": JSON_LINES,
    "application/x-jsonlines": JSON_LINES,
    "application/jsonl": JSON_LINES,
    "application/x-ndjson": JSON_LINES,
}


def format_of(content_type: str) -> str:
    """What is known of bodies of this type; empty if nothing."""
    return FORMATS.get(content_type.partition(";")[0].strip().lower(), "")


@dataclass(frozen=True, slots=True)
class Processing:
    """The DataProcessing of a transform."""

    input_filter: JsonPath
    output_filter: JsonPath
    is_joined: bool

    @classmethod
    def read(
        cls, input_filter: str = "$", output_filter: str = "$", join: str = NONE
    ) -> Processing:
        """From the parameters. Raises TransformRefused."""
        _check("JoinSource", join, JOIN_SOURCES)
        return cls(
            read_path(input_filter, "InputFilter"),
            read_path(output_filter, "OutputFilter"),
            join == INPUT,
        )

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.input_filter) or bool(self.output_filter) or self.is_joined


@dataclass(frozen=True, slots=True)
class Transform:
    """The terms of a transform. Raises TransformRefused for what does not go together."""

    content_type: str = ""
    accept: str = ""
    split_type: str = NONE
    strategy: str = MULTI_RECORD
    max_payload_mb: int = DEFAULT_MB
    """Of MiB; 0: as large as may be."""
    max_concurrent: int = 1
    assemble_with: str = NONE
    compression: str | None = NONE
    """None: as the name of each input says."""
    processing: Processing = field(default_factory=Processing.read)
    timeout_s: float = DEFAULT_TIMEOUT_S
    retries: int = MOST_RETRIES

    def __post_init__(self) -> None:
        _check("SplitType", self.split_type, SPLIT_TYPES)
        _check("BatchStrategy", self.strategy, STRATEGIES)
        _check("AssembleWith", self.assemble_with, ASSEMBLIES)
        if self.compression is not None:
            _check("CompressionType", self.compression, COMPRESSIONS)
        _check_range("MaxPayloadInMB", self.max_payload_mb, 0, MOST_MB)
        _check_range("InvocationsTimeoutInSeconds", self.timeout_s, 1, LONGEST_S)
        _check_range("InvocationsMaxRetries", self.retries, 0, MOST_RETRIES)
        if self.max_concurrent < 1:
            raise TransformRefused(
                f"MaxConcurrentTransforms is {self.max_concurrent}: it must be 1 or more"
            )
        if self.max_payload_mb * self.max_concurrent > MOST_MB_TOGETHER:
            raise TransformRefused(
                f"MaxConcurrentTransforms ({self.max_concurrent}) times MaxPayloadInMB"
                f" ({self.max_payload_mb}) is more than {MOST_MB_TOGETHER} MB"
            )
        if self.processing and not format_of(self.content_type):
            raise TransformRefused(
                "InputFilter, OutputFilter and JoinSource need the content type text/csv,"
                f" application/json or application/jsonlines; it is {self.content_type!r}"
            )

    @property
    def payload_bytes(self) -> int:
        """The largest payload."""
        return (self.max_payload_mb or MOST_MB) * MIB


def _check(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise TransformRefused(f"{name} is {value!r}: it must be one of {', '.join(allowed)}")


def _check_range(name: str, value: float, least: int, most: int) -> None:
    if not least <= value <= most:
        raise TransformRefused(f"{name} is {value:g}: it must be from {least} to {most}")


def from_request(request: dict[str, Any]) -> Transform:
    """The terms in a CreateTransformJob request that the service's model has found valid."""
    source, target = request["TransformInput"], request["TransformOutput"]
    processing = request.get("DataProcessing", {})
    client = request.get("ModelClientConfig", {})
    return Transform(
        content_type=source.get("ContentType", ""),
        accept=target.get("Accept", ""),
        split_type=source.get("SplitType", NONE),
        strategy=request.get("BatchStrategy", MULTI_RECORD),
        max_payload_mb=request.get("MaxPayloadInMB", DEFAULT_MB),
        max_concurrent=request.get("MaxConcurrentTransforms") or 1,
        assemble_with=target.get("AssembleWith", NONE),
        compression=source.get("CompressionType", NONE),
        processing=Processing.read(
            processing.get("InputFilter", "$"),
            processing.get("OutputFilter", "$"),
            processing.get("JoinSource", NONE),
        ),
        timeout_s=client.get("InvocationsTimeoutInSeconds", DEFAULT_TIMEOUT_S),
        retries=client.get("InvocationsMaxRetries", MOST_RETRIES),
    )
