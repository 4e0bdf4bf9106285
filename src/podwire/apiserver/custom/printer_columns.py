"""Tables of kinds of a user. Source: k8s.io/apiextensions-apiserver `pkg/registry/customresource/tableconvertor`."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from podwire.apiserver.custom import formats, json_path
from podwire.apiserver.custom.definition import PrinterColumn
from podwire.apiserver.kinds.layout import AGE, NAME, Cell, Column, Layout
from podwire.apiserver.reads.columns import texts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from podwire.apiserver.base.field_path import Field

_CREATED = PrinterColumn("Age", "date", ".metadata.creationTimestamp", description=AGE.description)


def layout(columns: Sequence[PrinterColumn]) -> Layout:
    """The name, then the columns of the definition; the age where it has none."""
    shown = tuple(columns) or (_CREATED,)
    return Layout((NAME, *map(_column, shown)), functools.partial(_cells, shown))


def _column(column: PrinterColumn) -> Column:
    description = column.description or f"Custom resource definition column (in JSONPath format): {column.json_path}"
    return Column(column.name, column.type, column.priority, column.format, description)


def _cells(columns: Sequence[PrinterColumn], obj: Field, now: datetime) -> tuple[Cell, ...]:
    return (texts.name(obj), *(_cell(column, obj.value, now) for column in columns))


def _cell(column: PrinterColumn, obj: Any, now: datetime) -> Cell:
    """A cell; null, which kubectl shows as <none> or leaves empty, where there is no value."""
    found = json_path.find(column.json_path, obj)
    if not found or found[0] is None:
        return None
    value = found[0]
    match column.type:
        case "integer" if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        case "string":
            return _text(value)
        case "date":
            moment = formats.moment(value) if isinstance(value, str) else None
            return texts.human(now - moment) if moment else "<invalid>"
        case _:
            return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
