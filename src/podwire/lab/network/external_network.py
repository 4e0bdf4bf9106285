"""The world outside of the cluster, as far as a test needs one: names that resolve to the outside host. Pure."""

from __future__ import annotations

from podwire.dns.records import TXT, Record, address_data
from podwire.lab.network.topology import Topology

NAMES = ("example.com", "www.example.com", "outside.test")


def records(topology: Topology) -> tuple[Record, ...]:
    """Every name with both addresses of the outside host; example.com has a text too."""
    addresses = (topology.outside4.ip, topology.outside6.ip)
    found = [Record(name, address_data(address)) for name in NAMES for address in addresses]
    return (*found, Record("example.com", TXT("the world outside of this cluster")))
