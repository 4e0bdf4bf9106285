"""Whatever a server sends for one object: it is read, or skipped by name, and all others are known."""

from typing import Any

import msgspec
import pytest

from podwire.kube import kinds
from podwire.kube.decode import decode
from podwire.kube.kinds import Kind
from podwire.kube.meta import Object
from tests.kube.generated_objects import encoded, mutants

READ = (
    kinds.NAMESPACES,
    kinds.NODES,
    kinds.PODS,
    kinds.SERVICES,
    kinds.ENDPOINT_SLICES,
    kinds.NETWORK_POLICIES,
    kinds.SERVICE_CIDRS,
    kinds.LEASES,
)
"""What agents, DNS servers and controllers of a cluster read."""


@pytest.mark.parametrize("kind", READ, ids=lambda kind: kind.resource)
def test_null_absent_empty_and_unknown_values_are_read(kind: Kind[Any]) -> None:
    count = 0
    for mutant in mutants(kind):
        count += 1
        refusal = refused(mutant.body, kind)
        # Fields without which an object means nothing; Go's servers never leave them out.
        required = "missing required field" in refusal or "got `null`" in refusal
        assert not refusal or (required and not mutant.in_list), f"{mutant.difference}: {refusal}"
        if refusal:
            assert decode(encoded(mutant.body), Object).metadata.name == "mutant", "what is skipped has a name"
    assert count > 50


def refused(body: dict[str, Any], kind: Kind[Any]) -> str:
    try:
        decode(encoded(body), kind.type)
    except msgspec.ValidationError as error:
        return str(error)
    return ""
