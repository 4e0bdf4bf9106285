import socket

from podwire.policy.flows.attempts import CONNECTING_SECONDS, DATAGRAM_SECONDS, REMEMBERED, Attempts
from tests.policy.flows.packets import CLIENT, SERVER, packet


def test_a_repeated_syn_is_the_same_attempt_and_another_sequence_number_is_not() -> None:
    attempts = Attempts()
    assert attempts.is_new(packet("egress", CLIENT, SERVER), 0.0)
    for repeated in (1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 127.0):
        assert not attempts.is_new(packet("egress", CLIENT, SERVER), repeated)
    assert attempts.is_new(packet("egress", CLIENT, SERVER, attempt=8), 127.0)
    assert attempts.is_new(packet("egress", CLIENT, SERVER), CONNECTING_SECONDS + 1)


def test_datagrams_between_the_same_ports_are_one_attempt_for_a_time() -> None:
    attempts = Attempts()
    datagram = packet("egress", CLIENT, SERVER, socket.IPPROTO_UDP, attempt=0)
    assert attempts.is_new(datagram, 0.0)
    assert not attempts.is_new(datagram, DATAGRAM_SECONDS - 1)
    assert attempts.is_new(datagram, DATAGRAM_SECONDS)
    assert attempts.is_new(packet("egress", CLIENT, SERVER, socket.IPPROTO_UDP, 54, attempt=0), 1.0)


def test_both_directions_are_attempts_of_their_own() -> None:
    attempts = Attempts()
    assert attempts.is_new(packet("egress", CLIENT, SERVER), 0.0)
    assert attempts.is_new(packet("ingress", CLIENT, SERVER), 0.0)


def test_memory_is_bounded_and_the_oldest_is_forgotten_first() -> None:
    attempts = Attempts()
    for number in range(REMEMBERED + 1):
        assert attempts.is_new(packet("egress", CLIENT, SERVER, attempt=number), 0.0)
    assert len(attempts) == REMEMBERED
    assert not attempts.is_new(packet("egress", CLIENT, SERVER, attempt=REMEMBERED), 1.0)
    assert attempts.is_new(packet("egress", CLIENT, SERVER, attempt=0), 1.0)
