from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from podwire.kube import kinds

KINDS = {kind.resource: kind for kind in vars(kinds).values() if isinstance(kind, kinds.Kind)}


@pytest.mark.proves("bad-status")
@pytest.mark.parametrize("resource", sorted(KINDS))
def test_nothing_is_required_inside_a_status(resource: str) -> None:
    """A user who may write one object's status could stop all that follow its kind."""
    found = next((field for field in msgspec.structs.fields(KINDS[resource].type) if field.name == "status"), None)
    if found is not None:
        assert list(required(msgspec.inspect.type_info(found.type))) == []


def test_what_is_required_elsewhere_is_found() -> None:
    assert "NetworkPolicyPeer.ip_block" not in set(required(msgspec.inspect.type_info(KINDS["networkpolicies"].type)))
    assert "IPBlock.cidr" in set(required(msgspec.inspect.type_info(KINDS["networkpolicies"].type)))


def required(found: msgspec.inspect.Type) -> Iterator[str]:
    """The fields without which a value of a type cannot be read."""
    match found:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            for field in fields:
                if field.required:
                    yield f"{cls.__name__}.{field.name}"
                yield from required(field.type)
        case msgspec.inspect.UnionType(types=types):
            for inner in types:
                yield from required(inner)
        case msgspec.inspect.VarTupleType(item_type=item) | msgspec.inspect.ListType(item_type=item):
            yield from required(item)
        case msgspec.inspect.DictType(value_type=value):
            yield from required(value)
        case _:
            pass
