"""The store: loading, names, removal, and that nothing half is ever found in it."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
from pathlib import Path

import pytest

from podwire.lab.images import layer, listing, loading, removal
from podwire.lab.images.errors import ImageError
from podwire.lab.images.loading import Loaded
from podwire.lab.images.store import NEW, Store, StoredImage
from tests.lab.images.building import Image, changed, digest, docker, docker_with_layout, entry, oci, tar

LOWER = tar(entry("etc/passwd", b"web:x:33:33::/:/bin/sh\n"), entry("etc/group", b"web:x:33:\n"), entry("a", b"1"))
UPPER = tar(entry(".wh.a"), entry("b", b"22"))


def image(**settings: object) -> Image:
    named = {"io.containerd.image.name": "docker.io/library/web:v1"}
    return Image([LOWER, UPPER], {"Cmd": ["b"], "User": "web"}, annotations=named, **settings)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def load(store: Store, raw: bytes, *tags: str) -> list[Loaded]:
    return loading.load(store, io.BufferedReader(io.BytesIO(raw)), "web.tar", tags)


def whole(store: Store) -> set[str]:
    """Return all names in the store's folder; a load that failed leaves none."""
    return {path.name for path in store.path.iterdir()}


def test_an_image_is_unpacked_and_found_by_each_of_its_names(store: Store) -> None:
    archived = image()
    (loaded,) = load(store, oci(archived))
    manifest = digest(archived.manifest())
    assert loaded.names == ("docker.io/library/web:v1", f"docker.io/library/web@{manifest}")
    for name in ("web:v1", "docker.io/library/web:v1", f"web@{manifest}", f"web:v1@{manifest}"):
        assert store.find(name) == loaded.image
    assert store.find("web") is None
    found = loaded.image
    assert (found.id, found.layers, found.format) == (archived.id, 2, "oci")
    assert (found.passwd, found.group) == ("web:x:33:33::/:/bin/sh\n", "web:x:33:\n")
    assert (found.config.cmd, found.config.user) == (("b",), "web")
    assert {path.name for path in store.root(found).iterdir()} == {"etc", "b"}
    assert whole(store) == {"names.json", found.folder_name}


@pytest.mark.parametrize("compressed", [True, False])
def test_each_layout_gives_the_same_files(store: Store, compressed: bool) -> None:
    archived = image(compressed=compressed)
    raw = {
        "oci": oci(archived),
        "old": docker((archived, ["web:v1"])),
        "both": docker_with_layout(archived, ["web:v1"]),
        "gzip": gzip.compress(oci(archived)),
    }
    for name, data in raw.items():
        fresh = Store(store.path / name)
        (loaded,) = load(fresh, data)
        assert loaded.names[0] == "docker.io/library/web:v1"
        assert (fresh.root(loaded.image) / "b").read_text() == "22"


def test_a_pipe_is_as_good_as_a_file(store: Store) -> None:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(reader)
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(oci(image()))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as source:
        (loaded,) = loading.load(store, source, "-", ())
    os.wait()
    assert store.find("web:v1") == loaded.image


def test_tags_take_the_place_of_the_archives_names(store: Store) -> None:
    unnamed = Image([LOWER])
    with pytest.raises(ImageError, match=r"name it with --tag"):
        load(store, oci(unnamed))
    (loaded,) = load(store, oci(unnamed), "team/x", "y:2")
    assert [name for name in loaded.names if "@" not in name] == ["docker.io/team/x:latest", "docker.io/library/y:2"]
    load(store, oci(image()), "z")
    assert store.find("web:v1") is None
    with pytest.raises(ImageError, match="2 images"):
        load(store, docker((image(), ["a:1"]), (unnamed, ["b:1"])), "c")


def test_a_name_moves_to_a_new_image_and_the_old_one_stays(store: Store) -> None:
    (first,) = load(store, oci(Image([LOWER])), "web:v1")
    (second,) = load(store, oci(image()), "web:v1")
    assert store.find("web:v1") == second.image
    assert store.image(first.image.id) == first.image
    assert load(store, oci(image()), "web:v1")[0].image == second.image, "loading again changes nothing"


def blob_name(data: bytes) -> str:
    return f"blobs/sha256/{digest(data).partition(':')[2]}"


