"""`python -m mme.training` is `mme train`."""

from __future__ import annotations

import argparse
import sys

from mme.training.command import add_arguments, run_command

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m mme.training",
        description="Train the models switched on in models/models_to_be_trained.json.",
    )
    add_arguments(parser)
    sys.exit(run_command(parser.parse_args()))
