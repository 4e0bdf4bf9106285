import time
from typing import Any

import pytest

from podwire.apiserver.kinds import builtin, schema
from podwire.apiserver.patches import strategic_merge
from podwire.apiserver.patches.strategic_merge import StrategicPatchError

REGISTRY = builtin.registry()


def patched(plural: str, target: Any, patch: Any, group: str = "") -> Any:
    resource = REGISTRY.find(group, "v1", plural)
    assert resource is not None
    return strategic_merge.apply(target, patch, schema.merge_rules(resource))


def pod(*containers: Any, **spec: Any) -> Any:
    return {"spec": {"containers": list(containers), **spec}}


@pytest.mark.proves("strategic-merge-directives")
def test_lists_merge_by_their_key_and_keep_what_is_not_named() -> None:
    target = pod({"name": "a", "image": "1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "1"})
    patch = pod({"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}]}, {"name": "c", "image": "3"})
    assert patched("pods", target, patch) == pod(
        {"name": "a", "image": "2", "env": [{"name": "Y", "value": "2"}, {"name": "X", "value": "1"}]},
        {"name": "c", "image": "3"},
        {"name": "b", "image": "1"},
    )


@pytest.mark.proves("strategic-merge-directives")
def test_items_are_deleted_and_replaced_by_directive() -> None:
    target = pod({"name": "a", "image": "1", "tty": True}, {"name": "b", "image": "1"})
    patch = pod({"name": "b", "$patch": "delete"}, {"name": "a", "image": "2", "$patch": "replace"})
    assert patched("pods", target, patch) == pod({"name": "a", "image": "2"})


@pytest.mark.parametrize(
    ("containers", "patch", "expected"),
    [
        # Of items with one key the first is merged and gives the place in the order.
        ("a1 b1 a2", [{"name": "a", "image": "3"}], "a3 a2 b1"),
        ("b1 a1 b2", [{"name": "c", "image": "1"}], "c1 b1 b2 a1"),
        ("a1 b1", [{"name": "c", "image": "1"}, {"name": "a", "image": "2"}, {"name": "c", "image": "2"}], "c2 a2 b1"),
        # Deletions come first, wherever they are in the patch.
        ("a1 b1", [{"name": "a", "image": "2"}, {"name": "a", "$patch": "delete"}], "a2 b1"),
        ("a1 b1 a2", [{"name": "a", "$patch": "delete"}], "b1"),
    ],
)
def test_lists_with_several_items_of_one_key(containers: str, patch: Any, expected: str) -> None:
    target = pod(*({"name": text[0], "image": text[1]} for text in containers.split()))
    found = patched("pods", target, pod(*patch))["spec"]["containers"]
    assert " ".join(f"{item['name']}{item['image']}" for item in found) == expected


def test_lists_of_plain_values_have_each_value_once() -> None:
    target = {"metadata": {"finalizers": ["a/x", "b/x", "a/x"]}}
    merged = patched("pods", target, {"metadata": {"finalizers": ["c/x", "c/x"]}})
    assert merged["metadata"]["finalizers"] == ["c/x", "a/x", "b/x"]


def test_a_whole_list_is_replaced_by_directive() -> None:
    target = pod({"name": "a"}, {"name": "b"})
    assert patched("pods", target, pod({"$patch": "replace"}, {"name": "c"})) == pod({"name": "c"})


def test_an_object_is_replaced_by_directive() -> None:
    target = {"spec": {"nodeSelector": {"a": "1", "b": "2"}}}
    patch = {"spec": {"nodeSelector": {"$patch": "replace", "c": "3"}}}
    assert patched("pods", target, patch) == {"spec": {"nodeSelector": {"c": "3"}}}


@pytest.mark.proves("strategic-merge-directives")
def test_the_order_is_set_as_kubectl_sends_it() -> None:
    target = pod({"name": "a"}, {"name": "b"}, {"name": "sidecar"})
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}],
            "containers": [{"name": "c", "image": "3"}],
        }
    }
    names = [one["name"] for one in patched("pods", target, patch)["spec"]["containers"]]
    assert names == ["c", "b", "a", "sidecar"]


