"""What the model server is told: its properties file, its command line, its environment.

Pure: files and folders in, text and lists out. Facts behind the keys: MMS 1.1.11,
`ConfigManager.java`; sources of surprise are commented.
"""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from mme.mms.java import Java

# Starting and ending a worker block one network thread each, and every connection on it.
NETWORK_THREADS = 16
QUIET_FROM_JAVA = 24


@dataclass(frozen=True, slots=True)
class MmsConfig:
    """One model server: where it listens, where it may write, what bounds it."""

    package_dir: Path
    """The installed package `mms`: the server's jar and the workers' code."""
    run_dir: Path
    """Private folder for sockets, pipes, logs, reports; the owner removes it."""
    handler: Path
    """The handler's file; its folder is put on the workers' path."""
    worker_program: Path
    """Program the server starts workers with, see `worker_launcher`."""
    response_timeout_s: float
    """Bound on one load or prediction in a worker."""
    max_body_bytes: int
    heap_mib: int
    queue_length: int
    address: str = ""
    """An address such as `http://127.0.0.1:8080` to listen on instead of `socket`."""
    for_workers: Mapping[str, str] = field(default_factory=dict)
    """What else workers find in their environment."""

    @property
    def service(self) -> str:
        """The handler as the server names one: file and function."""
        return f"{self.handler}:handle"

    @property
    def socket(self) -> Path:
        """Where it listens: no port to be found or taken, and nobody else's to connect to."""
        return self.temp_dir / "api.sock"

    @property
    def temp_dir(self) -> Path:
        """Worker sockets and pipes."""
        return self.run_dir / "tmp"

    @property
    def report_dir(self) -> Path:
        """Where workers leave the outcome of each load."""
        return report_dir(self.run_dir)

    @property
    def log_dir(self) -> Path:
        """The server's own log files."""
        return self.run_dir / "logs"

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of this server alone, made before it starts and removed after its end."""
        return self.temp_dir, self.report_dir, self.log_dir

    @property
    def log_config_file(self) -> Path:
        """The file `log_config` is written to."""
        return self.run_dir / "log4j2.xml"

    @property
    def properties_file(self) -> Path:
        """The file `properties` is written to."""
        return self.run_dir / "config.properties"


def report_dir(run_dir: Path) -> Path:
    """Where workers leave the outcome of each load, and the template its signs of them."""
    return run_dir / "loads"


def properties(config: MmsConfig) -> str:
    """The text of config.properties."""
    # One address for both APIs; the margin lets the gateway, not the server, judge body sizes.
    address = config.address or f"unix:{config.socket}"
    body_limit = config.max_body_bytes + 65536
    values = {
        "inference_address": address,
        "management_address": address,
        # Local paths are loaded only below the model store.
        "model_store": "/",
        "load_models": "",
        "default_service_handler": config.service,
        "default_workers_per_model": 1,
        "default_response_timeout_seconds": math.ceil(config.response_timeout_s),
        "unregister_model_timeout": 60,
        "max_request_size": body_limit,
        "max_response_size": body_limit,
        # The gateway refuses first, with a better answer.
        "job_queue_size": config.queue_length + 1,
        "number_of_netty_threads": NETWORK_THREADS,
        # Otherwise a body of broken JSON kills the worker.
        "decode_input_request": "false",
        "async_logging": "true",
        "number_of_gpu": 0,
        # Each collection starts a Python; the endpoint reads memory itself.
        "metric_time_interval": 86400,
    }
    return "".join(
        f"{key}={_escaped(str(value))}\n" for key, value in values.items() if value != ""
    )


def _escaped(value: str) -> str:
    """A value as a properties file has it: ASCII, backslashes doubled (java.util.Properties)."""
    text = os.fsencode(value).decode("utf-8", "replace")  # paths may hold what the locale has not
    units = text.replace("\\", "\\\\").encode("utf-16-be")
    pairs = (units[place : place + 2] for place in range(0, len(units), 2))
    return "".join(
        chr(pair[1]) if pair[0] == 0 and chr(pair[1]).isascii() else f"\\u{pair.hex()}"
        for pair in pairs
    )


def command(config: MmsConfig, java: Java) -> list[str]:
    """The command line.

    Java is started directly, because the `multi-model-server` program would put its own
    interpreter in the place of `--python` and neither forwards signals nor returns exit codes.
    """
    # Newer Javas complain, at every start, of what netty and log4j do.
    quiet = (
        ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
        if java.major >= QUIET_FROM_JAVA
        else []
    )
    mapped = [] if java.archive is None else [f"-XX:SharedArchiveFile={java.archive}"]
    return [
        java.program,
        *quiet,
        *mapped,
        f"-Xmx{config.heap_mib}m",
        "-Xms8m",
        "-Xss512k",  # five threads a worker: their stacks add up
        "-XX:StackShadowPages=10",  # written by every thread, though hardly one goes that deep
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        f"-Djava.io.tmpdir={config.temp_dir}",
        f"-DLOG_LOCATION={config.log_dir}",
        f"-DMETRICS_LOCATION={config.log_dir}",
        f"-Dlog4j.configurationFile={config.log_config_file}",
        "-cp",
        f"{config.package_dir / 'frontend'}/*",
        "com.amazonaws.ml.mms.ModelServer",
        "--python",
        str(config.worker_program),
        "-f",
        str(config.properties_file),
    ]


def inherited(base: Mapping[str, str]) -> dict[str, str]:
    """`base`, our environment, without what workers must not see: credentials and settings."""
    return {
        name: value
        for name, value in base.items()
        if not name.startswith(("AWS_", "MME_", "MMS_")) and name != "PYTHONPATH"
    }


def environment(config: MmsConfig, base: Mapping[str, str]) -> dict[str, str]:
    """The server's environment, which its workers inherit; `base` is ours."""
    return inherited(base) | {
        # Else Java finds no file with a letter in its name that the locale has not.
        "LC_ALL": "C.UTF-8",
        "LOG_LOCATION": str(config.log_dir),
        "METRICS_LOCATION": str(config.log_dir),
        "TEMP": str(config.temp_dir),
        "MODEL_SERVER_HOME": str(config.package_dir.parent),
        # One request at a time and two cores for all models: thread pools would only fight.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "MME_LOAD_REPORTS": str(config.report_dir),
        "MME_ANSWER_LIMIT_BYTES": str(config.max_body_bytes),
        **config.for_workers,
    }


