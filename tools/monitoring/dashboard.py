"""The dashboard's JSON model. Source: Grafana, "Dashboard JSON model", schemaVersion 39 (Grafana 11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tools.monitoring.panels import Panel, Section

WIDTH, HEIGHT, COLUMNS = 8, 8, 3
"""Of a panel; a row of the dashboard is 24 wide."""

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def dashboard(sections: Sequence[Section]) -> dict[str, Any]:
    """The whole model, as `Import` of Grafana and its provisioning take it."""
    return {
        "uid": "podwire",
        "title": "podwire",
        "description": "Nodes, pods, Services, policies and DNS of a cluster whose network is podwire.",
        "tags": ["kubernetes", "network", "podwire"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_data_source(), _node()]},
        "panels": list(_panels(sections)),
    }


def _panels(sections: Sequence[Section]) -> Iterator[dict[str, Any]]:
    identifier, top = 1, 0
    for section in sections:
        place = {"x": 0, "y": top, "w": WIDTH * COLUMNS, "h": 1}
        yield {
            "id": identifier,
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        identifier, top = identifier + 1, top + 1
        for index, panel in enumerate(section.panels):
            line, column = divmod(index, COLUMNS)
            place = {"x": column * WIDTH, "y": top + line * HEIGHT, "w": WIDTH, "h": HEIGHT}
            yield {"id": identifier, "gridPos": place, **_panel(panel)}
            identifier += 1
        top += -(-len(section.panels) // COLUMNS) * HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    targets = [
        {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend,
            "instant": panel.kind == "stat",
            "range": panel.kind != "stat",
        }
        for index, query in enumerate(panel.queries)
    ]
    options: dict[str, Any] = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}}
    if panel.kind == "stat":
        options = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name",
        }
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": options,
        "targets": targets,
    }


def _data_source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _node() -> dict[str, Any]:
    return {
        "name": "node",
        "label": "Node",
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": "label_values(podwire_rows, node)", "refId": "node"},
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": ["All"], "value": ["$__all"]},
    }
