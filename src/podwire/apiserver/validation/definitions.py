"""CustomResourceDefinitions. Their rules are imported with the first one, as most clusters have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from podwire.apiserver.base.field_errors import Cause
    from podwire.apiserver.base.field_path import Field


def validate(obj: Field, old: Field | None) -> Iterator[Cause]:
    """Check a definition; `old` is the one that it replaces."""
    from podwire.apiserver.validation import definition_rules

    return definition_rules.problems(obj, old)
