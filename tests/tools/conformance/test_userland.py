import shutil
import subprocess
from pathlib import Path

import pytest
from tools.conformance.userland import closure, extract, first_choices

PRINTED = """\
curl
  Depends: libc6
  Depends: libcurl4
wget
 |Depends: libpcre2-8-0
  Depends: libpcre3
  PreDepends: dpkg
  Depends: <mail-transport-agent>
    exim4
"""


def test_first_choices_are_the_first_of_alternatives_without_virtual_packages() -> None:
    assert first_choices(PRINTED) == ["libc6", "libcurl4", "libpcre2-8-0", "dpkg"]


def test_closure_follows_dependencies_and_leaves_out_what_only_installs() -> None:
    graph = {
        "curl": ["libc6", "libcurl4", "dpkg"],
        "libcurl4": ["libc6", "perl-base", "krb5-common"],
        "libc6": ["curl"],
    }
    seen: list[str] = []

    def depends(names: list[str]) -> str:
        seen.extend(names)
        return "".join(f"{name}\n" + "".join(f"  Depends: {other}\n" for other in graph[name]) for name in names)

    assert closure(["curl"], depends) == {"curl", "libc6", "libcurl4"}
    assert len(seen) == len(set(seen)), "each package is looked up once"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_a_package_is_unpacked_through_the_links_of_merged_folders(tmp_path: Path) -> None:
    source, root = tmp_path / "source", tmp_path / "root"
    source.joinpath("DEBIAN").mkdir(parents=True)
    source.joinpath("DEBIAN/control").write_text(
        "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: x <x@example.org>\nDescription: x\n"
    )
    source.joinpath("bin").mkdir()
    source.joinpath("bin/x").write_text("x")
    package = tmp_path / "x.deb"
    build = ["dpkg-deb", "--root-owner-group", "--build", str(source), str(package)]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    root.joinpath("usr/bin").mkdir(parents=True)
    root.joinpath("bin").symlink_to("usr/bin")
    extract(package, root)
    assert root.joinpath("bin").is_symlink()
    assert root.joinpath("usr/bin/x").read_text() == "x"


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "x.deb"
    package.write_bytes(b"no package")
    with pytest.raises(subprocess.CalledProcessError):
        extract(package, tmp_path)
