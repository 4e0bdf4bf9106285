"""What an API server knows: the fields of each kind that podwire serves, by the schemas that it serves them with."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from podwire.apiserver.kinds.schema import Schema, definition, definition_name, kinds_of
from podwire.kube import egress_gateway, gateway_api, network_policy_api

if TYPE_CHECKING:
    import msgspec


@functools.cache
def schema(api_version: str, kind: str) -> Schema | None:
    """Return the schema of a kind's objects; None of one that is not known. Fields of all channels are known."""
    try:
        return definition(definition_name(api_version, kind))
    except LookupError:
        text = _defined(api_version.partition("/")[0]).get((api_version, kind))
    if text is None:
        return None
    from podwire.apiserver.custom import published, structural

    return published.fields(structural.parse(text))


def kinds(api_version: str) -> tuple[str, ...]:
    """Return the kinds of an API version; none where it is not known."""
    defined = _defined(api_version.partition("/")[0])
    return tuple(kind for version, kind in defined if version == api_version) or kinds_of(api_version)


def _packed(group: str) -> tuple[str, str] | None:
    """Return the channel and the folder of the definitions of a group."""
    if group in gateway_api.GROUPS:
        return "experimental", "gateway_api"
    if group == network_policy_api.GROUP:
        return "experimental", "network_policy_api"
    is_own = group == egress_gateway.GROUP or group.endswith(f".{egress_gateway.GROUP}")
    return ("standard", "podwire") if is_own else None


@functools.cache
def _defined(group: str) -> dict[tuple[str, str], msgspec.Raw]:
    """Return the schemas of a group by API version and kind, not decoded."""
    packed = _packed(group)
    if packed is None:
        return {}
    from podwire.apiserver.definitions import bundle

    return {
        (f"{group}/{version.name}", one.names.kind): version.schema.schema
        for one in bundle.specs(*packed)
        for version in one.versions
        if one.group == group
    }
