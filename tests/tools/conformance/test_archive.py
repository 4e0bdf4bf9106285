import hashlib
import json
import tarfile
from pathlib import Path

from tools.conformance.archive import File, Image, Settings, write
from tools.conformance.images import localhost_certificate, named

REGISTRY = "registry.k8s.io/e2e-test-images"


def image(tree: Path) -> Image:
    return Image(
        names=("registry.example/a:1", "registry.example/b:2"),
        settings=Settings(entrypoint=("/agnhost",), cmd=("pause",)),
        tree=tree,
        files=(File("/agnhost", b"program", 0o755), File("/uploads/.keep", b"")),
        links=(("/agnhost-2", "agnhost"),),
    )


def tree(folder: Path) -> Path:
    folder.joinpath("usr/bin").mkdir(parents=True)
    folder.joinpath("usr/bin/sh").write_text("shell")
    folder.joinpath("bin").symlink_to("usr/bin")
    return folder


def test_an_archive_has_all_names_of_the_image_and_its_settings(tmp_path: Path) -> None:
    target = tmp_path / "image.tar"
    write(image(tree(tmp_path / "tree")), target)
    with tarfile.open(target) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json") or [])  # type: ignore[arg-type]
        config = json.load(archive.extractfile(manifest["Config"]))  # type: ignore[arg-type]
        layer = archive.extractfile(manifest["Layers"][0])
        assert layer is not None
        digest = hashlib.sha256(layer.read()).hexdigest()
    assert manifest["RepoTags"] == ["registry.example/a:1", "registry.example/b:2"]
    assert config["config"]["Entrypoint"] == ["/agnhost"]
    assert config["config"]["Cmd"] == ["pause"]
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert list(tmp_path.glob("*.layer")) == []


def test_the_layer_holds_tree_files_and_links_of_root(tmp_path: Path) -> None:
    target = tmp_path / "image.tar"
    write(image(tree(tmp_path / "tree")), target)
    with tarfile.open(target) as archive, tarfile.open(fileobj=archive.extractfile("layer/layer.tar")) as layer:
        members = {member.name: member for member in layer}
    assert members["bin"].linkname == "usr/bin"
    assert members["agnhost-2"].linkname == "agnhost"
    assert members["agnhost"].mode == 0o755
    assert members["usr/bin/sh"].isfile()
    assert "uploads/.keep" in members
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}


def test_equal_inputs_make_equal_archives(tmp_path: Path) -> None:
    first, second = tmp_path / "1.tar", tmp_path / "2.tar"
    source = tree(tmp_path / "tree")
    write(image(source), first)
    source.joinpath("usr/bin/sh").touch()
    write(image(source), second)
    assert first.read_bytes() == second.read_bytes()


def test_names_of_an_image_are_those_that_the_suite_prints() -> None:
    names = [f"{REGISTRY}/agnhost:2.55", f"{REGISTRY}/agnhost:2.66.1", "registry.k8s.io/pause:3.10.2"]
    printed = "\n".join([*names, "gcr.io/private/agnhost:2.6"])
    assert named(printed, "agnhost") == (f"{REGISTRY}/agnhost:2.55", f"{REGISTRY}/agnhost:2.66.1")
    assert named(printed, "pause") == ("registry.k8s.io/pause:3.10.2",)
    assert named(printed, "host") == ()


def test_the_certificate_is_for_localhost() -> None:
    certificate, key = localhost_certificate()
    assert certificate.startswith(b"-----BEGIN CERTIFICATE-----")
    assert key.startswith(b"-----BEGIN PRIVATE KEY-----")
