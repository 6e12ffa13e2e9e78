"""Start the endpoint: `python serve.py` is `mme serve`; other arguments are other commands.

It is the image's entry point, and as process 1 of a container it gets no default action for
SIGTERM: until the endpoint or the training handles the signal itself, it ends us here. An endpoint
that stops has done its work; a training has not.
"""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    code = 128 + signal.SIGTERM if sys.argv[1:2] == ["train"] else 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(code))
    from mme.cli.main import leave, main

    leave(main(sys.argv[1:] or ["serve"]))
