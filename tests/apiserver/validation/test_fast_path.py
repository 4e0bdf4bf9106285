"""What fits must be in order: nothing that `structure` refuses may slip through."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from podwire.apiserver.kinds import schema
from podwire.apiserver.validation import structure
from podwire.apiserver.validation.fast_path import Types
from tests.apiserver.validation.objects import BASE, kind, make

TYPES = Types(compile_after=0)
STRANGE: tuple[Any, ...] = (
    "", "text", "1Gi", "1gi\n", 0, -1, 1.5, 1.0, 2**31, 2**63, True, None, [], ["a"], [None], {}, {"a": 1}, {"a": None},
    "2024-02-30T00:00:00Z", "2024-01-31T23:59:59.5Z", "2024-01-31t23:59:59z", "YWJj", "YW", "%",
)  # fmt: skip


def definition(name: str) -> str:
    resource = kind(name)
    return schema.definition_name(resource.api_version, resource.kind)


def in_order(name: str, obj: Any) -> bool:
    shape = schema.of(kind(name))
    try:
        structure.check_types(shape, obj, "Thing")
    except structure.MistypedError:
        return False
    return not [*structure.unknown_fields(shape, obj), *structure.missing_fields(shape, obj)]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container and key inside a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from places(value[key])


def variants(obj: Any) -> Iterator[Any]:
    """The object with one value changed, taken out, or one more beside it."""
    for position in range(len(list(places(obj)))):
        for strange in STRANGE:
            changed = copy.deepcopy(obj)
            container, key = list(places(changed))[position]
            container[key] = strange
            yield changed
        for more in ("typo", "status", "name"):
            changed = copy.deepcopy(obj)
            container, key = list(places(changed))[position]
            if isinstance(container, dict):
                container.pop(key)
                yield copy.deepcopy(changed)
                container[more] = "x"
            yield changed


@pytest.mark.parametrize("name", list(BASE))
def test_an_object_that_fits_is_in_order(name: str) -> None:
    assert in_order(name, make(name))
    for obj in variants(make(name)):
        assert in_order(name, obj) or not TYPES.fits(definition(name), obj), obj


@pytest.mark.parametrize("name", ["v1 Pod", "v1 Service", "apps/v1 Deployment", "networking.k8s.io/v1 NetworkPolicy"])
def test_usual_objects_fit(name: str) -> None:
    assert TYPES.fits(definition(name), make(name))


def test_a_moment_and_a_quantity_fit() -> None:
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-12-31T23:59:59Z"}]
    resources = {"limits": {"cpu": 2, "memory": "1Gi"}}
    pod = make("v1 Pod", {"status": {"conditions": conditions}, "spec.containers.0.resources": resources})
    assert TYPES.fits(definition("v1 Pod"), pod)


def test_types_are_made_after_some_objects() -> None:
    types, pod = Types(compile_after=2), make("v1 Pod")
    assert [types.fits(definition("v1 Pod"), pod) for _ in range(4)] == [False, False, True, True]


def test_a_null_does_not_fit() -> None:
    """Who reads an object that fits need not look for nulls in it."""
    pod = make("v1 Pod")
    assert TYPES.fits(definition("v1 Pod"), pod)
    for container, key in list(places(pod)):
        kept, container[key] = container[key], None
        assert not TYPES.fits(definition("v1 Pod"), pod), key
        container[key] = kept


def test_an_empty_map_does_not_fit_and_an_empty_object_does() -> None:
    policy = make("networking.k8s.io/v1 NetworkPolicy", {"spec.podSelector": {}})
    assert TYPES.fits(definition("networking.k8s.io/v1 NetworkPolicy"), policy)
    for labels in ({"a": "b"}, {}):
        policy["metadata"]["labels"] = labels
        assert TYPES.fits(definition("networking.k8s.io/v1 NetworkPolicy"), policy) is bool(labels)
