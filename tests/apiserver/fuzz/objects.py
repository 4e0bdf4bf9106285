"""Objects of every served kind, whole as their schemas have them, and what can be done to break them."""

from __future__ import annotations

import copy
import functools
import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from podwire.apiserver.definitions import serving
from podwire.apiserver.kinds import schema
from podwire.apiserver.kinds.builtin import registry
from podwire.apiserver.kinds.resources import Resource
from podwire.apiserver.kinds.schema import Schema
from tests.apiserver.custom import widgets
from tests.apiserver.validation.objects import BASE

Object = dict[str, Any]
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Seed:
    """A kind, its smallest right object and one with every field, as JSON: users change their own copies."""

    resource: Resource
    small: str
    whole: str


TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
WORKLOAD = {"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}}
JOB = {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "busybox"}]}}}
SMALL: dict[str, Object] = {
    **BASE,
    "v1 Event": {"involvedObject": {"kind": "Pod", "namespace": "default", "name": "a"}, "reason": "Tested"},
    "v1 PodTemplate": {"template": TEMPLATE},
    "v1 ReplicationController": {"spec": {"selector": {"app": "web"}, "template": TEMPLATE}},
    "apps/v1 ControllerRevision": {"data": {"a": 1}, "revision": 1},
    "apps/v1 DaemonSet": WORKLOAD,
    "apps/v1 ReplicaSet": WORKLOAD,
    "batch/v1 CronJob": {"spec": {"schedule": "* * * * *", "jobTemplate": {"spec": JOB}}},
    "autoscaling/v2 HorizontalPodAutoscaler": {
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a"}}
    },
    "networking.k8s.io/v1 IngressClass": {"spec": {"controller": "example.com/a"}},
    "rbac.authorization.k8s.io/v1 ClusterRoleBinding": {
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "jane"}],
    },
    "rbac.authorization.k8s.io/v1 ClusterRole": {
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    },
    "storage.k8s.io/v1 StorageClass": {"provisioner": "example.com/a"},
}

WORDS: dict[str, Any] = {
    "protocol": "TCP",
    "operator": "Exists",
    "pathType": "Prefix",
    "addressType": "IPv4",
    "ip": "10.0.0.1",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "clusterIP": "",
    "clusterIPs": [],
    "cidr": "10.0.0.0/8",
    "restartPolicy": "Always",
    "imagePullPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "values": [],
    "path": "/a",
    "schedule": "* * * * *",
    "maxUnavailable": "25%",
    "maxSurge": 1,
    "type": "",
    "policyTypes": ["Ingress"],
    "serviceAccountName": "default",
    "sessionAffinity": "None",
    "effect": "NoSchedule",
}
"""What some fields hold, so that the whole objects are not refused for them alone."""

DEEPEST = 7
"""Levels of a whole object; schemas of definitions contain themselves."""

KINDS = tuple(resource for resource in registry().all() if resource.storage)

STRANGE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, -(2**31) - 1, 2**63, 2**64, -(2**63), 10**30, 1e308, 0.1, -0.0, 1e-9),
    *("", " ", "a" * 300, "\0", "\ud800", "é" * 130, "\u202e", "a/b", "../..", "%2e", "{}", "[", "(", "*", "$", "~1"),
    *("1Gi", "9" * 40 + "Ei", "-1", "+1", "1e400", "0x10", "NaN", "Infinity", "true", "null", "10.0.0.0/8", "::/0"),
    *("²%", "٣", "²", "9" * 5000 + "%", "0-999999999999", "25%", "101%", "1" * 5000),
    *("1.2.3.4", "::ffff:1.2.3.4%eth0", "2024-01-01T00:00:00Z", "9999-12-31T23:59:60Z", "0000-00-00", "1970"),
    *("Always", "Recreate", "ClusterIP", "None", "TCP", "=", "a=b", "a in (b)", "$(VAR)", "self.x", ".spec.x[*]"),
    *([], {}, [None], [[]], [{}], [""], {"": None}, {"a": {}}, {"$patch": "delete"}, {"name": None}, [1, "a", {}]),
    *({"matchLabels": {"a": "b"}}, {"key": "a", "operator": "In", "values": None}, [{"type": "Ready"}], {"f:a": {}}),
)


