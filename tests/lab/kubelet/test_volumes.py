from __future__ import annotations

import base64
import os
from pathlib import Path

import msgspec
import pytest

from podwire.kube.core import ConfigMap, Pod, Secret
from podwire.kube.volumes import Volume
from podwire.lab.images.environment import ConfigurationError, Sources
from podwire.lab.kubelet.empty_dir import EmptyDirs
from podwire.lab.kubelet.node_files import NodeFiles
from podwire.lab.kubelet.volumes import VolumeFile, files, folder_of, provide, write

SOURCES = Sources(
    config_maps={"conf": ConfigMap(data={"a": "1", "b": "2"})},
    secrets={"key": Secret(data={"s": base64.b64encode(b"hidden").decode()})},
)


def volume(**source: object) -> Volume:
    return msgspec.convert({"name": "v", **source}, Volume)


def test_files_of_objects() -> None:
    whole = files(Pod(), volume(configMap={"name": "conf"}), SOURCES)
    assert whole == {"a": VolumeFile(b"1", 0o644), "b": VolumeFile(b"2", 0o644)}
    items = [{"key": "s", "path": "deep/file", "mode": 0o400}]
    chosen = files(Pod(), volume(secret={"secretName": "key", "items": items}), SOURCES)
    assert chosen == {"deep/file": VolumeFile(b"hidden", 0o400)}
    assert files(Pod(), volume(configMap={"name": "none", "optional": True}), SOURCES) == {}
    assert files(Pod(), volume(emptyDir={}), SOURCES) is None


def test_files_of_a_token_volume() -> None:
    pod = msgspec.convert({"metadata": {"name": "web", "namespace": "ns", "labels": {"b": '"', "a": "1"}}}, Pod)
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "conf", "items": [{"key": "a", "path": "ca.crt"}]}},
        {"secret": {"name": "key"}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    held = Sources(SOURCES.config_maps, SOURCES.secrets, tokens={("", 3607): "a.b.c"})
    found = files(pod, volume(projected={"defaultMode": 0o440, "sources": sources}), held)
    assert found is not None
    expected = {"token": b"a.b.c", "ca.crt": b"1", "s": b"hidden", "namespace": b"ns"}
    assert {path: file.content for path, file in found.items()} == expected
    assert {file.mode for file in found.values()} == {0o440}
    items = [{"path": "all", "mode": 0o600, "fieldRef": {"fieldPath": "metadata.labels"}}]
    assert files(pod, volume(downwardAPI={"items": items}), SOURCES) == {"all": VolumeFile(b'a="1"\nb="\\""', 0o600)}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}, "token is not there yet"),
        ({"projected": {"sources": [{"clusterTrustBundle": {}}]}}, "use the sources serviceAccountToken"),
        ({"downwardAPI": {"items": [{"path": "x", "fieldRef": {"fieldPath": "spec.x"}}]}}, "fieldRef spec.x"),
        ({"configMap": {"name": "none"}}, 'configmap "none" not found'),
        ({"configMap": {"name": "conf", "items": [{"key": "z", "path": "z"}]}}, "non-existent config key: z"),
        ({"configMap": {"name": "conf", "items": [{"key": "a", "path": "../a"}]}}, "must be relative"),
        ({"configMap": {"name": "conf", "items": [{"key": "a", "path": "/a"}]}}, "must be relative"),
        ({"nfs": {"server": "x", "path": "/"}}, "podwire serves no others"),
    ],
)
def test_what_cannot_be_served_is_named(source: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        files(Pod(), volume(**source), SOURCES)


def test_an_update_replaces_all_files_at_once(tmp_path: Path) -> None:
    assert write(tmp_path, {"a": VolumeFile(b"1", 0o644), "d/x": VolumeFile(b"2", 0o600)})
    before = os.readlink(tmp_path / "..data")
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "d" / "x").stat().st_mode & 0o777 == 0o600
    assert not write(tmp_path, {"a": VolumeFile(b"1", 0o644), "d/x": VolumeFile(b"2", 0o600)}), "nothing changed"
    assert os.readlink(tmp_path / "..data") == before
    held = (tmp_path / "a").open()
    assert write(tmp_path, {"a": VolumeFile(b"3", 0o644)})
    assert (tmp_path / "a").read_text() == "3"
    assert held.read() == "1"
    held.close()
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.startswith("..")) == ["a"]
    assert len(list(tmp_path.iterdir())) == 3, "the old folder is gone"


def test_volumes_of_a_pod(tmp_path: Path) -> None:
    spec = {
        "volumes": [{"name": "empty", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "conf"}}],
        "securityContext": {"fsGroup": os.getgid()},
    }
    pod = msgspec.convert({"spec": spec}, Pod)
    files_of_node = NodeFiles(tmp_path / "node", tmp_path / "host", "node-1")
    provide(tmp_path, pod, SOURCES, files_of_node, EmptyDirs(tmp_path / "dirs"))
    empty = folder_of(tmp_path, "empty")
    assert empty.stat().st_mode & 0o7777 == 0o2777
    (empty / "kept").touch()
    provide(tmp_path, pod, SOURCES, files_of_node, EmptyDirs(tmp_path / "dirs"))
    assert (empty / "kept").exists()
    assert (folder_of(tmp_path, "conf") / "a").stat().st_gid == os.getgid()


def test_resources_of_containers_as_files() -> None:
    pod = msgspec.convert(
        {"spec": {"containers": [{"name": "main", "resources": {"limits": {"memory": "64Mi"}}}]}}, Pod
    )
    item = {
        "path": "limit",
        "resourceFieldRef": {"containerName": "main", "resource": "limits.memory", "divisor": "1Mi"},
    }
    assert files(pod, volume(downwardAPI={"items": [item]}), SOURCES) == {"limit": VolumeFile(b"64", 0o644)}
