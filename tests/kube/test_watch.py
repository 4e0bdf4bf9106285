import json

from podwire.kube.core import ConfigMap
from podwire.kube.meta import NamespacedName, ObjectMeta
from podwire.kube.watch import Change, Mirror, Phase

A = NamespacedName("default", "a")


def config_map(name: str, version: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", resource_version=version), data=data)


def event(kind: str, name: str, version: str, **data: str) -> bytes:
    metadata = {"name": name, "namespace": "default", "resourceVersion": version}
    return json.dumps({"type": kind, "object": {"metadata": metadata, "data": data}}).encode()


def watching(*items: ConfigMap) -> Mirror[ConfigMap]:
    mirror = Mirror(ConfigMap)
    mirror.listed(items, "10")
    return mirror


def test_a_list_tells_only_differences() -> None:
    mirror = watching(config_map("a", "1"), config_map("b", "2"), config_map("c", "3"))
    changes = mirror.listed([config_map("a", "1"), config_map("b", "5"), config_map("d", "6")], "20")
    told = {(c.old and c.old.metadata.name, c.new and c.new.metadata.name) for c in changes}
    assert told == {("c", None), ("b", "b"), (None, "d")}
    assert mirror.version == "20"


def test_events_change_one_object_each() -> None:
    mirror = watching()
    added = mirror.line(event("ADDED", "a", "11", x="1"))
    assert added == Change(None, config_map("a", "11", x="1"))
    modified = mirror.line(event("MODIFIED", "a", "12", x="2"))
    assert modified == Change(config_map("a", "11", x="1"), config_map("a", "12", x="2"))
    removed = mirror.line(event("DELETED", "a", "13", x="2"))
    assert removed == Change(config_map("a", "12", x="2"), None)
    assert mirror.objects == {}
    assert mirror.version == "13"


def test_a_bookmark_moves_the_position_only() -> None:
    mirror = watching(config_map("a", "1"))
    assert mirror.line(event("BOOKMARK", "", "30")) is None
    assert mirror.version == "30"
    assert list(mirror.objects) == [A]


def test_an_object_that_was_never_seen_is_removed_without_a_change() -> None:
    assert watching().line(event("DELETED", "a", "11")) is None


def test_an_error_and_a_broken_line_ask_for_a_new_list_and_keep_the_objects() -> None:
    for line in (b'{"type":"ERROR","object":{"kind":"Status","code":410}}', b"{broken", b'{"type":"ADDED","object":3}'):
        mirror = watching(config_map("a", "1"))
        assert mirror.line(line) is None
        assert mirror.phase is Phase.LISTING
        assert list(mirror.objects) == [A]
