"""Layers on a folder: whiteouts, links, and everything by which a layer could reach out of its image."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from podwire.lab.images import layer
from podwire.lab.images.errors import ImageError
from podwire.lab.images.layer import Unpacking, apply
from tests.lab.images.building import entry, hard_link, link, tar

Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text("the host's")
    return tmp_path / "root"


def unpack(root: Path, *layers: tuple[Member, ...]) -> Unpacking:
    """Apply layers; owners are those of this process, as not every test runs as root."""
    unpacking = Unpacking(root)
    for members in layers:
        for member, _ in members:
            member.uid, member.gid = os.geteuid(), os.getegid()
        apply(io.BytesIO(tar(*members)), unpacking)
    return unpacking


def listing(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


def outside_is_untouched(root: Path) -> bool:
    outside = root.parent / "outside"
    return (
        listing(outside) == {"file"}
        and (outside / "file").read_text() == "the host's"
        and os.stat(outside / "file").st_nlink == 1
    )


def test_files_with_mode_time_and_links(root: Path) -> None:
    unpack(
        root,
        (
            entry("bin/", mode=0o755, mtime=5),
            entry("bin/tool", b"x", mode=0o4755, mtime=7),
            link("bin/other", "tool"),
            hard_link("bin/same", "bin/tool"),
            entry("a/b/c", b"parents are made"),
            entry("pipe", type=tarfile.FIFOTYPE, mode=0o600),
            entry("./", mode=0o711),
        ),
    )
    tool = os.stat(root / "bin/tool")
    assert (stat.S_IMODE(tool.st_mode), tool.st_mtime, tool.st_nlink) == (0o4755, 7, 2)
    assert os.readlink(root / "bin/other") == "tool"
    assert os.stat(root / "bin").st_mtime == 5, "a folder's time is set after its files"
    assert (root / "a/b/c").read_text() == "parents are made"
    assert stat.S_ISFIFO(os.stat(root / "pipe").st_mode)
    assert stat.S_IMODE(os.stat(root).st_mode) == 0o711


LOWER = (entry("d/"), entry("d/a", b"1"), entry("d/sub/"), entry("d/sub/b", b"2"), entry("e", b"3"))


@pytest.mark.parametrize(
    ("upper", "left"),
    [
        ((entry(".wh.e"),), {"d", "d/a", "d/sub", "d/sub/b"}),
        ((entry("d/.wh.sub"),), {"d", "d/a", "e"}),
        ((entry(".wh.d"),), {"e"}),
        ((entry("d/.wh..wh..opq"),), {"d", "e"}),
        ((entry("d/new", b""), entry("d/.wh..wh..opq")), {"d", "d/new", "e"}),
        ((entry("d/.wh..wh..opq"), entry("d/sub/"), entry("d/sub/new")), {"d", "d/sub", "d/sub/new", "e"}),
        ((entry("e", b"new"), entry(".wh.e")), {"d", "d/a", "d/sub", "d/sub/b", "e"}),
        ((entry(".wh.nothing"), entry("no/.wh.where"), entry("e/.wh.x")), {"d", "d/a", "d/sub", "d/sub/b", "e"}),
        ((entry(".wh..wh.plnk/"),), {"d", "d/a", "d/sub", "d/sub/b", "e"}),
        ((entry("d", b"a file now"),), {"d", "e"}),
        ((link("d", "e"),), {"d", "e"}),
        ((entry("e/"), entry("e/f")), {"d", "d/a", "d/sub", "d/sub/b", "e", "e/f"}),
        ((entry("d/", mode=0o700),), {"d", "d/a", "d/sub", "d/sub/b", "e"}),
    ],
)
def test_an_upper_layer_hides_and_replaces(root: Path, upper: tuple[Member, ...], left: set[str]) -> None:
    unpack(root, LOWER, upper)
    assert listing(root) == left


def test_the_last_of_two_entries_with_one_name_counts(root: Path) -> None:
    unpack(root, (entry("a", b"first"), entry("a", b"second")))
    assert (root / "a").read_text() == "second"


def test_a_link_to_a_folder_is_followed_within_the_image_as_every_runtime_does(root: Path) -> None:
    unpack(
        root,
        (entry("usr/lib/"), link("lib", "usr/lib"), link("abs", "/usr")),
        (entry("lib/x", b""), entry("abs/y", b"")),
    )
    assert {"usr/lib/x", "usr/y"} <= listing(root)


ATTACKS: dict[str, tuple[tuple[Member, ...], ...]] = {
    "write through an absolute link": ((link("l", "{outside}"),), (entry("l/file", b"evil"),)),
    "write through a relative link": ((link("l", "../outside"),), (entry("l/file", b"evil"),)),
    "write through a link to a file": ((link("l", "{outside}/file"),), (entry("l", b"evil"),)),
    "a folder becomes a link": ((entry("d/"),), (link("d", "../outside"), entry("d/file", b"evil"))),
    "a folder over a link": ((link("l", "../outside"), entry("l/", mode=0o777)),),
    "chains of links": ((link("a", "b"), link("b", "c"), link("c", "../outside")), (entry("a/file", b"evil"),)),
    "remove by whiteout": ((link("l", "../outside"),), (entry("l/.wh.file"),)),
    "empty by whiteout": ((link("l", "../outside"),), (entry("l/.wh..wh..opq"),)),
    "make in the place of a link": ((link("l", "../outside/new"),), (entry("l", b"evil"),)),
    "a deep link out": ((link("x/y", "../../outside"),), (entry("x/y/file", b"evil"),)),
    "change a mode by link": ((link("l", "../outside/file"),), (entry("l", b"", type=tarfile.FIFOTYPE),)),
}


@pytest.mark.parametrize("layers", ATTACKS.values(), ids=ATTACKS.keys())
def test_nothing_outside_is_written(root: Path, layers: tuple[tuple[Member, ...], ...]) -> None:
    for members in layers:
        for member, _ in members:
            member.linkname = member.linkname.replace("{outside}", str(root.parent / "outside"))
    outside = root.parent / "outside"
    for inside in (root / "outside", root / str(outside).lstrip("/")):  # where the links lead, seen from the image
        inside.mkdir(parents=True)
    unpack(root, *layers)
    assert outside_is_untouched(root)


@pytest.mark.parametrize(
    "members",
    [
        (entry("../outside/file", b"evil"),),
        (entry("a/../../outside/file", b"evil"),),
        (entry(".."),),
        (hard_link("h", "../outside/file"),),
        (hard_link("h", "nothing"),),
        (link("l", "../outside"), hard_link("h", "l/file")),
        (entry(".wh..."),),
        (entry(".wh.."),),
        (entry(".wh."),),
        (entry("a", b""), entry("a/b", b"")),
        (entry("x/" * 300),),
        (entry("a" * 300),),
        (entry("d/" * 200), link("l", "d/" * 200), entry("l/" + "d/" * 100), entry("l/" + "d/" * 100 + "x")),
        (link("l", "", pax_headers={"linkpath": "a\0b"}),),
        (entry("a", type=b"Z"),),
    ],
)
def test_what_is_refused(root: Path, members: tuple[Member, ...]) -> None:
    with pytest.raises(ImageError, match="member"):
        unpack(root, members)
    assert outside_is_untouched(root)


def test_times_that_no_calendar_has_are_left_out(root: Path) -> None:
    times = ({"mtime": "inf"}, {"mtime": "nan"}, {"mtime": "1e300"})
    unpack(root, tuple(entry(f"{number}/", pax_headers=headers) for number, headers in enumerate(times)))
    assert listing(root) == {"0", "1", "2"}


def test_a_mode_below_zero_is_refused(root: Path) -> None:
    member = entry("a")[0].tobuf()
    forged = bytearray(member)
    forged[100:108], forged[148:156] = b"\xff" * 8, b" " * 8
    forged[148:156] = b"%06o\0 " % sum(forged[:512])
    with pytest.raises(ImageError, match="member 'a'"):
        apply(io.BytesIO(bytes(forged) + bytes(1024)), Unpacking(root))


def test_an_absolute_path_begins_at_the_root_of_the_image(root: Path) -> None:
    unpack(root, (entry("/outside/file", b"inside"), entry("//etc//./x", b"")))
    assert listing(root) == {"outside", "outside/file", "etc", "etc/x"}


def test_devices_are_left_out_and_counted(root: Path) -> None:
    found = unpack(root, (entry("sda", type=tarfile.BLKTYPE, devmajor=8), entry("null", type=tarfile.CHRTYPE)))
    assert listing(root) == set()
    assert found.left_out == {layer.DEVICES: 2}


def test_an_owner_that_does_not_exist_here_is_counted(root: Path) -> None:
    unpacking = Unpacking(root)
    apply(io.BytesIO(tar(entry("a", b"", uid=2**32 - 2, gid=0))), unpacking)
    expected = 0 if os.geteuid() == 0 and "4294967295" in Path("/proc/self/uid_map").read_text() else 1
    assert unpacking.left_out[layer.OWNERS] == expected


def test_a_layer_that_is_cut_off(root: Path) -> None:
    whole = tar(entry("a", b"x" * 5000))
    with pytest.raises(ImageError, match="read to its end"):
        apply(io.BytesIO(whole[:3000]), Unpacking(root))
    with pytest.raises(ImageError, match="read to its end"):
        apply(io.BytesIO(b"no tar" * 200), Unpacking(root))


def test_more_than_a_disk_can_hold(root: Path) -> None:
    huge = entry("huge", b"")[0]
    huge.size = 2**60
    with pytest.raises(ImageError, match="is larger than 64 GiB"):
        apply(io.BytesIO(huge.tobuf()), Unpacking(root))
    huge.size = layer.MOST_BYTES
    disk = os.statvfs(root)
    if disk.f_bavail * disk.f_frsize < huge.size:
        with pytest.raises(ImageError, match="would be full"):
            apply(io.BytesIO(huge.tobuf()), Unpacking(root))
    assert listing(root) == set()


def test_too_many_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "MOST_ENTRIES", 3)
    with pytest.raises(ImageError, match="more than 3 files"):
        unpack(root, tuple(entry(str(number)) for number in range(4)))
