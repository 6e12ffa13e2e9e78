"""`python -m mme`: the `mme` command, where its script is not on the path."""

from __future__ import annotations

from mme.cli.main import run

if __name__ == "__main__":
    run()