def worker_launcher(python: str, handler: Path) -> str:
    """The text of the program the server starts instead of `python`, a shell script.

    The server puts the model's own folder on PYTHONPATH, ahead of the standard library, so an
    artifact with a `logging.py` inside would run it. In isolated mode Python looks at neither
    PYTHONPATH nor the working directory; the handler's folder alone is added.
    """
    bootstrap = (
        "import runpy, sys;"
        f"sys.path.append({str(handler.parent)!r});"
        "del sys.argv[0];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    return f'#!/bin/sh\nexec {shlex.quote(python)} -I -u -c {shlex.quote(bootstrap)} "$@"\n'


def log_config() -> str:
    """The server's log4j2 configuration: models' output and the server's warnings on stdout.

    Both in the form that `lines` reads.
    """
    return _LOG_CONFIG


# The workers' own protocol lines say nothing to an operator.
_PROTOCOL_LINES = (
    r"\[PID\] \d+|MMS worker started\.|Python runtime: .*|Connection accepted: .*"
    r"|model_service_worker started with args: .*|Listening on port: .*"
    r"|Model \w+ loaded io_fd=.*|Frontend disconnected\."
    r"|(attach|terminate)IOStreams\(\) threadName=.*|Stopped Scanner - .*"
)


def _pattern(kind: str) -> str:
    """Objects of JSON, which `lines` reads; quotes are those of XML."""
    said = "%enc{%m%notEmpty{ %ex{short}}}{JSON}"
    form = f'{{"mms":"{kind}","level":"%p","thread":"%enc{{%t}}{{JSON}}","message":"{said}"}}%n'
    return form.replace('"', "&quot;")


_LOG_CONFIG = f"""<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error">
  <Appenders>
    <Console name="stdout" target="SYSTEM_OUT">
      <PatternLayout pattern="{_pattern("server")}"/>
    </Console>
    <Console name="models" target="SYSTEM_OUT">
      <PatternLayout pattern="{_pattern("worker")}"/>
      <RegexFilter regex="{_PROTOCOL_LINES}" onMatch="DENY" onMismatch="ACCEPT"/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="com.amazonaws.ml.mms.wlm.WorkerLifeCycle" level="info" additivity="false">
      <AppenderRef ref="models"/>
    </Logger>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MMS_METRICS" level="off"/>
    <Logger name="com.amazonaws.ml.mms.wlm" level="error"/>
    <!-- Its tries to bring back a worker that is gone: another one is there long since. -->
    <Logger name="com.amazonaws.ml.mms.wlm.WorkerThread" level="off"/>
    <!-- Options of TCP, which a Unix socket has not. -->
    <Logger name="io.netty.bootstrap" level="error"/>
    <Root level="warn"><AppenderRef ref="stdout"/></Root>
  </Loggers>
</Configuration>
"""