def test_a_layer_is_held_against_both_digests(store: Store) -> None:
    archived = image()
    first = archived.blobs()[0]
    with pytest.raises(ImageError, match=r"layer 1 of 2 .*its content has digest"):
        load(store, changed(oci(archived), blob_name(first), gzip.compress(UPPER)))
    recompressed = gzip.compress(LOWER, 1, mtime=1)
    with pytest.raises(ImageError, match=r"layer 1 of 2 .*damaged or was changed"):
        load(store, changed(oci(archived), blob_name(first), recompressed))
    assert recompressed != first
    with pytest.raises(ImageError, match=r"layer 1 of 2 .*damaged or was changed"):
        load(store, changed(docker((archived, ["web:v1"])), "00/layer.tar", UPPER))
    assert whole(store) == set()


def test_a_damaged_archive_is_refused_also_where_its_image_is_here(store: Store) -> None:
    archived = image()
    (first,) = load(store, oci(archived))
    damaged = changed(oci(archived), blob_name(archived.blobs()[1]), gzip.compress(LOWER))
    with pytest.raises(ImageError, match=r"layer 2 of 2 .*its content has digest"):
        load(store, damaged, "again")
    old = docker((archived, ["again:v1"]))
    with pytest.raises(ImageError, match=r"layer 1 of 2 .*damaged or was changed"):
        load(store, changed(old, "00/layer.tar", UPPER))
    with pytest.raises(ImageError, match=r"web\.tar: its compression is broken"):
        load(store, changed(oci(archived), blob_name(archived.blobs()[0]), archived.blobs()[0][:40]), "again")
    assert not any("again" in name for name in store.names())
    assert load(store, old)[0].image == first.image, "a whole one is taken"


def test_an_image_has_the_digest_that_its_names_have(store: Store) -> None:
    archived = image()
    load(store, docker((archived, ["web:v1"])))
    (before,) = listing.entries(store)
    assert (before.digest, before.names) == ("", ("docker.io/library/web:v1",))
    (loaded,) = load(store, oci(archived))
    (after,) = listing.entries(store)
    assert after.digest == loaded.image.digest == digest(archived.manifest())
    assert after.names == ("docker.io/library/web:v1", f"docker.io/library/web@{after.digest}")
    load(store, docker((archived, ["web:v1"])))
    assert listing.entries(store) == [after], "an archive without manifests takes nothing away"


@pytest.mark.parametrize(
    ("start", "name"), [(b"\x28\xb5\x2f\xfd", "zstd"), (b"BZh9", "bzip2"), (b"\xfd7zXZ\x00", "xz")]
)
def test_other_compressions_are_refused_by_name(store: Store, start: bytes, name: str) -> None:
    archived = image()
    with pytest.raises(ImageError, match=rf"layer 1 of 2 .*compressed with {name}"):
        load(store, changed(oci(archived), blob_name(archived.blobs()[0]), start + b"rest"))
    with pytest.raises(ImageError, match=rf"web.tar: is compressed with {name}"):
        load(store, start + b"rest" * 10)


