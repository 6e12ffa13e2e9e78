"""The files `mme plan --output` writes: the plan as JSON, as a page and as a picture."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mme.cli.plan_page import as_page
from mme.cli.plan_picture import NoMatplotlib, draw

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write_output(report: Mapping[str, Any], folder: Path) -> tuple[list[Path], str]:
    """What was written, and what is lacking if matplotlib is not installed. Raises OSError."""
    told, page, picture = (folder / f"plan.{ending}" for ending in ("json", "html", "png"))
    told.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    page.write_text(as_page(report), encoding="utf-8")
    try:
        draw(report, picture)
    except NoMatplotlib as error:
        return [told, page], (
            f"plan.png is lacking: it needs mme[plan], `pip install 'mme[plan]'` ({error})"
        )
    return [told, page, picture], ""
