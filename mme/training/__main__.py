"""`python -m mme.training` is `mme train`."""

from __future__ import annotations

import argparse
import sys

from mme.training.command import run_command
from mme.training.options import add_arguments

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m mme.training")
    add_arguments(parser)
    sys.exit(run_command(parser.parse_args()))
