"""`python -m mme.mms.class_archive JAVA_HOME`: the model server's classes, loaded once and kept.

Run when an image is built. Java maps the archive at later starts instead of reading, checking and
linking some thousand classes anew; `java.py` finds it. An archive that does not fit is ignored.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from mme.mms import config as mms_config
from mme.mms.client import MmsClient
from mme.mms.java import Java, archive_of, find_java
from mme.mms.server import package_dir, prepare
from mme.supervise import StartError

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.1


async def make_archive(java: Java, run_dir: Path) -> Path:
    """Start the model server once, ask it what the platform asks, end it; returns the archive."""
    archive = archive_of(java.program)
    config = mms_config.MmsConfig(
        package_dir=package_dir(),
        run_dir=run_dir,
        handler=Path("/nonexistent/handler.py"),
        worker_program=Path("/bin/false"),
        response_timeout_s=60,
        max_body_bytes=1,
        heap_mib=256,
        queue_length=1,
    )
    prepare(config)
    program, *rest = mms_config.command(config, java)
    process = await asyncio.create_subprocess_exec(
        program,
        "-Xlog:disable",
        f"-XX:ArchiveClassesAtExit={archive}",
        *rest,
        cwd=run_dir,
        stdout=sys.stderr,
    )
    client = MmsClient(config.socket)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while process.returncode is None and not await client.ping(  # noqa: ASYNC110
                timeout_s=1.0
            ):
                await asyncio.sleep(POLL_S)
        if process.returncode is not None:
            raise StartError(f"the model server ended with code {process.returncode}")
        await client.workers(timeout_s=START_TIMEOUT_S)
    finally:
        await client.close()
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    return archive


def main() -> None:
    """Make the archive and say how large it is."""
    parser = argparse.ArgumentParser(prog="python -m mme.mms.class_archive", description=__doc__)
    parser.add_argument("java_home", type=Path)
    java = find_java(str(parser.parse_args().java_home / "bin" / "java"))
    with tempfile.TemporaryDirectory(prefix="mme-") as folder:
        archive = asyncio.run(make_archive(java, Path(folder)))
    sys.stdout.write(f"{archive}: {archive.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
