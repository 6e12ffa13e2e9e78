"""The files `mme plan --output` writes: the plan as JSON, as a page and as a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mme.cli.plan_page import as_page
from mme.cli.plan_picture import NoMatplotlib, draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class OutputError(ValueError):
    """Not all could be written: says what is lacking."""


def write_output(report: Mapping[str, Any], folder: Path) -> list[Path]:
    """What was written. Raises OutputError, OSError."""
    told, page, picture = (folder / f"plan.{ending}" for ending in ("json", "html", "png"))
    told.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    page.write_text(as_page(report), encoding="utf-8")
    try:
        draw(report, picture)
    except NoMatplotlib as error:
        raise OutputError(
            f"plan.json and plan.html are in {folder}; plan.png needs mme[plan],"
            f" `pip install 'mme[plan]'`: {error}"
        ) from error
    return [told, page, picture]
