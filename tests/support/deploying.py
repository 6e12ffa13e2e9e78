"""`mme deploy` against moto's server, with an engine whose pushes arrive in its ECR."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from mme.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

REGION, ACCOUNT = "eu-central-1", "123456789012"
REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
ENGINE = r"""#!/bin/sh
folder=$(dirname "$0")
echo "$*" >> "$folder/calls"
case "$1" in
  login) cat > "$folder/password" ;;
  image)
    if [ "$5" = not-there ]; then echo "Error: no such image: not-there" >&2; exit 1; fi
    echo "sha256:$(printf %s "$5" | sha256sum | cut -d ' ' -f 1)" ;;
  push)
    place=${2%:*}; tag=${2##*:}
    cat > "$folder/image" <<END
{"repositoryName": "${place#*/}", "imageTag": "$tag",
 "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
 "imageManifest": "{\\"schemaVersion\\": 2, \\"config\\": {\\"digest\\": \\"$2\\"}}"}
END
    scope="test/20260101/$AWS_DEFAULT_REGION/ecr/aws4_request"
    curl --silent --fail --output /dev/null "$AWS_ENDPOINT_URL/" --data "@$folder/image" \
      -H "Authorization: AWS4-HMAC-SHA256 Credential=$scope" \
      -H 'X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.PutImage' \
      -H 'Content-Type: application/x-amz-json-1.1' ;;
esac
"""


class Deploying:
    """Runs commands; `engine` has what the engine was called with."""

    def __init__(self, folder: Path, capsys) -> None:
        self._folder = folder
        self._capsys = capsys
        program = folder / "docker"
        program.write_text(ENGINE)
        program.chmod(0o755)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, what was printed, and what was said."""
        self._capsys.readouterr()
        try:
            code = main(["deploy", *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err

    @property
    def engine(self) -> list[str]:
        calls = self._folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

    @property
    def password(self) -> str:
        return (self._folder / "password").read_text()


def environment(url: str, folder: Path, path: str) -> dict[str, str]:
    """What leads AWS's clients to a server, and `docker` to the engine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "PATH": f"{folder}:{path}",
    }


def empty(url: str) -> None:
    """Have the server forget all."""
    requests.post(f"{url}/moto-api/reset", timeout=10)
