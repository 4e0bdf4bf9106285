"""Warnings of rules with fields of the experimental channel."""

from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.base.field_path import Field
from podwire.apiserver.writes.gateway_warnings import rules


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({"type": "Cookie", "absoluteTimeout": "1h"}, ""),
        ({"absoluteTimeout": "1h"}, ""),
        ({"type": "Header"}, ""),
        ({"type": "Header", "absoluteTimeout": "1h"}, "absoluteTimeout: is not served for type Header"),
        ({"idleTimeout": "1h"}, "idleTimeout: is not served, and the rule is left out"),
    ],
)
def test_a_session_that_is_not_served_is_named(session: dict[str, Any], expected: str) -> None:
    rule = {"backendRefs": [{"name": "app", "port": 80}], "sessionPersistence": session}
    found = list(rules.of_route(Field("", {"kind": "HTTPRoute", "spec": {"rules": [rule]}})))
    assert len(found) == bool(expected)
    assert all(one.startswith(f"spec.rules[0].sessionPersistence.{expected}") for one in found)
