"""Objects in Kubernetes' protobuf: by an encoder of the tests' own, and fuzzed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from podwire.apiserver.base import status
from podwire.apiserver.bodies import reader
from podwire.apiserver.bodies.protobuf import envelope
from podwire.apiserver.bodies.protobuf.wire import WireError
from tests.apiserver.bodies.protobuf.encoder import body, encode, field, numeric
from tests.apiserver.bodies.protobuf.encoder import envelope as wrap
from tests.apiserver.conftest import Talk
from tests.apiserver.fuzz.tally import both_ways, refusing

POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web",
        "labels": {"app": "web", "tier": ""},
        "finalizers": ["a.example/one", "a.example/two"],
        "ownerReferences": [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": "n",
                "uid": "u",
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
        "managedFields": [{"manager": "m", "fieldsV1": {"f:spec": {".": {}}}}],
    },
    "spec": {
        "volumes": [{"name": "v", "configMap": {"name": "settings", "optional": False}}, {"name": "e", "emptyDir": {}}],
        "containers": [
            {
                "name": "main",
                "envFrom": [{"configMapRef": {"name": "settings"}}],
                "ports": [{"containerPort": 80}],
                "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}},
                "readinessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 5},
                "livenessProbe": {"tcpSocket": {"port": 8080}},
            }
        ],
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"runAsUser": 1000, "supplementalGroups": [1, 2]},
        "hostNetwork": True,
        "tolerations": [{"key": "k", "operator": "Exists", "tolerationSeconds": -1}],
    },
    "status": {},
}


@pytest.mark.proves("protobuf-envelope")
def test_a_pod_is_the_same_after_a_round_trip() -> None:
    assert envelope.read(body(POD)) == POD


@pytest.mark.proves("protobuf-shapes")
def test_bytes_become_base64() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": {"key": "AP8=", "none": ""}}
    assert envelope.read(body(secret)) == secret


def test_lists_of_texts_inside_a_map() -> None:
    spec = {"user": "ann", "extra": {"scopes": ["a", "b"]}, "groups": ["g"]}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {}, "spec": spec}
    assert envelope.read(body({**review, "status": {"allowed": False}}))["spec"] == spec


@pytest.mark.proves("protobuf-shapes")
@pytest.mark.parametrize(
    ("timestamp", "seen"),
    [
        (b"", None),
        (numeric(1, 1_700_000_000) + numeric(2, 999), "2023-11-14T22:13:20Z"),
        (numeric(1, -1) + numeric(2, 0), "1969-12-31T23:59:59Z"),
    ],
)
def test_times(timestamp: bytes, seen: str | None) -> None:
    found = envelope.read(wrap("v1", "ConfigMap", field(1, field(8, timestamp))))
    assert found["metadata"].get("creationTimestamp") == seen


def test_times_with_microseconds() -> None:
    spec = field(4, numeric(1, 1_700_000_000) + numeric(2, 1_234_567))
    found = envelope.read(wrap("coordination.k8s.io/v1", "Lease", field(2, spec)))
    assert found["spec"] == {"renewTime": "2023-11-14T22:13:20.001234Z"}


def test_numbers_may_be_packed() -> None:
    context = field(4, b"\x01\x80\x02")
    assert envelope.read(wrap("v1", "Pod", field(2, field(14, context))))["spec"] == {
        "securityContext": {"supplementalGroups": [1, 256]}
    }


def test_a_message_in_several_parts_is_merged() -> None:
    raw = field(1, field(1, "web")) + field(1, field(3, "shop"))
    assert envelope.read(wrap("v1", "Namespace", raw))["metadata"] == {"name": "web", "namespace": "shop"}


def test_unknown_numbers_are_passed_over() -> None:
    raw = encode("io.k8s.api.core.v1.Pod", POD) + numeric(4000, 1) + field(4001, "new")
    assert envelope.read(wrap("v1", "Pod", raw)) == POD


@pytest.mark.proves("bad-json")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{}", "does not begin with"),
        (b"k8s\0", 'no kind "" is registered for version ""'),
        (b"k8s\0\x0a", "end inside a number"),
        (wrap("example.org/v1", "Toaster", b""), 'no kind "Toaster" is registered for version "example.org/v1"'),
        (wrap("v1", "Pod", field(1, numeric(1, 7))), "metadata: name: there is a number where bytes"),
        (wrap("v1", "Pod", field(2, field(2, field(1, b"\xff")))), "spec: containers: name: a text is not UTF-8"),
        (wrap("v1", "Pod", field(1, field(8, numeric(1, 1 << 62)))), "metadata: creationTimestamp: .* no time"),
        (wrap("apps/v1", "ControllerRevision", field(2, field(1, "{"))), "data: an embedded object is not valid JSON"),
        (b"k8s\0" + field(3, "gzip"), "encoded as 'gzip'"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(WireError, match=why):
        envelope.read(data)


def test_deep_embedded_objects_are_refused() -> None:
    deep = b'{"a":' * 200 + b"1" + b"}" * 200
    with pytest.raises(status.StatusError, match="nested deeper"):
        reader.read_protobuf(wrap("apps/v1", "ControllerRevision", field(2, field(1, deep))))


KINDS = st.sampled_from([("v1", "Pod"), ("v1", "Service"), ("apps/v1", "Deployment"), ("batch/v1", "Job")])


@both_ways
@given(KINDS, st.binary(max_size=200))
@example(("v1", "Pod"), b"\x12" * 150)
@example(("v1", "Pod"), b"")
def test_any_bytes_are_an_object_or_a_refusal(kind: tuple[str, str], raw: bytes) -> None:
    with refusing(status.StatusError):
        assert reader.read_protobuf(wrap(*kind, raw))["kind"] == kind[1]
    with contextlib.suppress(status.StatusError):
        reader.read_protobuf(b"k8s\0" + raw)


@both_ways
@given(st.integers(0), st.integers(0, 255))
@example(0, ord("k"))
@example(0, 0)
def test_a_damaged_pod_is_an_object_or_a_refusal(where: int, byte: int) -> None:
    raw = bytearray(body(POD))
    raw[where % len(raw)] = byte
    with refusing(status.StatusError):
        reader.read_protobuf(bytes(raw))


async def test_a_refusal_is_a_status(talk: Talk) -> None:
    path, kind = "/api/v1/namespaces/default/pods", "application/vnd.kubernetes.protobuf"
    code, reason, message = await talk.refused("POST", path, b"k8s\0\xff", content_type=kind)
    assert (code, reason) == (400, "BadRequest")
    assert "not valid protobuf" in message
    assert (await talk.refused("PATCH", path + "/a", b"k8s\0", content_type=kind))[0] in {404, 415}
