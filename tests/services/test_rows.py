from podwire.kube.meta import NamespacedName
from podwire.kube.watch import Change
from podwire.services.rows import RANGES, Owner, held_slots, rows
from podwire.services.slots import Slots
from podwire.services.view import ServicesView
from tests.services.objects import NODE, endpoint, service, slice_of

WEB = NamespacedName("default", "web")


def view() -> ServicesView:
    """One Service with an endpoint here and one elsewhere, over TCP and UDP."""
    made = ServicesView(NODE)
    made.service_changed(Change(None, service("web", "10.96.0.1", ports=("tcp:80", "udp:80"))))
    here, there = endpoint("10.244.1.2", node="node-1"), endpoint("10.244.2.2", node="node-2")
    made.slice_changed(Change(None, slice_of("web", here, there, ports=("tcp:8080", "udp:8080"))))
    return made


def test_rows_print_themselves_in_the_order_in_which_they_must_stand() -> None:
    made = sorted(rows(WEB, view(), Slots()), key=lambda row: row.stage)
    assert list(dict.fromkeys(map(str, made))) == [
        "endpoint4 10.96.0.1 . tcp . 80 . 0 : 10.244.1.2 . 8080",
        "endpoint4 10.96.0.1 . tcp . 80 . 1 : 10.244.2.2 . 8080",
        "hairpin4 10.244.1.2 . 10.244.1.2",
        "endpoint4 10.96.0.1 . udp . 80 . 0 : 10.244.1.2 . 8080",
        "endpoint4 10.96.0.1 . udp . 80 . 1 : 10.244.2.2 . 8080",
        "flow 10.96.0.1 . udp . 80 : 10.244.1.2 . 8080",
        "flow 10.96.0.1 . udp . 80 : 10.244.2.2 . 8080",
        "service4 10.96.0.1 . tcp . 80 : 2",
        "service4 10.96.0.1 . udp . 80 : 2",
        "cluster4 10.96.0.1",
    ]


def test_keys_are_what_the_kernel_can_hold_once() -> None:
    made = set(rows(WEB, view(), Slots()))
    assert len({row.key for row in made}) == len(made)


def test_a_service_that_is_not_there_has_no_rows() -> None:
    assert list(rows(NamespacedName("default", "absent"), view(), Slots())) == []


def test_the_ranges_of_all_services_are_rows_too() -> None:
    assert [str(row) for row in rows(RANGES, view(), Slots())] == [
        "range4 10.96.0.0/16",
        "range6 fd00:10:96::/112",
    ]


def test_slots_are_found_among_rows_that_were_read_back() -> None:
    first: Slots[Owner] = Slots()
    made = list(rows(WEB, view(), first))
    second: Slots[Owner] = Slots()
    second.restore(held_slots(made))
    assert list(rows(WEB, view(), second)) == made
