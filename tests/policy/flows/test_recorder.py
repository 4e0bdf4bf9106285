import pytest

from podwire.kube.core import Pod
from podwire.policy.flows.describing import Scene
from podwire.policy.flows.record import decode
from podwire.policy.flows.recorder import EVENT_SECONDS, FlowRecorder
from tests.policy.flows.packets import CLIENT, FAR, NOBODY, SERVER, SERVICE, cluster, packet, scene


class Kept:
    """Lines and events in memory. The disk is full while `full`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.events: list[tuple[str, str]] = []
        self.full = False

    def append(self, line: bytes) -> None:
        if self.full:
            raise OSError("no space left on device")
        self.lines.append(line)

    def event(self, pod: Pod, message: str) -> None:
        self.events.append((str(pod.key), message))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def recorder(kept: Kept) -> FlowRecorder:
    return FlowRecorder(scene(cluster()), kept, kept.event)


def test_an_attempt_is_one_line_one_count_and_one_event(recorder: FlowRecorder, kept: Kept) -> None:
    for second in range(4):
        recorder.packet(packet("egress", CLIENT, FAR), float(second))
    assert [decode(line).addresses.destination for line in kept.lines] == [FAR]
    assert recorder.counts == {("DROPPED", "EGRESS", "POLICY_DENIED", "TCP"): 1}
    text = "TCP 80 to x/far (10.0.1.1) dropped by isolation of policy x/deny: no rule admits"
    assert kept.events == [("x/client", text)]


def test_the_event_is_of_the_pod_whose_policies_decide_and_names_the_service(
    recorder: FlowRecorder, kept: Kept
) -> None:
    recorder.packet(packet("ingress", NOBODY, SERVER), 0.0)
    recorder.packet(packet("egress", CLIENT, SERVER, original=(SERVICE, 8000)), 0.0)
    (first, from_outside), (second, through) = kept.events
    assert (first, second) == ("x/web-5d-q1", "x/client")
    assert from_outside.startswith("TCP 80 from 192.0.2.9 dropped by isolation of policies x/deny, x/web")
    assert through.startswith("TCP 80 to x/web-5d-q1 (10.0.0.2) by Service web dropped")


def test_events_of_a_pod_are_limited_and_records_are_not(recorder: FlowRecorder, kept: Kept) -> None:
    for number in range(5):
        recorder.packet(packet("egress", CLIENT, FAR, attempt=number), float(number))
    assert (len(kept.lines), len(kept.events)) == (5, 1)
    recorder.packet(packet("ingress", FAR, SERVER, port=81), 5.0)
    assert len(kept.events) == 2
    recorder.packet(packet("egress", CLIENT, FAR, attempt=9), EVENT_SECONDS)
    assert len(kept.events) == 3


def test_admitted_connections_and_closed_pods_make_no_event(recorder: FlowRecorder, kept: Kept) -> None:
    recorder.packet(packet("allowed", FAR, SERVER), 0.0)
    recorder.packet(packet("closed", NOBODY, SERVER), 0.0)
    assert (len(kept.lines), kept.events) == (2, [])


def test_a_full_disk_and_lost_packets_are_counted(recorder: FlowRecorder, kept: Kept) -> None:
    kept.full = True
    recorder.packet(packet("egress", CLIENT, FAR), 0.0)
    recorder.packet(None, 0.0)
    kept.full = False
    recorder.packet(packet("egress", CLIENT, FAR, attempt=8), 0.0)
    assert (len(kept.lines), recorder.unwritten, recorder.lost) == (1, 1, 1)
    assert recorder.counts == {("DROPPED", "EGRESS", "POLICY_DENIED", "TCP"): 2}


def test_a_packet_that_cannot_be_described_ends_nothing(
    recorder: FlowRecorder, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Scene, "flow", broken)
        assert recorder.packet(packet("egress", CLIENT, FAR), 0.0) is None
    recorder.packet(packet("egress", CLIENT, FAR, attempt=8), 0.0)
    assert (len(kept.lines), recorder.unwritten) == (1, 1)
