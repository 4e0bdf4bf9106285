"""What a machine lacks is a reason in one line, never a traceback: peers are built where there is a network."""

import dataclasses

import pytest
from bench.isolation import UnsuitableMachineError, in_sandbox
from bench.peer_programs import MissingPeerError, built

from bench import dns
from tools.conformance import programs


def test_what_a_sample_lacks_is_raised_outside_of_its_namespaces() -> None:
    def sample() -> None:
        raise MissingPeerError("knotd is missing")

    with pytest.raises(UnsuitableMachineError, match="knotd is missing"):
        in_sandbox(sample)


def test_a_peer_that_cannot_be_built_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    unknown = dataclasses.replace(programs.CLUSTER_DNS, package="./nothing")
    monkeypatch.setattr(programs, "CLUSTER_DNS", unknown)
    with pytest.raises(MissingPeerError):
        built(unknown)
    assert dns.coredns() is None
    assert "CoreDNS is left out: " in capfd.readouterr().out
