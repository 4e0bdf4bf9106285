"""Bodies that lack what their kind is made of are refused or completed, never a fault of the server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.apiserver.conftest import Talk

BODIES: tuple[dict[str, Any], ...] = (
    {},
    {"spec": None},
    {"spec": {}, "status": {}},
    {"spec": {"rules": None, "template": None, "selector": None, "ports": None}},
    {"spec": {"template": {"spec": None}}},
    {"spec": {"jobTemplate": {}}},
    {"subjects": None, "roleRef": None},
)


async def collections(talk: Talk) -> list[str]:
    """The path of each resource, or of a subresource of its object `a`, that takes a POST.

    What is sent on to nodes has no body of ours.
    """
    groups = (await talk.ok("GET", "/apis"))["groups"]
    versions = [version["groupVersion"] for group in groups for version in group["versions"]]
    found = []
    for root in ("/api/v1", *(f"/apis/{version}" for version in versions)):
        for resource in (await talk.ok("GET", root))["resources"]:
            if "create" in resource["verbs"] and not resource["name"].endswith("/proxy"):
                place = f"{root}/namespaces/default" if resource["namespaced"] else root
                found.append(f"{place}/{resource['name'].replace('/', '/a/')}")
    return found


@pytest.mark.parametrize("body", BODIES, ids=str)
async def test_an_incomplete_object_of_any_kind_is_no_fault_of_the_server(talk: Talk, body: dict[str, Any]) -> None:
    faults = []
    for path in await collections(talk):
        created, _ = await talk.response("POST", path, {"metadata": {"name": "a"}, **body})
        replaced, _ = await talk.response("PUT", f"{path}/a", {"metadata": {"name": "a"}})
        if max(created, replaced) >= 500:
            faults.append(path)
    assert faults == []
