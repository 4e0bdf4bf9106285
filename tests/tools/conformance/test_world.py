import contextlib
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.conformance import world


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A podwire that writes down what it is called with, and fails for `up` where a file `broken` exists."""
    program, log = tmp_path / "bin" / "podwire", tmp_path / "calls"
    program.parent.mkdir()
    lines = [
        "#!/bin/sh",
        '[ "$2" != ls ] || echo "$IMAGES"',
        f'echo "$1 $2 $3 $4 | $KUBECONFIG" >> {log}',
        f'[ "$1" != up ] || [ ! -e {tmp_path}/broken ] || exit 1',
        '[ "$1" != up ] || echo "clusters: [cluster: {server: here, tls: 1}]" > $KUBECONFIG',
    ]
    program.write_text("\n".join(lines) + "\n")
    program.chmod(0o755)
    monkeypatch.setenv("IMAGES", '[{"id": "sha256:1", "names": []}, {"id": "sha256:2", "names": ["a:1"]}]')
    monkeypatch.setattr(world, "PROGRAMS", program.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return log


def test_a_world_has_its_images_and_a_kubeconfig_of_its_own_and_ends(calls: Path, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "podwire/conformance/world-x/kubeconfig"
    with contextlib.suppress(RuntimeError), world.running("x", [Path("/image.tar")]) as given:
        raise RuntimeError
    assert given.prefix[1:] == ("outside", "--name", "x", "--")
    assert given.environment["KUBECONFIG"] == str(kubeconfig)
    assert given.kubeconfig.stat().st_mode & 0o777 == 0o600
    outside = yaml.safe_load(given.kubeconfig.read_text())
    assert outside == {"clusters": [{"cluster": {"server": "https://172.18.0.1:6443", "tls": 1}}]}
    assert calls.read_text().splitlines() == [
        f"image load /image.tar  | {kubeconfig}",
        f"image ls -o json | {kubeconfig}",
        f"image rm sha256:1  | {kubeconfig}",
        f"up --quiet --name x | {kubeconfig}",
        f"outside --name x -- | {kubeconfig}",
        f"down --name x  | {kubeconfig}",
    ]


def test_what_a_failed_start_left_is_cleared_away(calls: Path, tmp_path: Path) -> None:
    tmp_path.joinpath("broken").touch()
    with pytest.raises(subprocess.CalledProcessError), world.running("x", []):
        pass
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["image", "image", "up", "down"]
