"""Start the endpoint: `python serve.py` is `mme serve`; other arguments are other commands."""

from __future__ import annotations

import sys

from mme.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["serve"]))
