from __future__ import annotations

import os
from pathlib import Path

from podwire.lab.images import busybox


def test_links_are_made_once_and_added_to(tmp_path: Path) -> None:
    folder = tmp_path / "node" / "busybox"
    busybox.provide(folder, "/bin/busybox", ["sh"])
    first = (folder / "sh").lstat()
    busybox.provide(folder, "/bin/busybox", ["nc", "sh"])
    assert {path.name: os.readlink(path) for path in folder.iterdir()} == dict.fromkeys(
        ("busybox", "nc", "sh"), "/bin/busybox"
    )
    assert (folder / "sh").lstat().st_ino == first.st_ino
    assert folder.stat().st_mode & 0o777 == 0o755, "users other than root find the programs too"


def test_a_program_that_lacks_options_has_a_script_in_its_place(tmp_path: Path) -> None:
    for _ in range(2):
        busybox.provide(tmp_path, "/bin/busybox", ["nc", "sh", "wget"], ["wget"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["busybox", "nc", "sh", "wget"]
    assert (tmp_path / "wget").read_text().startswith("#!/.busybox/sh\n")
    assert (tmp_path / "wget").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "nc").is_symlink()


def test_its_programs_come_before_or_after_those_of_the_machine() -> None:
    assert busybox.path("/usr/bin", first=True) == "/.busybox:/usr/bin"
    assert busybox.path("/usr/bin", first=False) == "/usr/bin:/.busybox"
