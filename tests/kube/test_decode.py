import json

import msgspec
import pytest

from podwire.kube.core import Pod
from podwire.kube.decode import decode
from podwire.kube.discovery import Endpoint, EndpointSlice
from podwire.kube.endpoints import Endpoints
from podwire.kube.meta import Object
from podwire.kube.networking import NetworkPolicy


def test_lists_that_go_writes_as_null_are_empty() -> None:
    """The fields of kinds that a node reads which k8s.io/api declares without omitempty."""
    found = decode(b'{"metadata":{"name":"a"},"endpoints":null,"ports":null}', EndpointSlice)
    assert (found.endpoints, found.ports, found.metadata.name) == ((), (), "a")
    assert decode(b'{"endpoints":[{"addresses":null}]}', EndpointSlice).endpoints == (Endpoint(),)
    pod = decode(b'{"spec":{"volumes":[{"name":"v","projected":{"sources":null}}]}}', Pod)
    assert pod.spec.volumes[0].projected is not None
    assert pod.spec.volumes[0].projected.sources == ()
    assert decode(b'{"subsets":null}', Endpoints).subsets == ()


def test_null_is_absent_in_an_object_and_the_empty_value_in_a_list_or_map() -> None:
    pod = decode(b'{"metadata":{"labels":{"a":null}},"spec":{"terminationGracePeriodSeconds":null}}', Pod)
    assert pod.metadata.labels == {"a": ""}
    assert pod.spec.termination_grace_period_seconds == 30
    assert decode(b'{"endpoints":[null]}', EndpointSlice).endpoints == (Endpoint(),)


def test_a_null_of_a_selector_selects_the_empty_value_and_not_everything() -> None:
    """Were the label dropped, a policy would select more pods than it names."""
    policy = decode(b'{"spec":{"podSelector":{"matchLabels":{"a":null}},"egress":null}}', NetworkPolicy)
    assert policy.spec.pod_selector.match_labels == {"a": ""}
    assert policy.spec.egress is None


def test_what_is_wrong_beyond_nulls_is_refused_with_its_place() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"metadata.name"):
        decode(b'{"metadata":{"name":3}}', Object)
    both = json.dumps({"endpoints": None, "metadata": {"name": 3}}).encode()
    with pytest.raises(msgspec.ValidationError):
        decode(both, EndpointSlice)
    with pytest.raises(msgspec.DecodeError):
        decode(b"{", Object)
