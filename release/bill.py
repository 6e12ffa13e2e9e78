"""Bills of materials in CycloneDX: of the packages the wheel needs, and of all an image holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KINDS = ("deb", "pypi", "generic")


@dataclass(frozen=True, slots=True)
class Part:
    """One thing in an image: a Debian package, a Python package, Java."""

    kind: str
    """As in a package URL: `deb`, `pypi`, `generic`."""
    name: str
    version: str

    @property
    def url(self) -> PackageURL:
        """Its package URL."""
        return PackageURL(
            self.kind, "debian" if self.kind == "deb" else None, self.name, self.version
        )


def write_packages_bill(python: Path, pyproject: Path, path: Path, time_s: int) -> None:
    """The bill of an environment: versions, licences, what depends on what.

    That the project needs all of it is added: its dependencies are not in `pyproject` itself.
    """
    subprocess.run(
        [
            sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible",
            "--pyproject", pyproject, "--output-file", path, python,
        ],
        env=os.environ | {"SOURCE_DATE_EPOCH": str(time_s), "PYTHONWARNINGS": "ignore"}, check=True,
    )  # fmt: skip
    said = json.loads(path.read_text("utf-8"))
    root = said["metadata"]["component"]["bom-ref"]
    others = [each for each in said["dependencies"] if each["ref"] != root]
    needed = sorted(each["bom-ref"] for each in said["components"])
    said["dependencies"] = [{"ref": root, "dependsOn": needed}, *others]
    path.write_text(json.dumps(said, indent=2) + "\n", "utf-8")


def write_image_bill(
    name: str, version: str, parts: Iterable[Part], path: Path, time_s: int
) -> None:
    """The bill of an image; the same bytes for the same parts and time."""
    whole = Component(
        name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"{name}@{version}"
    )
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_OID, f"{name}@{version}@{time_s}"))
    bom.metadata.component = whole
    bom.metadata.timestamp = datetime.fromtimestamp(time_s, UTC)
    for part in parts:
        url = part.url
        component = Component(
            name=part.name, version=part.version, purl=url, bom_ref=url.to_string()
        )
        bom.components.add(component)
    bom.register_dependency(whole, bom.components)
    path.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n", "utf-8")
