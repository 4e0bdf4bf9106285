from datetime import UTC, datetime
from typing import Any

import pytest

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.custom import printer_columns
from podwire.apiserver.custom.definition import PrinterColumn

NOW = datetime(2026, 1, 1, 1, 0, 0, tzinfo=UTC)
OBJECT = {
    "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "spec": {"n": 3, "x": 1.5, "yes": True, "text": "hello", "list": ["a", "b"], "date": "2026-01-01T00:59:30Z"},
}


@pytest.mark.parametrize(
    ("type_", "path", "cell"),
    [
        ("integer", ".spec.n", 3),
        ("integer", ".spec.text", None),
        ("number", ".spec.x", 1.5),
        ("boolean", ".spec.yes", True),
        ("boolean", ".spec.n", None),
        ("string", ".spec.text", "hello"),
        ("string", ".spec.list", '["a","b"]'),
        ("string", ".spec.n", "3"),
        ("date", ".spec.date", "30s"),
        ("date", ".spec.text", "<invalid>"),
        ("string", ".spec.nothing", None),
    ],
)
def test_cells_have_the_type_of_their_column(type_: str, path: str, cell: Any) -> None:
    layout = printer_columns.layout([PrinterColumn("Column", type_, path)])
    assert layout.cells(Field("", OBJECT), NOW) == ("a", cell)


def test_without_columns_there_is_the_age() -> None:
    layout = printer_columns.layout([])
    assert [column.name for column in layout.columns] == ["Name", "Age"]
    assert layout.cells(Field("", OBJECT), NOW) == ("a", "60m")
