import itertools

import pytest

from tests.policy.netpol import CASES, KEYS, Case, model


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_upstream_case(case: Case) -> None:
    cluster = model()
    case.apply(cluster)
    for (protocol, port), source, destination in itertools.product(case.probes, KEYS, KEYS):
        answer = cluster.allows(source, destination, protocol, port)
        assert answer == case.allowed(source, destination, protocol, port), (source, destination, protocol, port)