def whole(found: Schema, level: int = 0, name: str = "") -> Any:
    """A value with everything that a schema knows."""
    quantity = found.ref.endswith(".Quantity")
    found = schema.resolve(found)
    if quantity or name in WORDS:
        return WORDS.get(name, "1")
    if found.one_of:
        return whole(found.one_of[0], level, name)
    if found.type == "array":
        return [] if found.items is None or level > DEEPEST else [whole(found.items, level + 1, name)]
    if found.type in {"object", ""} and (found.properties or found.additional is not None):
        if level > DEEPEST:
            return {}
        parts = {part: whole(inner, level + 1, part) for part, inner in found.properties.items()}
        return parts if found.additional is None else {"a": whole(found.additional, level + 1)}
    texts = {"date-time": "2024-01-01T00:00:00Z", "byte": "YQ=="}
    plain = {"integer": 1, "number": 1, "boolean": True, "object": {}, "string": texts.get(found.format, "a")}
    return plain.get(found.type, {})


@functools.cache
def seeds() -> tuple[Seed, ...]:
    """The served kinds; those whose rules are richest come more often."""
    found = [_seed(resource, SMALL.get(f"{resource.api_version} {resource.kind}", {})) for resource in KINDS]
    (served,) = serving.resources(widgets.definition(), 1)
    definition = next(resource for resource in KINDS if resource.kind == "CustomResourceDefinition")
    rich = [Seed(definition, json.dumps(widgets.manifest()), found[KINDS.index(definition)].whole)]
    rich += [_seed(served, widgets.widget())]
    rich += [seed for seed in found if seed.resource.kind in {"Pod", "Service", "Deployment", "Job", "Ingress"}]
    return (*found, *rich * 3)


def _seed(resource: Resource, small: Object) -> Seed:
    return Seed(resource, _named(resource, small), _named(resource, whole(schema.of(resource))))


def _named(resource: Resource, value: Object) -> str:
    obj = {**value, "apiVersion": resource.api_version, "kind": resource.kind}
    metadata = {**(obj.get("metadata") or {}), "name": "a", "labels": {"app": "web"}}
    for server_own in ("resourceVersion", "uid", "namespace", "ownerReferences"):
        metadata.pop(server_own, None)
    return json.dumps({**obj, "metadata": metadata})


def one_in(draw: st.DrawFn, number: int) -> bool:
    """True for about one example of so many."""
    return draw(st.integers(0, number - 1)) == number - 1


def written(draw: st.DrawFn, seed: Seed) -> Any:
    """An object as a client may send it: small with parts of the whole one, then changed in some places."""
    full: Object = json.loads(seed.whole)
    if one_in(draw, 6):
        return mutated(draw, full)
    obj: Object = json.loads(seed.small)
    if draw(st.booleans()) and seed.resource.kind != "CustomResourceDefinition":
        obj["metadata"] = {"generateName": "a-", "labels": {"app": "web"}}
    found = places(full)
    for _ in range(draw(st.integers(0, 3))):
        _graft(obj, full, found[draw(st.integers(0, len(found) - 1))])
    return mutated(draw, obj, most=1 if draw(st.booleans()) else 3)


def _graft(obj: Any, full: Any, place: Path) -> None:
    """Give the object a part of the whole one, with its parents; what it has already stays."""
    for part in place[:-1]:
        inner = full[part]
        if isinstance(obj, dict):
            obj = obj.setdefault(part, type(inner)())
        else:
            obj.extend([type(inner)()] if not obj else [])
            obj = obj[0]
        full = inner
        if not isinstance(obj, type(full)):
            return
    if isinstance(obj, dict):
        obj[place[-1]] = copy.deepcopy(full[place[-1]])
    else:
        obj.append(copy.deepcopy(full[place[-1]]))


def places(value: Any, above: Path = ()) -> list[Path]:
    """Every place in a value, itself left out."""
    found: list[Path] = []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in parts:
        found.append((*above, key))
        found += places(inner, (*above, key))
    return found


def mutated(draw: st.DrawFn, value: Any, most: int = 4) -> Any:
    """The value with up to `most` places changed."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(0, most))):
        found = places(changed)
        if not found:
            return draw(STRANGE_VALUES)
        _change(draw, changed, found[draw(st.integers(0, len(found) - 1))])
    return changed


def _change(draw: st.DrawFn, value: Any, place: Path) -> None:
    parent = functools.reduce(lambda inner, part: inner[part], place[:-1], value)
    match draw(st.integers(0, 5)):
        case 0:
            del parent[place[-1]]
        case 1 if isinstance(parent, dict):
            parent[draw(st.sampled_from(["unknown", "", "$patch", "a/b", "\0", "name", "items"]))] = draw(
                STRANGE_VALUES
            )
        case 1 | 2 if isinstance(parent, list):
            parent.append(copy.deepcopy(parent[0]))
        case _:
            parent[place[-1]] = draw(STRANGE_VALUES)


STRANGE_VALUES = st.one_of(st.sampled_from(STRANGE).map(copy.deepcopy), st.text(max_size=20), st.integers())
