"""Which images an archive holds: every layout that the tools write, and what must be refused."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from podwire.lab.images import archive
from podwire.lab.images.archive import Archive, ArchivedImage
from podwire.lab.images.errors import ImageError
from tests.lab.images.building import (
    HERE,
    Image,
    blob,
    changed,
    descriptor,
    digest,
    docker,
    docker_with_layout,
    entry,
    layout,
    link,
    oci,
    parts,
    several_platforms,
    tar,
)

OTHER = "arm64" if HERE != "arm64" else "amd64"
LAYER = tar(entry("a", b"content"))


def images(raw: bytes) -> list[ArchivedImage]:
    return archive.images(Archive(io.BytesIO(raw), "web.tar"), HERE)


def names(image: ArchivedImage) -> list[str]:
    return [name.familiar for name in image.names]


def test_an_oci_archive() -> None:
    image = Image([LAYER], {"Cmd": ["x"]}, annotations={"org.opencontainers.image.ref.name": "team/web:v1"})
    (found,) = images(oci(image))
    assert names(found) == ["team/web:v1"]
    assert (found.format, found.image_id, found.digest) == ("oci", image.id, digest(image.manifest()))
    assert found.configuration.config is not None
    assert found.configuration.config.cmd == ("x",)
    assert [layer.diff_id for layer in found.layers] == [digest(LAYER)]


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        (
            {"io.containerd.image.name": "host:5000/web:v1", "org.opencontainers.image.ref.name": "v1"},
            ["host:5000/web:v1"],
        ),
        ({"org.opencontainers.image.ref.name": "latest"}, []),
        ({}, []),
    ],
)
def test_names_in_annotations_a_bare_word_may_be_a_tag(annotations: dict[str, str], expected: list[str]) -> None:
    assert names(images(oci(Image([LAYER], annotations=annotations)))[0]) == expected


def test_the_image_of_this_machine_out_of_several() -> None:
    here, other = Image([LAYER]), Image([LAYER], architecture=OTHER)
    (found,) = images(several_platforms("web:v1", other, here))
    assert (names(found), found.image_id) == (["web:v1"], here.id)
    with pytest.raises(ImageError, match=rf"web:v1: has no image for linux/{HERE}, only for linux/{OTHER}"):
        images(several_platforms("web:v1", other))


def test_platforms_side_by_side_in_the_index() -> None:
    kind = "application/vnd.oci.image.manifest.v1+json"
    here, other = Image([LAYER]), Image([LAYER], architecture=OTHER)
    entries = [
        descriptor(
            image.manifest(),
            kind,
            platform={"architecture": image.architecture, "os": "linux"},
            annotations={"io.containerd.image.name": "web:v1"},
        )
        for image in (other, here)
    ]
    raw = layout({"manifests": entries}, *(part for image in (here, other) for part in parts(image)))
    assert [found.image_id for found in images(raw)] == [here.id]


def test_several_images_in_one_archive() -> None:
    first = Image([LAYER], annotations={"io.containerd.image.name": "a:1"})
    second = Image([LAYER, LAYER], annotations={"io.containerd.image.name": "b:1"})
    assert [names(found) for found in images(oci(first, second))] == [["a:1"], ["b:1"]]


def test_docker_save_of_old_with_shared_layers() -> None:
    first, second = Image([LAYER]), Image([LAYER, tar(entry("b"))])
    found = images(docker((first, ["web:v1", "web:latest"]), (second, ["team/b:2"])))
    assert [names(one) for one in found] == [["web:v1", "web:latest"], ["team/b:2"]]
    assert [one.format for one in found] == ["docker", "docker"]
    reader = Archive(io.BytesIO(docker((first, []), (second, []))), "x")
    assert reader.open("10/layer.tar").read() == LAYER, "a link to the layer of the first image"


def test_docker_save_of_today_holds_both_layouts() -> None:
    image = Image([LAYER], compressed=False, annotations={"io.containerd.image.name": "docker.io/library/web:v1"})
    (found,) = images(docker_with_layout(image, ["web:v1", "web:latest"]))
    assert (found.format, names(found)) == ("oci", ["web:v1", "web:latest"])


def test_an_image_for_another_machine_is_refused_by_name() -> None:
    raw = docker((Image([LAYER], architecture=OTHER), ["web:v1"]))
    with pytest.raises(ImageError, match=rf"web:v1: is for linux/{OTHER}, and this machine is linux/{HERE}"):
        images(raw)
    windows = Image([LAYER], os="windows", annotations={"io.containerd.image.name": "win:1"})
    with pytest.raises(ImageError, match="win:1: is for windows/"):
        images(oci(windows))


def test_every_document_is_held_against_its_digest() -> None:
    image = Image([LAYER], annotations={"io.containerd.image.name": "web:v1"})
    for document in (image.manifest(), image.configuration):
        name = blob(document)[0].name
        with pytest.raises(ImageError, match=r"has digest sha256:.*damaged or was changed"):
            images(changed(oci(image), name, document + b" "))
    old = docker((image, ["web:v1"]))
    with pytest.raises(ImageError, match="damaged or was changed"):
        images(changed(old, f"{image.id.partition(':')[2]}.json", image.configuration + b" "))


def without(raw: bytes, name: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(raw)) as old:
        kept = [(m, (file.read() if (file := old.extractfile(m)) else b"")) for m in old if m.name != name]
    return tar(*kept)


def test_a_missing_part_is_named() -> None:
    image = Image([LAYER])
    name = blob(image.manifest())[0].name
    with pytest.raises(ImageError, match=f"web.tar: {name} is missing"):
        images(without(oci(image), name))


def test_layers_and_configuration_must_agree() -> None:
    image = Image([LAYER])
    manifest = [{"Config": f"{image.id.partition(':')[2]}.json", "RepoTags": [], "Layers": []}]
    with pytest.raises(ImageError, match="has 0 layers, and its configuration speaks of 1"):
        images(changed(docker((image, [])), "manifest.json", json.dumps(manifest).encode()))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no tar at all" * 100,
        oci(Image([LAYER]))[:700],
        tar(entry("a")),
        tar(entry("index.json", b"{")),
        tar(entry("index.json", b'{"manifests": [{"digest": "sha256:../../etc/passwd"}]}')),
        tar(entry("index.json", b'{"manifests": [{"digest": "md5:00"}]}')),
        tar(entry("index.json", b'{"manifests": 1}')),
        tar(entry("index.json", b"[" * 100_000)),
        tar(entry("manifest.json", b'[{"Config": "../../etc/passwd"}]')),
        tar(link("manifest.json", "manifest.json")),
        tar(link("index.json", "/etc/passwd")),
        tar(entry("index.json/")),
        tar(entry("manifest.json", b'[{"Config": "manifest.json", "RepoTags": ["BAD"]}]')),
    ],
)
def test_what_is_no_image_archive(raw: bytes) -> None:
    with pytest.raises(ImageError, match=r"web\.tar"):
        images(raw)


def test_indexes_in_indexes_have_an_end() -> None:
    kind = "application/vnd.oci.image.index.v1+json"
    documents = [b'{"manifests": []}']
    for _ in range(8):
        documents.append(json.dumps({"mediaType": kind, "manifests": [descriptor(documents[-1], kind)]}).encode())
    top = {"manifests": [descriptor(documents[-1], kind)]}
    with pytest.raises(ImageError, match="nested too deeply"):
        images(layout(top, *map(blob, documents)))
