"""What the state machine is to train: its input, from the models that are switched on.

    python deploy/aws/training_plan.py models --work s3://bucket/ --id 20260102T030405 --image URI

The build runs it in the image it has just made, which is the image that will train: switches and
inputs are read from the source by the same code. A corpus that lies beside the models is uploaded
by the build (`corpora` in what is printed); one in S3 is taken from there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.store.alias_file import check_id
from mme.training.plan import TrainingError, make_plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mme.training.plan import Job

S3 = "s3://"


def plan(jobs: Sequence[Job], *, work: str, version_id: str, image: str) -> dict[str, Any]:
    """The input of the state machine. `work`: `s3://bucket/`, which is the pipeline's own."""
    return {
        "image": image,
        "version": version_id,
        "models": [_model(job, work, version_id) for job in jobs],
        "corpora": {
            job.corpus_uri: _corpus(job, work, version_id)
            for job in jobs
            if not job.corpus_uri.startswith(S3)
        },
    }


def _model(job: Job, work: str, version_id: str) -> dict[str, object]:
    given = {"family": job.family, "sample_request": "true"}
    if job.corpus_name:
        given["train_df"] = job.corpus_name
    return {
        "name": job.target,
        # Job names have letters, digits and hyphens alone, and room for so many characters.
        "job": re.sub("[^A-Za-z0-9]", "-", job.target)[:16],
        "corpus": _corpus(job, work, version_id),
        "output": f"{work}training/{job.target}/{version_id}",
        "hyperparameters": given,
    }


def _corpus(job: Job, work: str, version_id: str) -> str:
    """Where the training job is to read: a prefix."""
    if job.corpus_uri.startswith(S3):
        return job.corpus_uri
    return f"{work}corpora/{version_id}/{job.corpus_uri.strip('/')}/"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the input; returns the exit code."""
    parser = argparse.ArgumentParser(description="Print the input of the training state machine.")
    parser.add_argument("models", type=Path, help="folder with models_to_be_trained.json")
    parser.add_argument("--work", required=True, help="s3://bucket/ of the pipeline")
    parser.add_argument("--id", required=True, type=check_id, help="id of the versions")
    parser.add_argument("--image", required=True, help="the image to train with")
    given = parser.parse_args(arguments)
    try:
        found = plan(
            make_plan(given.models), work=given.work, version_id=given.id, image=given.image
        )
    except TrainingError as error:
        sys.stderr.write(f"training_plan: {error}\n")
        return 1
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