@pytest.mark.parametrize(
    ("live", "patch", "merged"),
    [
        ("ab", "c", "cab"),  # as in Kubernetes' own documentation of kubectl patch
        ("abc", "ca", "bca"),
        ("abc", "b", "abc"),
        ("abc", "dc", "dabc"),
        ("abcd", "dxb", "acdxb"),
    ],
)
def test_items_of_the_patch_come_in_its_order_and_others_before_those_they_were_before(
    live: str, patch: str, merged: str
) -> None:
    target, change = (pod(*({"name": name} for name in names)) for names in (live, patch))
    assert "".join(one["name"] for one in patched("pods", target, change)["spec"]["containers"]) == merged


@pytest.mark.parametrize("plural", ["containers", "finalizers"])
def test_an_order_that_does_not_name_a_new_item_is_refused(plural: str) -> None:
    part, one, other = ("spec", {"name": "a"}, {"name": "b"}) if plural == "containers" else ("metadata", "a", "b")
    patch = {part: {f"$setElementOrder/{plural}": [one], plural: [other]}}
    with pytest.raises(StrategicPatchError, match="'b' is missing"):
        patched("pods", {part: {plural: [one]}}, patch)


def test_an_order_alone_sorts_without_loss() -> None:
    target = pod({"name": "a", "image": "1"}, {"name": "b", "image": "2"})
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert patched("pods", target, patch) == pod({"name": "b", "image": "2"}, {"name": "a", "image": "1"})


@pytest.mark.proves("strategic-merge-directives")
def test_lists_of_plain_values_merge_as_sets_and_lose_values() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    assert patched("pods", target, {"metadata": {"finalizers": ["b", "c"]}}) == {
        "metadata": {"finalizers": ["a", "b", "c"]}
    }
    assert patched("pods", target, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}) == {
        "metadata": {"finalizers": ["b"]}
    }


@pytest.mark.proves("strategic-merge-directives")
def test_retained_keys_drop_the_others() -> None:
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert patched("deployments", target, patch, "apps") == {"spec": {"strategy": {"type": "Recreate"}}}


def test_lists_without_merge_key_and_nulls_are_as_in_a_merge_patch() -> None:
    target = {"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "a", "args": ["x", "y"]}]}}
    patch = {"metadata": {"labels": {"a": None, "b": "2"}}, "spec": {"containers": [{"name": "a", "args": ["z"]}]}}
    assert patched("pods", target, patch) == {
        "metadata": {"labels": {"b": "2"}},
        "spec": {"containers": [{"name": "a", "args": ["z"]}]},
    }


def test_service_ports_merge_by_port() -> None:
    target = {"spec": {"ports": [{"port": 80, "targetPort": 8080}, {"port": 443}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 9090}]}}
    assert patched("services", target, patch) == {"spec": {"ports": [{"port": 80, "targetPort": 9090}, {"port": 443}]}}


def test_no_directive_is_ever_stored() -> None:
    new = {"spec": {"template": {"$retainKeys": ["a"], "a": {"$patch": "replace", "b": [{"c": None, "d": 1}]}}}}
    assert patched("deployments", {}, new, "apps") == {"spec": {"template": {"a": {"b": [{"d": 1}]}}}}


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"$patch": "explode"}},
        {"spec": {"containers": [{"image": "no name"}]}},
        {"spec": {"containers": ["text"]}},
        {"spec": {"$retainKeys": "type"}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
    ],
)
def test_what_is_no_strategic_patch_is_refused(patch: Any) -> None:
    with pytest.raises(StrategicPatchError):
        patched("pods", pod({"name": "a"}), patch)


def test_the_target_stays_as_it_is() -> None:
    target = pod({"name": "a", "image": "1"})
    patched("pods", target, pod({"name": "a", "image": "2"}))
    assert target == pod({"name": "a", "image": "1"})


@pytest.mark.parametrize("live", [0, 1])
def test_long_lists_take_no_longer_than_their_length(live: int) -> None:
    """A megabyte of items, compared each with each, would stop the server for minutes."""
    names = [f"n{number}" for number in range(20_000)]
    ports = [{"containerPort": number, "name": "x"} for number in range(20_000)]
    patch = {"metadata": {"finalizers": names}, **pod({"name": "a", "ports": ports})}
    target = patched("pods", {}, patch) if live else {}
    began = time.process_time()
    merged = patched("pods", target, patch)
    assert time.process_time() - began < 5
    assert merged["metadata"]["finalizers"] == names
    assert merged["spec"]["containers"][0]["ports"] == ports
