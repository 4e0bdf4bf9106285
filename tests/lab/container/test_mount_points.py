"""Places for mounts in a root that an image filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from podwire.lab.container.mount_points import provide


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "root" / "etc").mkdir(parents=True)
    return tmp_path / "root"


def made(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_symlink()}


def test_what_is_missing_is_made_and_what_is_there_stays(root: Path) -> None:
    (root / "etc" / "hosts").write_text("the image's")
    provide(str(root), "/etc/hosts", is_folder=False)
    provide(str(root), "/data/deep", is_folder=True)
    provide(str(root), "/a/file", is_folder=False)
    assert (root / "etc" / "hosts").read_text() == "the image's"
    assert made(root) == {"etc", "etc/hosts", "data", "data/deep", "a", "a/file"}
    assert (root / "a" / "file").is_file()


@pytest.mark.parametrize(
    ("link", "place"),
    [
        ("../run/systemd/stub", "run/systemd/stub"),
        ("/run/stub", "run/stub"),
        ("../../../../run/stub", "run/stub"),
        ("stub", "etc/stub"),
    ],
)
def test_a_link_that_leads_nowhere_gets_an_end_within_the_root(root: Path, link: str, place: str) -> None:
    (root / "etc" / "resolv.conf").symlink_to(link)
    provide(str(root), "/etc/resolv.conf", is_folder=False)
    assert (root / place).is_file()
    assert list((root.parent / "outside").iterdir()) == []


def test_links_to_folders_and_links_to_links(root: Path) -> None:
    (root / "var").symlink_to("/v")
    (root / "v").symlink_to("./w")
    provide(str(root), "/var/run/secrets", is_folder=True)
    assert (root / "w" / "run" / "secrets").is_dir()


def test_a_link_out_of_the_root_leads_back_into_it(root: Path) -> None:
    (root / "out").symlink_to("../outside")
    provide(str(root), "/out/x", is_folder=False)
    assert list((root.parent / "outside").iterdir()) == []
    assert (root / "outside" / "x").is_file()


def test_links_in_a_circle_are_refused(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        provide(str(root), "/a/x", is_folder=True)
