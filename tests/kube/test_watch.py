import json

from podwire.kube.core import ConfigMap
from podwire.kube.kinds import CONFIG_MAPS, NETWORK_POLICIES
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.networking import closed_policy
from podwire.kube.watch import Change, ObjectCache, Phase, Rejected

A = NamespacedName("default", "a")


def config_map(name: str, version: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", resource_version=version), data=data)


def event(kind: str, name: str, version: str, **data: str) -> bytes:
    metadata = {"name": name, "namespace": "default", "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata, "data": data}}).encode()


def watching(*items: ConfigMap) -> ObjectCache[ConfigMap]:
    cache = ObjectCache(CONFIG_MAPS)
    cache.replace(items, "10")
    return cache


def test_a_list_reports_only_differences() -> None:
    cache = watching(config_map("a", "1"), config_map("b", "2"), config_map("c", "3"))
    changes = cache.replace([config_map("a", "1"), config_map("b", "5"), config_map("d", "6")], "20")
    told = {(c.old and c.old.metadata.name, c.new and c.new.metadata.name) for c in changes}
    assert told == {("c", None), ("b", "b"), (None, "d")}
    assert cache.version == "20"


def test_events_change_one_object_each() -> None:
    cache = watching()
    added = cache.apply(event("ADDED", "a", "11", x="1"))
    assert added == Change(None, config_map("a", "11", x="1"))
    modified = cache.apply(event("MODIFIED", "a", "12", x="2"))
    assert modified == Change(config_map("a", "11", x="1"), config_map("a", "12", x="2"))
    removed = cache.apply(event("DELETED", "a", "13", x="2"))
    assert removed == Change(config_map("a", "12", x="2"), None)
    assert cache.objects == {}
    assert cache.version == "13"


def test_a_bookmark_moves_the_position_only() -> None:
    cache = watching(config_map("a", "1"))
    assert cache.apply(event("BOOKMARK", "", "30")) is None
    assert cache.version == "30"
    assert list(cache.objects) == [A]


def test_an_object_that_was_never_seen_is_removed_without_a_change() -> None:
    assert watching().apply(event("DELETED", "a", "11")) is None


def test_an_error_and_a_broken_line_ask_for_a_new_list_and_keep_the_objects() -> None:
    for line in (b'{"type":"ERROR","object":{"kind":"Status","code":410}}', b"{broken", b'{"type":"ADDED","object":3}'):
        cache = watching(config_map("a", "1"))
        assert cache.apply(line) is None
        assert cache.phase is Phase.LISTING
        assert list(cache.objects) == [A]


UNREADABLE_POLICY = b"""{"type": "ADDED", "object": {"metadata": {"name": "a", "namespace": "default",
    "resourceVersion": "11"}, "spec": {"podSelector": 3}}}"""


def test_a_policy_that_cannot_be_decoded_closes_its_namespace() -> None:
    cache = ObjectCache(NETWORK_POLICIES)
    cache.replace([], "10")
    assert cache.apply(UNREADABLE_POLICY) == Change(None, closed_policy(A))
    assert cache.apply(UNREADABLE_POLICY) is None
    assert list(cache.rejected) == [A]
    assert cache.apply(event("DELETED", "a", "12")) == Change(closed_policy(A), None)
    spec = closed_policy(A).spec
    assert (spec.pod_selector.match_labels, spec.policy_types, spec.ingress, spec.egress) == (
        {},
        ("Ingress", "Egress"),
        (),
        None,
    )


def test_a_listed_policy_that_cannot_be_decoded_closes_its_namespace() -> None:
    cache = ObjectCache(NETWORK_POLICIES)
    changes = cache.replace([], "10", [Rejected(A, "9", "spec: Expected object")])
    assert changes == [Change(None, closed_policy(A))]
    assert cache.replace([], "11") == [Change(closed_policy(A), None)]
