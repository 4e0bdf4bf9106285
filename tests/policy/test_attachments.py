from podwire.kernel.link_end import LinkEnd
from podwire.policy.attachments import Attachments
from tests.policy.cluster import address, name

POD, OTHER, LINK, NEXT = name("x/a"), name("x/b"), LinkEnd("pw1", 1), LinkEnd("pw2", 2)
IP = address("10.0.0.1")


def test_an_address_that_another_pod_has_meanwhile_stays_that_pods() -> None:
    found = Attachments()
    found.attach(POD, "1", [IP], LINK)
    found.attach(OTHER, "2", [IP], NEXT)
    found.detach(POD, "1", [IP])
    assert (found.holder(IP), found.link(IP)) == (OTHER, NEXT)
    assert (found.of(POD), found.of(OTHER)) == ({}, {"2": (IP,)})
    found.detach(OTHER, "2", [IP])
    assert (found.holder(IP), found.link(IP), len(found)) == (None, None, 0)


def test_sandboxes_of_one_name_are_apart_and_a_link_is_the_newest_one() -> None:
    found = Attachments()
    second = address("10.0.0.2")
    found.attach(POD, "1", [IP], LINK)
    found.attach(POD, "2", [second], None)
    found.attach(POD, "2", [second], NEXT)
    assert found.of(POD) == {"1": (IP,), "2": (second,)}
    assert found.link(second) == NEXT
    found.detach(POD, "1", [IP])
    assert found.of(POD) == {"2": (second,)}
