"""Run other servers' own tests against this one: `python -m tests.peers FOLDER [--write]`.

FOLDER holds checkouts of them, which are read and never written to. A case that differs, and is not
among the known differences, is a failure; so is one that is among them and passes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.peers import apart, page, suites
from tests.peers.suites import CLIENT, MMS, TOOLKIT, TRITON

NAMES = (TOOLKIT, TRITON, CLIENT, MMS)
ALL = (suites.toolkit, suites.triton, suites.client, suites.mms)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.peers", description=__doc__)
    parser.add_argument("folder", type=Path, help=f"with {', '.join(NAMES)}")
    parser.add_argument("--write", action="store_true", help=f"write {page.DOCUMENT.name}")
    given = parser.parse_args()
    peers = given.folder.resolve()
    for name in NAMES:
        if not (peers / name).is_dir():
            parser.error(f"{peers} has no checkout {name}")
    if not apart.is_inside():
        with tempfile.TemporaryDirectory(prefix="peers-") as name:
            return apart.run_inside("tests.peers", sys.argv[1:], Path(name))
    scratch = apart.scratch()
    (scratch / "root").mkdir()
    commits = {name: _commit(peers / name) for name in NAMES}
    apart.set_up(scratch / "root", suites.folders(peers, scratch))
    cases = []
    for suite in ALL:
        for case in suite(peers, scratch):
            cases.append(case)
            print(page.line(case), flush=True)
    if given.write:
        page.DOCUMENT.write_text(page.as_markdown(cases, commits), encoding="utf-8")
    wrong = page.unexpected(cases)
    for words in wrong:
        print(words)
    passed = sum(case.passed for case in cases)
    print(f"{passed} passed, {len(wrong)} failed")
    return 1 if wrong else 0


def _commit(checkout: Path) -> str:
    """The commit a checkout is at, as far as it says."""
    asked = ["git", "-C", str(checkout), "rev-parse", "--short=10", "HEAD"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    return ended.stdout.strip() or "an unknown commit"


if __name__ == "__main__":
    sys.exit(main())
