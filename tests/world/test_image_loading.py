"""Loading an image is all or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lab.images.building import Image, busybox_layer, entry, oci, tar
from tests.world.harness import Home, eventually


@pytest.mark.long
def test_nothing_half_is_left_when_a_load_is_interrupted(fresh_home: Home, tmp_path: Path) -> None:
    """A load that is killed in the middle of its archive."""
    store = fresh_home.folder / "state" / "images"
    raw = oci(Image([busybox_layer("sh"), tar(entry("big", os.urandom(1_000_000)))]))
    command = [
        shutil.which("podwire", path=fresh_home.environment["PATH"]) or "podwire",
        "image",
        "load",
        "-",
        "--tag",
        "half",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=fresh_home.environment) as load:
        assert load.stdin is not None
        load.stdin.write(raw[:500_000])
        load.stdin.flush()
        eventually(lambda: any(store.glob(".new-*")), what="the load at work")
        load.kill()
    (tmp_path / "small.tar").write_bytes(oci(Image([tar(entry("a", b""))])))
    fresh_home.podwire("image", "load", str(tmp_path / "small.tar"), "--tag", "small")
    eventually(lambda: not any(store.glob(".new-*")), what="the leftovers are cleared")
    fresh_home.podwire("image", "rm", "small")
    assert {path.name for path in store.iterdir()} <= {"names.json"}
