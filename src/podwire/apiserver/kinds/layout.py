"""Columns of tables and how an object fills them. Source: meta.k8s.io/v1 TableColumnDefinition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from podwire.apiserver.base.field_path import Field

Cell = str | int | float | bool | None


class Column(msgspec.Struct, frozen=True):
    """One column: priority 0 shows always, above 0 only with `-o wide`."""

    name: str
    type: str = "string"
    priority: int = 0
    format: str = ""
    description: str = ""

    def json(self) -> dict[str, Any]:
        """The definition as tables carry it."""
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


class Layout(msgspec.Struct, frozen=True):
    """Columns of one kind; `cells` returns one value a column."""

    columns: tuple[Column, ...]
    cells: Callable[[Field, datetime], tuple[Cell, ...]]


NAME = Column(
    "Name",
    format="name",
    description="Name must be unique within a namespace. Is required when creating resources.",
)
AGE = Column(
    "Age",
    description="CreationTimestamp is a timestamp representing the server time when this object was created.",
)
TEMPLATE = (
    Column("Containers", priority=1, description="Names of each container in the template."),
    Column("Images", priority=1, description="Images referenced by each container in the template."),
)
SELECTOR = Column("Selector", priority=1, description="Label selector of the pods.")
