"""Objects made from the types that they decode to, and what a server may send in place of each of their values.

Every value below an object's `metadata.name`, `namespace` and `resourceVersion` is once null, absent and empty; every
list holds a null once, every map a value of null, and every struct a field that podwire does not know.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from podwire.kube.kinds import Kind

Path = tuple[str | int, ...]
ABSENT = object()
SERVERS = ("metadata",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "resourceVersion")
"""Values that a server never leaves out."""

HINTS: dict[str, Any] = {
    "podIP": "10.244.1.9",
    "ip": "10.244.1.9",
    "hostIP": "172.18.0.2",
    "hostIPs": [{"ip": "172.18.0.2"}],
    "address": "172.18.0.2",
    "clusterIP": "10.96.0.9",
    "clusterIPs": ["10.96.0.9"],
    "externalIPs": ["203.0.113.9"],
    "loadBalancerIP": "203.0.113.8",
    "loadBalancerSourceRanges": ["192.0.2.0/24"],
    "podCIDR": "10.244.1.0/24",
    "podCIDRs": ["10.244.1.0/24"],
    "cidrs": ["10.96.0.0/16"],
    "cidr": "192.0.2.0/24",
    "except": ["192.0.2.128/25"],
    "addressType": "IPv4",
    "addresses": ["10.244.1.9"],
    "nodeName": "a",
    "hostname": "host",
    "protocol": "TCP",
    "operator": "In",
    "values": ["x"],
    "phase": "Running",
    "type": "ClusterIP",
    "ipFamilies": ["IPv4"],
    "ipFamilyPolicy": "SingleStack",
    "sessionAffinity": "ClientIP",
    "internalTrafficPolicy": "Local",
    "externalTrafficPolicy": "Local",
    "policyTypes": ["Ingress", "Egress"],
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "deletionTimestamp": None,
    "labels": {"app": "web", "kubernetes.io/service-name": "web"},
    "restartPolicy": "Always",
}
"""Values by the name of their field, where any text or number would mean nothing."""


def whole(kind: Kind[Any], name: str) -> dict[str, Any]:
    """An object of the kind with a value in every field that podwire reads."""
    found: dict[str, Any] = _sample(inspect.type_info(kind.type), "")
    found["metadata"] |= {"name": name, "uid": f"uid-{name}", "resourceVersion": "5"}
    found["metadata"]["namespace"] = "shop" if kind.namespaced else ""
    if kind.resource == "nodes":
        found["status"]["addresses"] = [{"type": "InternalIP", "address": "172.18.0.2"}]
    return found


class Mutant(msgspec.Struct, frozen=True):
    """An object that differs from a whole one in one value: which one, and how. Its body is valid until the next one.

    `in_list` says that the value is a list without some or all of its items.
    """

    difference: str
    body: dict[str, Any]
    in_list: bool


def mutants(kind: Kind[Any], every: int = 1) -> Iterator[Mutant]:
    """Return them all, or every n-th of them."""
    body = whole(kind, "mutant")
    count = 0
    for path in list(_paths(body)):
        place = _at(body, path[:-1])
        before = place[path[-1]]
        for word, value in () if path in SERVERS else _replacements(before):
            count += 1
            if count % every:
                continue
            if value is ABSENT:
                del place[path[-1]]
            else:
                place[path[-1]] = value
            in_list = isinstance(before, list) and word != "with a null"
            yield Mutant(f"{'.'.join(map(str, path))} {word}", body, in_list)
            if isinstance(place, list) and value is ABSENT:
                place.insert(int(path[-1]), before)
            place[path[-1]] = before


def _replacements(value: Any) -> Iterator[tuple[str, Any]]:
    yield "null", None
    yield "absent", ABSENT
    if isinstance(value, list):
        yield "empty", []
        yield "with a null", [*value, None]
    elif isinstance(value, dict):
        yield "empty", {}
        yield "with a null", {**value, "future": None}
        yield "with an unknown field", {**value, "future.podwire.dev/field": "text"}
    elif isinstance(value, str):
        yield "empty", ""
        yield "text", "Future-Value"
    elif isinstance(value, (int, float)):
        yield "zero", type(value)(0)


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from _paths(item, (*path, key))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _sample(kind: inspect.Type, name: str) -> Any:
    if isinstance(kind, inspect.StructType):
        return {field.encode_name: _field(field) for field in kind.fields}
    if isinstance(kind, inspect.UnionType):
        return _sample(next(one for one in kind.types if not isinstance(one, inspect.NoneType)), name)
    if isinstance(kind, inspect.DictType):
        return {"key": _sample(kind.value_type, "")}
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [_sample(kind.item_type, "")]
    if isinstance(kind, inspect.IntType):
        return 1
    if isinstance(kind, inspect.FloatType):
        return 1.0
    if isinstance(kind, inspect.BoolType):
        return True
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    return "text"


def _field(field: inspect.Field) -> Any:
    """The hint where its form is that of the field, else a value of the field's type."""
    made = _sample(field.type, field.encode_name)
    hint = copy.deepcopy(HINTS.get(field.encode_name, made))
    return hint if hint is None or _form(hint) == _form(made) else made


def _form(value: Any) -> Any:
    return (list, _form(value[0])) if isinstance(value, list) and value else type(value)


def encoded(item: dict[str, Any]) -> bytes:
    """The object as JSON."""
    return msgspec.json.encode(item)
