from __future__ import annotations

import msgspec
import pytest

from podwire.controllers.balancers.target_nodes import target_nodes
from podwire.kube.core import EXCLUDE_FROM_LOAD_BALANCERS, TO_BE_DELETED_TAINT, Node
from tests.controllers.build import node, node_fields


@pytest.mark.parametrize(
    ("value", "included"),
    [(None, True), ("", False), ("true", False), ("yes", False), ("false", True), ("0", True)],
)
def test_labelled_nodes_are_left_out(value: str | None, included: bool) -> None:
    fields = node_fields("b")
    fields["metadata"]["labels"] = {} if value is None else {EXCLUDE_FROM_LOAD_BALANCERS: value}
    names = [item.metadata.name for item in target_nodes([msgspec.convert(fields, Node), node("a")])]
    assert names == (["a", "b"] if included else ["a"])


def test_nodes_that_end_are_left_out_and_unready_ones_are_not() -> None:
    ending = node("b", {"key": TO_BE_DELETED_TAINT, "effect": "NoSchedule"})
    assert target_nodes([ending, node("a", ready=False)]) == (node("a", ready=False),)
