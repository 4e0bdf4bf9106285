"""On this machine, without rights, and with a kernel or a library that refuses something."""

import ctypes
import os
import struct
import threading
from types import SimpleNamespace

import msgspec
import pytest

from podwire.kernel.feature_check import check, tried
from podwire.kernel.features import FEATURES, Feature
from podwire.kernel.nftables import Nftables, NftablesError
from podwire.kernel.transports import has_sctp
from tests.sandbox import sandboxed

CAPABILITY_VERSION_3 = 0x20080522
"""Source: capget(2)."""
MISSING = "Error: Could not process rule: No such file or directory\nadd table ..."
OLD = "Error: syntax error, unexpected newline\nadd table ..."


@sandboxed
def test_a_kernel_that_runs_the_tests_has_all_but_sctp() -> None:
    before = (
        os.stat("/proc/thread-self/ns/net").st_ino,
        os.listdir("/proc/sys/net/ipv4/conf"),
        threading.active_count(),
    )
    results = check()
    assert [result.name for result in results] == [feature.name for feature in FEATURES]
    assert {str(result) for result in results if not result.ok and result.name != "sctp"} == set()
    assert next(result for result in results if result.name == "sctp").ok == has_sctp()
    assert Nftables().run("list tables") == ""
    after = (
        os.stat("/proc/thread-self/ns/net").st_ino,
        os.listdir("/proc/sys/net/ipv4/conf"),
        threading.active_count(),
    )
    assert before == after


def here() -> tuple[int, list[str], int]:
    """The namespace of this thread, its links, and how many threads there are."""
    namespace = os.stat("/proc/thread-self/ns/net").st_ino
    return namespace, os.listdir("/proc/sys/net/ipv4/conf"), threading.active_count()


@sandboxed
def test_without_rights_all_that_needs_them_says_so() -> None:
    assert ctypes.CDLL(None).capset(struct.pack("=Ii", CAPABILITY_VERSION_3, 0), bytes(24)) == 0
    results = check()
    assert all(not result.ok and "NET_ADMIN" in result.remedy for result in results)


class Refusing:
    """A library that refuses each transaction with this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def run(self, text: str) -> str:  # noqa: ARG002
        raise NftablesError(self._text)

    def release(self) -> None:
        """Nothing is remembered."""


@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        (MISSING, "the kernel needs nft_reject_inet: load it with modprobe"),
        (OLD, "install libnftables 1.0.6 or later"),
        ("Error: Could not process rule: Operation not permitted", "NET_ADMIN"),
        ("Could not receive tables from kernel: Operation not permitted", "NET_ADMIN"),
    ],
)
def test_a_refusal_has_the_remedy_of_its_cause(refusal: str, remedy: str) -> None:
    feature = next(one for one in FEATURES if one.name == "reject")
    result = tried(feature, Refusing(refusal))
    assert (result.ok, result.essential) == (False, True)
    assert remedy in result.remedy
    assert refusal.partition("\n")[0] in str(result)


def test_a_probe_that_fails_is_named() -> None:
    def absent() -> None:
        raise OSError(95, "Operation not supported")

    result = tried(Feature("vxlan", "VXLAN between nodes", "vxlan", absent, essential=False), Refusing(MISSING))
    assert "vxlan, needed for VXLAN between nodes, does not work: [Errno 95]" in str(result)
    assert not result.essential


@pytest.mark.parametrize(("release", "old"), [("5.14.21-generic", True), ("4.19.0", True), ("5.15.0", False)])
def test_an_older_kernel_is_named_with_the_one_that_it_takes(
    release: str, old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release))
    feature = next(one for one in FEATURES if one.name == "kernel 5.15")
    result = tried(feature, Refusing(MISSING))
    assert result.ok is not old
    assert (f"Linux {release} is older than 5.15" in result.problem) is old


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_what_any_feature_lacks_is_said_with_what_it_serves_and_what_has_it(feature: Feature) -> None:
    def absent() -> None:
        raise OSError(95, "Operation not supported")

    probe = absent if callable(feature.probe) else feature.probe
    said = str(tried(msgspec.structs.replace(feature, probe=probe), Refusing(MISSING)))
    assert said.startswith(f"{feature.name}, needed for {feature.serves}, does not work: ")
    assert f"the kernel needs {feature.modules}" in said