def test_what_is_cut_off_leaves_nothing(store: Store) -> None:
    raw = oci(image())
    packed = gzip.compress(raw)
    for data in (raw[: len(raw) // 2], packed[: len(packed) // 2], packed[:-4] + b"\0\0\0\0", b"\x1f\x8bno gzip"):
        with pytest.raises(ImageError, match=r"web\.tar"):
            load(store, data)
    first = image().blobs()[0]
    with pytest.raises(ImageError, match=r"web\.tar"):
        load(store, changed(oci(image()), blob_name(first), first[:40]))
    assert whole(store) == set()


def test_an_archive_may_not_fill_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "DISK_RESERVE", 2**62)
    for raw in (oci(image()), gzip.compress(oci(image()))):
        with pytest.raises(ImageError, match=r"disk of .* would be full"):
            load(store, raw)
    assert whole(store) == set()


def test_what_a_killed_load_left_is_removed_by_the_next_and_a_living_one_is_let_be(store: Store) -> None:
    dead, alive = store.path / f"{NEW}dead", store.path / f"{NEW}alive"
    for path in (dead, alive):
        (path / "rootfs" / "x").mkdir(parents=True)
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (loaded,) = load(store, oci(image()))
    os.close(lock)
    assert whole(store) == {"names.json", loaded.image.folder_name, alive.name}


def test_an_image_that_another_process_removes_meanwhile_gets_no_name(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loaded,) = load(store, oci(image()))
    folder, image_of = store.path / loaded.image.folder_name, store.image

    def once_more(image_id: str) -> StoredImage | None:
        found = image_of(image_id)
        if folder.exists():
            store.discard(folder)
        return found

    monkeypatch.setattr(store, "image", once_more)
    with pytest.raises(ImageError, match="was removed meanwhile: load it again"):
        load(store, oci(image()), "again")
    assert not any("again" in name for name in store.names())


def test_removing_names_and_then_files(store: Store, tmp_path: Path) -> None:
    (loaded,) = load(store, oci(image()), "web:v1", "web:v2")
    assert removal.remove(store, "web:v1", tmp_path).image_id == ""
    assert store.find("web:v1") is None
    assert store.find("web:v2") == loaded.image
    gone = removal.remove(store, "web:v2", tmp_path)
    assert gone.image_id == loaded.image.id
    assert whole(store) == {"names.json"}
    assert store.names() == {}
    with pytest.raises(ImageError, match=r"web:v2: is not in the store; 'podwire image ls'"):
        removal.remove(store, "web:v2", tmp_path)


def test_removing_by_id(store: Store, tmp_path: Path) -> None:
    (loaded,) = load(store, oci(image()), "web:v1", "web:v2")
    with pytest.raises(ImageError, match="is not in the store"):
        removal.remove(store, "abcdef0", tmp_path)
    assert removal.remove(store, loaded.image.short_id, tmp_path).image_id == loaded.image.id
    assert store.images() == []


def test_an_image_that_a_container_runs_from_stays(store: Store, tmp_path: Path) -> None:
    (loaded,) = load(store, oci(image()), "web:v1")
    mounts = tmp_path / "proc" / "7" / "mountinfo"
    mounts.parent.mkdir(parents=True)
    root = store.root(loaded.image)
    mounts.write_text(f"1 2 0:99 / / rw - overlay overlay rw,lowerdir={root},userxattr\n" * 2)
    with pytest.raises(ImageError, match="web:v1: containers that run from it: 1"):
        removal.remove(store, "web:v1", tmp_path / "proc")
    assert store.find("web:v1") == loaded.image
    load(store, oci(image()), "web:v2")
    untagged = removal.remove(store, "web:v2", tmp_path / "proc")
    assert (untagged.image_id, untagged.containers) == ("", 1), "the image stays under its other name"
    assert "containers that run from the image: 1" in listing.removed_text(untagged)
    mounts.write_text("1 2 0:99 / / rw - overlay overlay rw,lowerdir=/other\n")
    assert removal.remove(store, "web:v1", tmp_path / "proc").image_id == loaded.image.id


def test_an_image_in_use_never_loses_its_names_and_one_that_comes_into_use_gets_them_back(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loaded,) = load(store, oci(image()), "web:v1")
    users = iter([1, 0, 1])
    named: list[bool] = []

    def count(*_: object) -> int:
        named.append(store.find("web:v1") is not None)
        return next(users)

    monkeypatch.setattr(removal, "containers_of", count)
    for looked in ([True], [True, True, False]):
        with pytest.raises(ImageError, match="containers that run from it: 1"):
            removal.remove(store, "web:v1", tmp_path)
        assert named == looked
        assert store.find("web:v1") == loaded.image


def test_names_are_on_the_disk_before_they_stand_and_so_is_that_they_stand(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (loaded,) = load(store, oci(image()), "web:v1")
    synced, sync = [], os.fsync

    def seen(descriptor: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, "web:v2" in str(store.names())))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", seen)
    store.name(loaded.image, ["docker.io/library/web:v2"])
    assert synced == [(".names.json.new", False), ("images", True)]


def test_broken_files_of_the_store(store: Store) -> None:
    (loaded,) = load(store, oci(image()))
    (store.path / loaded.image.folder_name / "image.json").write_text("{")
    assert store.find("web:v1") is None
    assert load(store, oci(image()))[0].image.id == loaded.image.id, "loaded again"
    (store.path / "names.json").write_text("{")
    with pytest.raises(ImageError, match=r"names\.json"):
        store.names()
