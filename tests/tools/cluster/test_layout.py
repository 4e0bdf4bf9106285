from __future__ import annotations

from pathlib import Path

import pytest
from tools.cluster.layout import Layout


def test_the_control_plane_is_on_the_first_node() -> None:
    layout = Layout("a", 2, Path("/state/a"))
    assert [host.name for host in layout.hosts] == ["node-1", "node-2"]
    assert layout.control.name == "node-1"
    assert layout.api_server == "https://172.30.0.11:6443"


def test_a_control_plane_apart_is_no_node() -> None:
    layout = Layout("a", 1, Path("/state/a"), apart=True)
    assert [(host.name, host.is_node) for host in layout.hosts] == [("control", False), ("node-1", True)]
    assert layout.api_server == "https://172.30.0.10:6443"


def test_addresses_of_both_families_end_alike() -> None:
    host = Layout("a", 2, Path("/state/a")).host("node-2")
    assert (host.address4, host.address6) == ("172.30.0.12", "fd00:172:30::12")


def test_all_hosts_of_the_largest_cluster_differ() -> None:
    hosts = Layout("a", 9, Path("/state/a"), apart=True).hosts
    assert len({host.address4 for host in hosts}) == len({host.address6 for host in hosts}) == 10


def test_an_unknown_host_is_an_error_that_names_the_others() -> None:
    with pytest.raises(LookupError, match="node-3: cluster a has node-1, node-2 and outside"):
        Layout("a", 2, Path("/state/a")).host("node-3")
