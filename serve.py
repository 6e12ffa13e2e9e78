"""Start the endpoint: `python serve.py` is `mme serve`; other arguments are other commands.

It is the image's entry point, and as process 1 of a container it gets no default action for
SIGTERM: until the endpoint handles the signal itself, it ends us here.
"""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from mme.cli.main import leave, main

    leave(main(sys.argv[1:] or ["serve"]))
