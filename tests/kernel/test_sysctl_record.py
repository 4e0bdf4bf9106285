from pathlib import Path

from podwire.kernel import sysctl
from podwire.kernel.sysctl_record import SysctlRecord
from tests.sandbox import sandboxed

FORWARD = "net/ipv4/ip_forward"
REDIRECTS = "net/ipv4/conf/all/accept_redirects"
SEND = "net/ipv4/conf/all/send_redirects"


def record() -> SysctlRecord:
    """A new object each time, as after a restart."""
    return SysctlRecord(Path("/run/podwire/sysctls.json"))


@sandboxed
def test_values_are_as_before_after_several_starts() -> None:
    sysctl.write({FORWARD: 0, REDIRECTS: 0, SEND: 1})
    record().write({FORWARD: 1, SEND: 0})
    assert [sysctl.read(name) for name in (FORWARD, SEND)] == ["1", "0"]
    record().write({FORWARD: 1, SEND: 0})
    assert set(record().restore()) == {FORWARD, SEND, REDIRECTS}
    assert [sysctl.read(name) for name in (FORWARD, REDIRECTS, SEND)] == ["0", "0", "1"]
    assert record().restore() == []


@sandboxed
def test_a_value_that_was_so_before_is_not_restored() -> None:
    sysctl.write({FORWARD: 1})
    record().write({FORWARD: 1})
    assert record().restore() == []
    assert sysctl.read(FORWARD) == "1"


@sandboxed
def test_a_value_that_another_program_wrote_since_is_left_alone() -> None:
    name = "net/ipv4/neigh/lo/proxy_delay"
    record().write({name: 0})
    sysctl.write({name: 20})
    assert record().restore() == []
    assert sysctl.read(name) == "20"


@sandboxed
def test_values_of_an_earlier_start_of_the_machine_are_discarded() -> None:
    sysctl.write({SEND: 1})
    path = Path("/run/podwire/sysctls.json")
    path.parent.mkdir()
    path.write_text(
        '{"boot": "another", "changes": {"net/ipv4/conf/all/send_redirects": {"before": "0", "written": "1"}}}'
    )
    assert record().restore() == []
    assert sysctl.read(SEND) == "1"
