"""The archive's layout, and that nothing but its parts decides its bytes."""

import gzip
import hashlib
import io
import json
import tarfile
from typing import Any

import pytest
from tools.image.archive import ImageConfig, Layer, archive
from tools.image.tree import File, Folder, Link, Tree

TIME = 1_790_000_000
CONFIG = ImageConfig(
    reference="podwire:1.2.3",
    architecture="amd64",
    entrypoint=("/bin/x",),
    environment=("PATH=/bin",),
    labels={"a": "b"},
    time=TIME,
)


def tree(*paths: str) -> Tree:
    result = Tree()
    for path in paths:
        result[path] = File(path.encode(), path.endswith("x"))
    result["lib"] = Link("usr/lib")
    result["tmp"] = Folder(0o1777)
    return result


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {each.name: (each, _content(tar, each)) for each in tar}


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member) if member.isreg() else None
    return file.read() if file else b""


def test_a_layer_is_sorted_and_has_one_time_one_owner_and_its_folders() -> None:
    entries = members(tree("usr/lib/b", "bin/x").tar(TIME))
    assert list(entries) == ["bin", "bin/x", "lib", "tmp", "usr", "usr/lib", "usr/lib/b"]
    infos = {name: info for name, (info, _) in entries.items()}
    assert {(info.mtime, info.uid, info.gid, info.uname) for info in infos.values()} == {(TIME, 0, 0, "")}
    assert [infos[name].mode for name in ("bin", "bin/x", "usr/lib/b", "tmp")] == [0o755, 0o755, 0o644, 0o1777]
    assert infos["lib"].linkname == "usr/lib"


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "./a", "a/"])
def test_a_layer_takes_plain_paths_only(path: str) -> None:
    with pytest.raises(ValueError, match="plain path"):
        Tree()[path] = File(b"")


def test_the_archive_is_an_oci_layout_and_a_docker_archive_of_the_same_blobs() -> None:
    layers = [Layer(tree("a").tar(TIME), "one"), Layer(tree("b").tar(TIME), "two")]
    data, digest = archive(CONFIG, layers)
    files = {name: content for name, (info, content) in members(data).items() if info.isreg()}
    for name, content in files.items():
        if name.startswith("blobs/"):
            assert name == "blobs/sha256/" + hashlib.sha256(content).hexdigest()
    index = json.loads(files["index.json"])
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (described,) = index["manifests"]
    assert described["digest"] == digest
    assert described["annotations"]["io.containerd.image.name"] == "docker.io/library/podwire:1.2.3"
    manifest = _blob(files, described)
    config = _blob(files, manifest["config"])
    assert (config["architecture"], config["config"]["Entrypoint"]) == ("amd64", ["/bin/x"])
    unpacked = [gzip.decompress(_raw(files, each)) for each in manifest["layers"]]
    assert unpacked == [layer.tar for layer in layers]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(each).hexdigest() for each in unpacked]
    (docker,) = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == ["podwire:1.2.3"]
    assert [docker["Config"], *docker["Layers"]] == [
        "blobs/" + each["digest"].replace(":", "/") for each in (manifest["config"], *manifest["layers"])
    ]


def _raw(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    content = files["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(content) == descriptor["size"]
    return content


def _blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> Any:
    return json.loads(_raw(files, descriptor))


def test_the_order_in_which_files_came_is_not_seen() -> None:
    one, two = tree("a", "b", "c/x"), tree("c/x", "b", "a")
    assert one.tar(TIME) == two.tar(TIME)
    assert one.tar(TIME) != one.tar(TIME + 1)
    assert archive(CONFIG, [Layer(one.tar(TIME), "x")]) == archive(CONFIG, [Layer(two.tar(TIME), "x")])
