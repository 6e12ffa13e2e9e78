"""What `kubectl apply -k` would send, as far as deploy/kubernetes uses kustomize; else it refuses.

Names of generated ConfigMaps get no hash here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonpatch
import yaml

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = {"apiVersion", "kind", "resources", "configMapGenerator", "images", "patches"}


def built(folder: Path) -> list[dict[str, Any]]:
    """All objects of a kustomization, patched."""
    said = yaml.safe_load((folder / "kustomization.yaml").read_text())
    assert set(said) <= KNOWN, f"{folder}: {set(said) - KNOWN}"
    objects: list[dict[str, Any]] = []
    for name in said.get("resources", []):
        path = folder / name
        if path.is_dir():
            objects += built(path)
        else:
            assert path.resolve().is_relative_to(folder.resolve()), f"{name} is not below {folder}"
            objects += [each for each in yaml.safe_load_all(path.read_text()) if each]
    for generator in said.get("configMapGenerator", []):
        data = {name: (folder / name).read_text() for name in generator["files"]}
        metadata = {"name": generator["name"]}
        objects.append(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        )
    for image in said.get("images", []):
        assert image["name"] in {_name_of(each) for each in _images(objects)}
    for patch in said.get("patches", []):
        objects = _patched(objects, patch)
    return objects


def _patched(objects: list[dict[str, Any]], patch: dict[str, Any]) -> list[dict[str, Any]]:
    target = patch["target"]
    chosen = [
        each
        for each in objects
        if (each["kind"], each["metadata"]["name"]) == (target["kind"], target["name"])
    ]
    assert len(chosen) == 1, f"{target} is {len(chosen)} objects"
    changed = jsonpatch.apply_patch(chosen[0], yaml.safe_load(patch["patch"]))
    may_change = patch.get("options", {}).get("allowKindChange", False)
    assert may_change or changed["kind"] == chosen[0]["kind"]
    return [changed if each is chosen[0] else each for each in objects]


def _images(objects: list[dict[str, Any]]) -> list[str]:
    return [
        container["image"]
        for each in objects
        for container in each.get("spec", {})
        .get("template", {})
        .get("spec", {})
        .get("containers", [])
    ]


def _name_of(image: str) -> str:
    return image.rsplit(":", 1)[0]
