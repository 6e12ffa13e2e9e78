"""The single-model container outside a container, on a folder in place of `/opt/ml/model`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from mme.app.modes import read_platform
from mme.cli.serve import serve
from mme.core.log import configure_logging
from mme.core.settings import read_settings

if __name__ == "__main__":
    settings = read_settings()
    configure_logging(settings.log_level, settings.log_format)
    sys.exit(asyncio.run(serve(settings, read_platform(os.environ, Path(sys.argv[1])))))
