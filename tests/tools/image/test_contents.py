"""Which files of which packages are in the image, and that the locks agree with the tree."""

import re
import tomllib
from pathlib import Path

import pytest
from tools.image.contents import is_taken, is_taken_from_wheel, merged
from tools.image.lock import ARCHITECTURES, DebianLock, ImageError
from tools.image.variants import GATEWAY, NODE, PACKAGES, Variant

from tools.image import lock

TOP = Path(__file__).parents[3]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;]+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize(
    ("package", "path", "taken"),
    [
        ("libc6", "lib/x86_64-linux-gnu/libc.so.6", True),
        ("libc6", "./lib64/ld-linux-x86-64.so.2", True),
        ("libc6", "usr/lib/x86_64-linux-gnu/gconv/UTF-7.so", False),
        ("libc6", "usr/share/doc/libc6/copyright", True),
        ("libc6", "usr/share/doc/libc6/changelog.Debian.gz", False),
        ("libpython3.11-stdlib", "usr/lib/python3.11/asyncio/events.py", True),
        ("libpython3.11-stdlib", "usr/lib/python3.11/turtle.py", False),
        ("bird2", "usr/sbin/bird", True),
        ("bird2", "usr/sbin/birdcl", False),
        ("util-linux", "bin/mount", False),
        ("util-linux", "usr/bin/setpriv", True),
    ],
)
def test_files_of_debian_packages(package: str, path: str, *, taken: bool) -> None:
    assert is_taken(package, merged(path), NODE.packages[package]) == taken


@pytest.mark.parametrize(
    ("path", "taken"), [("yarl/_url.py", True), ("yarl/_quoting_c.pyx", False), ("x/tests/a.py", False)]
)
def test_files_of_python_packages(path: str, *, taken: bool) -> None:
    assert is_taken_from_wheel(path) == taken


def test_the_locks_pin_each_package_for_each_architecture() -> None:
    packages = DebianLock.read().packages
    assert set(packages) == set(ARCHITECTURES.values())
    for each in packages.values():
        assert {package.name for package in each} == set(PACKAGES)
        assert all(re.fullmatch("[0-9a-f]{64}", package.sha256) for package in each)


@pytest.mark.parametrize(
    ("variant", "absent"),
    [(NODE, {"common-expression-language", "cryptography"}), (GATEWAY, {"common-expression-language"})],
)
def test_python_packages_are_those_that_podwire_is_tested_with(variant: Variant, absent: set[str]) -> None:
    image, tested = pins(variant.python), pins(TOP / "requirements.lock")
    assert image.items() <= tested.items()
    wanted = {one for one in variant.python.with_suffix(".in").read_text().splitlines() if not one.startswith("#")}
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    declared = {re.split("[><=]", each)[0] for each in project["dependencies"]}
    assert declared - wanted == absent
    extra = {re.split("[><=]", each)[0] for each in project["optional-dependencies"]["gateway"]}
    assert wanted & extra == (extra if variant is GATEWAY else set())
    assert wanted <= image.keys()


def test_the_image_of_gateways_can_change_no_node() -> None:
    """What strangers send requests to has neither rules of the kernel nor BGP nor the CNI plugin beside it."""
    assert not {"libnftables1", "iptables", "bird2", "util-linux"} & GATEWAY.packages.keys()
    assert (GATEWAY.has_plugin, NODE.has_plugin) == (False, True)


def test_a_lock_that_cannot_be_read_names_the_command_that_renews_it(tmp_path: Path) -> None:
    (tmp_path / "debian.lock").write_text("{}")
    with pytest.raises(ImageError, match=r"python -m tools\.image lock"):
        DebianLock.read(tmp_path / "debian.lock")


def test_no_lock_names_a_registry() -> None:
    for path in (lock.DEBIAN, lock.PYTHON, lock.PYTHON_GATEWAY, lock.COMPILER):
        assert "://" not in path.read_text()
