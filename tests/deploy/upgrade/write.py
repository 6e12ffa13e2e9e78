"""Run an earlier version for real and pack what it leaves: `python -m tests.deploy.upgrade.write`.

Takes the folder of a checkout and the archive to write. See README.md beside it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.earlier import (
    BUCKET,
    CACHE,
    FACTS,
    STATE,
    STORE,
    TARGET,
    TEXTS,
    ask_later,
    begin_job,
    create,
    fill,
    keyphrases,
    settings_for,
)
from tests.support.endpoint import running_endpoint
from tests.support.s3 import running_s3
from tests.support.waiting import eventually


def leave_behind(checkout: Path, folder: Path) -> dict[str, Any]:
    """Have the version in `checkout` do some work in `folder`, and be killed with some to do."""
    store = folder / STORE
    store.mkdir()
    shutil.copy2(checkout / "artifacts" / TARGET, store)
    facts: dict[str, Any] = {}
    with contextlib.ExitStack() as s3_runs:
        s3 = s3_runs.enter_context(running_s3())
        fill(s3.client(), store)
        settings = {"PYTHONPATH": str(checkout)} | settings_for(s3.url)
        with running_endpoint(str(store), folder, settings, folder=checkout) as endpoint:
            facts["answers"] = {text: keyphrases(endpoint.url, text, "any") for text in TEXTS}
            last = signal.SIGTERM
            if (checkout / "mme" / "jobs" / "asynchronous").is_dir():
                create(endpoint.url)
                facts["done"] = ask_later(endpoint.url, TEXTS[0])
                _wait_for(s3.client(), facts["done"]["output"])
                s3_runs.close()  # what comes now has to wait
                facts["queued"] = [ask_later(endpoint.url, text) for text in TEXTS]
                begin_job(endpoint.url)
                last = signal.SIGKILL
            endpoint.stop(last)
            sys.stderr.write(endpoint.log)
    return facts | {"ended_at": time.time()}


def _wait_for(s3: Any, uri: str) -> None:
    key = uri.removeprefix(f"s3://{BUCKET}/")
    eventually(lambda: s3.list_objects_v2(Bucket=BUCKET, Prefix=key)["KeyCount"], bool, 60)


def main(checkout: str, archive: str) -> None:
    with tempfile.TemporaryDirectory(prefix="mme-test-") as scratch:
        folder = Path(scratch)
        facts = leave_behind(Path(checkout).resolve(), folder)
        (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=1))
        with tarfile.open(archive, "w:xz") as packed:
            for name in (FACTS, STORE, CACHE, STATE):
                if (folder / name).exists():
                    packed.add(folder / name, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
