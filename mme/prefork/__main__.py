"""`python -m mme.prefork`: import everything, exercise it once, then fork on request."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import sys
import time
from pathlib import Path

from mme.prefork.confinement import be_private, prepare
from mme.prefork.output import install
from mme.prefork.rehearsal import rehearse
from mme.prefork.settling import settle
from mme.prefork.template import Template, TemplatePaths
from mme.prefork.worker import be_expendable
from models.warm_up import warm_up

LOADING_NICENESS = 10

log = logging.getLogger("mme.prefork")


def main() -> None:
    """Run a template; ends at SIGTERM."""
    options = parser().parse_args()
    install(os.environ.get("MME_LOG_LEVEL") or "INFO")
    began_s = time.monotonic()
    sys.path.append(str(options.handler.parent))
    importlib.import_module(options.handler.stem)
    loaded = warm_up([key for key in options.languages.split(",") if key])
    rehearse(options.handler, parent=options.requests.parent)
    prepare()
    settle()
    # Forks are born with this: those who load let those pass who answer.
    os.nice(LOADING_NICENESS)
    if os.geteuid() != 0:
        # Workers are of the same user: none may change what all others are forked from. It comes
        # first to be given up, as they are, since what is private may not say so any more.
        be_expendable()
        be_private()
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    paths = TemplatePaths(options.requests, options.signs, options.doors, options.admissions)
    template = Template(paths, options.generation)

    def announce() -> None:
        seconds = time.monotonic() - began_s
        log.info("template (pid %d) is ready after %.1f s", os.getpid(), seconds)
        if options.ready is not None:
            write_whole(options.ready, json.dumps(loaded))

    template.run(on_ready=announce)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(prog="python -m mme.prefork", description=__doc__)
    made.add_argument("--requests", type=Path, required=True, help="FIFO of launchers' requests")
    made.add_argument("--admissions", type=Path, help="socket for admissions, to be made")
    made.add_argument("--doors", type=Path, help="folder of the workers' doors")
    made.add_argument("--signs", type=Path, required=True, help="folder for NAME.forked files")
    made.add_argument("--handler", type=Path, required=True, help="the handler's file")
    made.add_argument("--ready", type=Path, help="file for the list of pipelines, once it is ready")
    made.add_argument("--languages", default="", help="comma list of pipelines: de, de=PACKAGE")
    made.add_argument("--generation", type=int, default=0, help="number its workers bear")
    return made


def write_whole(path: Path, text: str) -> None:
    """Write a file that appears whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


if __name__ == "__main__":
    main()
