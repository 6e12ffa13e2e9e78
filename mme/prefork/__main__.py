"""`python -m mme.prefork`: import everything, exercise it once, then fork on request."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
import time
from pathlib import Path

from mme.prefork.rehearsal import rehearse
from mme.prefork.server import PreforkServer
from mme.prefork.settling import settle
from models.warm_up import warm_up

log = logging.getLogger("mme.prefork")


def main() -> None:
    """Run the prefork server; ends at SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m mme.prefork", description=__doc__)
    parser.add_argument("--requests", type=Path, required=True, help="FIFO of launchers' requests")
    parser.add_argument("--signs", type=Path, required=True, help="folder for NAME.forked files")
    parser.add_argument("--handler", type=Path, required=True, help="the handler's file")
    parser.add_argument("--ready", type=Path, help="file to make when requests are answered")
    parser.add_argument("--languages", default="", help="comma list of pipelines to load")
    options = parser.parse_args()
    # The form a worker's log has: the model server puts time and level before each line.
    logging.basicConfig(stream=sys.stdout, format="%(message)s", level=logging.INFO)
    began_s = time.monotonic()
    sys.path.append(str(options.handler.parent))
    importlib.import_module(options.handler.stem)
    warm_up([language for language in options.languages.split(",") if language])
    rehearse(options.handler)
    settle()
    server = PreforkServer(options.requests, options.signs)

    def announce() -> None:
        seconds = time.monotonic() - began_s
        log.info("prefork server (pid %d) is ready after %.1f s", os.getpid(), seconds)
        if options.ready is not None:
            options.ready.touch()

    server.run(on_ready=announce)


if __name__ == "__main__":
    main()
