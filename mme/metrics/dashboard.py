"""The Grafana dashboard, made of `panels.py` by `python -m mme.metrics.dashboard PATH`.

Its file, `deploy/grafana/mme.json`, is to be imported as it is; which data source and which
endpoints it shows is chosen at its top.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mme.metrics.panels import ROWS

if TYPE_CHECKING:
    from mme.metrics.panels import Panel, Row

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH = 24
WIDE, NARROW = (8, 8), (4, 4)
"""Width and height of panels that show a course, and of those that show a number."""
SCHEMA = 39
GREEN, RED = "green", "red"


def dashboard() -> Json:
    """The whole dashboard."""
    panels: list[Json] = []
    top = 0
    for row in ROWS:
        top = _add_row(panels, row, top)
    return {
        "uid": "mme",
        "title": "Multi-model endpoint",
        "description": "Of one endpoint, or of several that serve the same models.",
        "tags": ["mme", "models"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_data_source(), _instances()]},
        "panels": panels,
    }


def text() -> str:
    """The file."""
    return json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n"


def _add_row(panels: list[Json], row: Row, top: int) -> int:
    """Put a row below what is there; returns where the next one begins."""
    place = {"x": 0, "y": top, "w": WIDTH, "h": 1}
    panels.append(
        {
            "id": len(panels) + 1,
            "type": "row",
            "title": row.title,
            "gridPos": place,
            "collapsed": False,
            "panels": [],
        }
    )
    left, top, height = 0, top + 1, 0
    for panel in row.panels:
        width, height = NARROW if panel.kind == "stat" else WIDE
        if left + width > WIDTH:
            left, top = 0, top + height
        place = {"x": left, "y": top, "w": width, "h": height}
        panels.append({"id": len(panels) + 1, "gridPos": place, **_panel(panel)})
        left += width
    return top + height


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "datasource": SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "instant": panel.kind == "bargauge",
                "range": panel.kind != "bargauge",
            }
            for number, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _options(panel),
    }


def _field(panel: Panel) -> Json:
    field: Json = {"unit": panel.unit, "min": 0, "thresholds": _thresholds(panel)}
    if panel.kind == "timeseries":
        field["custom"] = {
            "fillOpacity": 20 if panel.is_stacked else 0,
            "stacking": {"mode": "normal" if panel.is_stacked else "none"},
            "showPoints": "never",
        }
    return field


def _thresholds(panel: Panel) -> Json:
    steps: list[Json] = [{"color": GREEN, "value": None}]
    if panel.red_below is not None:
        steps = [{"color": RED, "value": None}, {"color": GREEN, "value": panel.red_below}]
    if panel.red_from is not None:
        steps.append({"color": RED, "value": panel.red_from})
    return {"mode": "absolute", "steps": steps}


def _options(panel: Panel) -> Json:
    if panel.kind == "timeseries":
        return {
            "legend": {"displayMode": "list", "placement": "bottom"},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    last = {"calcs": ["lastNotNull"], "values": False}
    if panel.kind == "stat":
        return {"reduceOptions": last, "colorMode": "value", "graphMode": "area"}
    return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic"}


def _data_source() -> Json:
    return {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }


def _instances() -> Json:
    return {
        "name": "instance",
        "label": "Endpoint",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(mme_build_info, instance)", "refId": "instances"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
