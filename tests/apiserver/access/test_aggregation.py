from __future__ import annotations

from typing import Any

import pytest

from podwire.apiserver.access.aggregation import rules
from tests.apiserver.access.things import RBAC, role, rule
from tests.apiserver.conftest import Talk, until

PATH = f"{RBAC}/clusterroles"
WIDGETS = rule("get", "example.com", "widgets")
TO_VIEW = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}


def growing(name: str, **selector: Any) -> dict[str, Any]:
    return role(name, aggregationRule={"clusterRoleSelectors": [selector]})


@pytest.mark.proves("rbac")
def test_a_role_is_the_sum_of_what_it_selects() -> None:
    roles = {
        "a": role("a", WIDGETS, labels={"team": "x"}),
        "b": role("b", rule("list", "", "pods"), labels={"team": "y"}),
        "c": role("c", WIDGETS, rule("get", "", "pods"), labels={"team": "x"}),
    }
    assert rules(growing("sum", matchLabels={"team": "x"}), roles) == [WIDGETS, rule("get", "", "pods")]
    either = {"matchExpressions": [{"key": "team", "operator": "Exists"}]}
    assert len(rules(growing("sum", **either), roles)) == 3
    assert rules(growing("sum", matchLabels={"team": "z"}), roles) == []


async def test_default_roles_are_whole_from_the_start(talk: Talk) -> None:
    held = {name: (await talk.ok("GET", f"{PATH}/{name}"))["rules"] for name in ("view", "edit", "admin")}
    assert all(one in held["edit"] for one in held["view"])
    assert all(one in held["admin"] for one in held["edit"])
    assert len(held["view"]) < len(held["edit"]) < len(held["admin"])


async def test_a_new_part_counts_in_all_that_grow_from_it(talk: Talk) -> None:
    await talk.ok("POST", PATH, role("widgets", WIDGETS, labels=TO_VIEW))
    for name in ("view", "edit", "admin"):
        await reaches(talk, name, present=True)
    await talk.ok("DELETE", f"{PATH}/widgets")
    for name in ("view", "edit", "admin"):
        await reaches(talk, name, present=False)


async def reaches(talk: Talk, name: str, *, present: bool) -> None:
    """Wait until a role has the rule about widgets, or has it no longer."""
    index = talk.server.store

    def held() -> bool:
        stored = next(one for one in index.objects("clusterroles.rbac.authorization.k8s.io") if one.key.name == name)
        return (WIDGETS in stored.object()["rules"]) is present

    await until(held)
