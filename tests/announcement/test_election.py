"""Repeated elections have the results of single ones, and cost what changed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.announcement import model
from podwire.announcement.election import Elections
from podwire.kube.addresses import IPAddress

ADDRESS = ipaddress.ip_address("192.0.2.1")
NODES = [f"node-{number}" for number in range(12)]


@given(st.lists(st.frozensets(st.sampled_from(NODES))))
def test_each_result_is_that_of_a_single_election(electorates: list[frozenset[str]]) -> None:
    elections = Elections()
    for electorate in electorates:
        assert elections.elected(ADDRESS, electorate) == model.elected(ADDRESS, electorate)


def test_only_new_nodes_and_the_winner_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    elected = model.elected

    def counting(address: IPAddress, nodes: frozenset[str]) -> str:
        compared.append(len(nodes))
        return elected(address, nodes)

    monkeypatch.setattr(model, "elected", counting)
    elections, every = Elections(), frozenset(NODES)
    winner = elections.elected(ADDRESS, every)
    loser = next(name for name in NODES if name != winner)
    elections.elected(ADDRESS, every - {loser})
    elections.elected(ADDRESS, every)
    elections.elected(ADDRESS, every - {winner})
    assert compared == [12, 1, 2, 11]
