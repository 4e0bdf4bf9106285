from typing import Any

import pytest

from podwire.apiserver.custom.json_path import JsonPathError, find, steps

OBJECT: dict[str, Any] = {
    "spec": {"a.b": 1, "list": [{"n": 1, "s": "x"}, {"n": 2, "s": "y"}, {"n": 3}], "flag": True},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".spec.flag", [True]),
        ("{.spec.flag}", [True]),
        ("$.spec.flag", [True]),
        (".spec.nothing.at.all", []),
        (r".spec.a\.b", [1]),
        (".spec['a.b']", [1]),
        (".spec.list[0].n", [1]),
        (".spec.list[-1].n", [3]),
        (".spec.list[7].n", []),
        (".spec.list[*].n", [1, 2, 3]),
        (".spec.list[0:2].n", [1, 2]),
        (".spec.list[0,2].n", [1, 3]),
        (".spec.list[::2].n", [1, 3]),
        ("..n", [1, 2, 3]),
        (".status.conditions[?(@.type=='Ready')].status", ["True"]),
        ('.status.conditions[?(@.type == "Ready")].status', ["True"]),
        (".status.conditions[?(@.type!='Ready')].type", ["Other"]),
        (".spec.list[?(@.n>1)].n", [2, 3]),
        (".spec.list[?(@.s)].s", ["x", "y"]),
        (".spec.list[?(@.s>1)].s", []),
    ],
)
def test_paths_lead_to_values(path: str, found: list[Any]) -> None:
    assert find(path, OBJECT) == found


@pytest.mark.parametrize("path", [".a[", ".a[x]", ".a[?(type)]", ".a[?(@.x==y)]", "..", ".a b", ".a[::0]", ".a)"])
def test_a_broken_path_is_refused(path: str) -> None:
    with pytest.raises(JsonPathError):
        steps(path)
