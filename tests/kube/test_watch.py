import json

from podwire.kube.core import ConfigMap
from podwire.kube.kinds import CONFIG_MAPS, NETWORK_POLICIES
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.networking import NetworkPolicy, closed_policy
from podwire.kube.watch import Change, ObjectCache, Phase, Refusal, Rejected

A = NamespacedName("default", "a")


def config_map(name: str, version: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", resource_version=version), data=data)


def event(kind: str, name: str, version: str, **data: str) -> bytes:
    metadata = {"name": name, "namespace": "default", "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata, "data": data}}).encode()


def watching(*items: ConfigMap) -> ObjectCache[ConfigMap]:
    cache: ObjectCache[ConfigMap] = ObjectCache(CONFIG_MAPS)
    fill(cache, "10", *items)
    return cache


def fill(
    cache: ObjectCache[ConfigMap], version: str, *items: ConfigMap, rejected: tuple[Rejected, ...] = ()
) -> list[Change[ConfigMap]]:
    cache.begin()
    return [*cache.take(items, rejected), *cache.complete(version)]


def test_a_list_reports_only_differences() -> None:
    cache = watching(config_map("a", "1"), config_map("b", "2"), config_map("c", "3"))
    changes = fill(cache, "20", config_map("a", "1"), config_map("b", "5"), config_map("d", "6"))
    reported = {(c.old and c.old.metadata.name, c.new and c.new.metadata.name) for c in changes}
    assert reported == {("c", None), ("b", "b"), (None, "d")}
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
    cache: ObjectCache[NetworkPolicy] = ObjectCache(NETWORK_POLICIES)
    cache.begin()
    cache.complete("10")
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
    cache: ObjectCache[NetworkPolicy] = ObjectCache(NETWORK_POLICIES)
    cache.begin()
    assert cache.take((), [Rejected(A, "9", "spec: Expected object")]) == [Change(None, closed_policy(A))]
    assert cache.complete("10") == []
    cache.begin()
    assert cache.complete("11") == [Change(closed_policy(A), None)]
    assert cache.rejected == {}


END = b"""{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "20",
    "annotations": {"k8s.io/initial-events-end": "true"}}}}"""


def test_initial_events_take_the_place_of_former_objects_until_their_end_removes_the_rest() -> None:
    cache = watching(config_map("a", "1"), config_map("b", "2"), config_map("c", "3"))
    cache.begin()
    assert cache.apply(event("ADDED", "a", "1")) is None, "it is as it was"
    assert cache.apply(event("ADDED", "b", "15")) == Change(config_map("b", "2"), config_map("b", "15"))
    assert cache.apply(event("BOOKMARK", "", "19")) is None
    assert (cache.phase, cache.version) == (Phase.FILLING, "10"), "not a position that a part can go on from"
    assert cache.apply(END) is None
    assert (cache.phase, cache.version) == (Phase.COMPLETE, "20")
    assert cache.complete(cache.version) == [Change(config_map("c", "3"), None)]
    assert [key.name for key in cache.objects] == ["a", "b"]


def test_an_interrupted_whole_state_begins_again_and_removes_nothing_before_its_end() -> None:
    cache = watching(config_map("a", "1"), config_map("b", "2"))
    cache.begin()
    cache.take([config_map("a", "5")])
    cache.begin()
    assert len(cache.objects) == 2
    cache.take([config_map("b", "2")])
    assert cache.complete("30") == [Change(config_map("a", "5"), None)]


def test_an_error_that_is_no_expiry_keeps_the_position() -> None:
    cache = watching(config_map("a", "1"))
    assert cache.apply(b'{"type":"ERROR","object":{"code":500,"message":"etcd is away"}}') is None
    assert cache.refusal == Refusal(500, "etcd is away")
    assert (cache.phase, cache.version) == (Phase.WATCHING, "10")


def test_what_is_kept_of_an_object_is_compared_and_nothing_kept_is_removed() -> None:
    def keep(item: ConfigMap) -> ConfigMap | None:
        return config_map(item.metadata.name, "", **item.data) if item.data else None

    cache: ObjectCache[ConfigMap] = ObjectCache(CONFIG_MAPS, keep)
    fill(cache, "10", config_map("a", "1", x="1"), config_map("b", "2"))
    assert list(cache.objects) == [A]
    assert cache.apply(event("MODIFIED", "a", "11", x="1")) is None, "what is kept is the same"
    assert cache.version == "11"
    assert cache.apply(event("MODIFIED", "a", "12")) == Change(config_map("a", "", x="1"), None)


def test_the_name_of_what_is_kept_is_in_memory_once() -> None:
    class Kept:
        key = NamespacedName(A.namespace, A.name)

    cache: ObjectCache[Kept] = ObjectCache(CONFIG_MAPS, lambda _: Kept())
    cache.begin()
    cache.take([config_map("a", "1")])
    assert [key is Kept.key for key in cache.objects] == [True]
