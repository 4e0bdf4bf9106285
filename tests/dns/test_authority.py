import dns.message
import dns.rcode
import pytest

from podwire.dns.authority import Authority
from podwire.dns.responder import zone_responder
from tests.dns.zones import Objects, ask, endpoint, found, responder_of, service, slice_of, zone_of

CLUSTER = responder_of(
    service("web", "10.96.0.5", "fd00:10:96::5"),
    slice_of("web", endpoint("10.244.1.9")),
    service("db", "None"),
    slice_of("db", endpoint("10.244.1.3", "db-0"), endpoint("10.244.1.4"), endpoint("10.244.1.5", ready=False)),
    service("empty", "None"),
    service("only4", "10.96.0.6"),
    service("alias", type="ExternalName", external_name="web.shop.svc.cluster.local"),
    service("dead", type="ExternalName", external_name="gone.shop.svc.cluster.local"),
    service("out", type="ExternalName", external_name="example.com"),
    service("loop", type="ExternalName", external_name="loop.shop.svc.cluster.local"),
)
SVC = ".shop.svc.cluster.local"
WEB, DB = "web" + SVC, "db" + SVC


@pytest.mark.parametrize(
    ("name", "kind", "data"),
    [
        (WEB, "A", {"10.96.0.5"}),
        (WEB, "AAAA", {"fd00:10:96::5"}),
        ("_http._tcp." + WEB, "SRV", {f"0 100 80 {WEB}."}),
        ("_dns._udp." + WEB, "SRV", {f"0 100 53 {WEB}."}),
        (DB, "A", {"10.244.1.3", "10.244.1.4"}),
        ("db-0." + DB, "A", {"10.244.1.3"}),
        ("10-244-1-4." + DB, "A", {"10.244.1.4"}),
        ("10-244-1-9." + WEB, "A", {"10.244.1.9"}),
        ("_http._tcp." + DB, "SRV", {f"0 100 8080 db-0.{DB}.", f"0 100 8080 10-244-1-4.{DB}."}),
        ("5.0.96.10.in-addr.arpa", "PTR", {WEB + "."}),
        ("3.1.244.10.in-addr.arpa", "PTR", {f"db-0.{DB}."}),
        ("alias" + SVC, "A", {WEB + ".", "10.96.0.5"}),
        ("alias" + SVC, "CNAME", {WEB + "."}),
        ("out" + SVC, "CNAME", {"example.com."}),
        ("10-1-2-3.shop.pod.cluster.local", "A", {"10.1.2.3"}),
        ("fd00-10--7.shop.pod.cluster.local", "AAAA", {"fd00:10::7"}),
        ("dns-version.cluster.local", "TXT", {'"1.1.0"'}),
        ("cluster.local", "NS", {"kube-dns.kube-system.svc.cluster.local."}),
    ],
)
def test_a_name_with_such_records(name: str, kind: str, data: set[str]) -> None:
    answer = ask(CLUSTER, name, kind)
    assert answer.rcode() == dns.rcode.NOERROR
    assert found(answer) == data
    assert answer.answer[0].ttl == 5


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("only4" + SVC, "AAAA"),
        (WEB, "MX"),
        ("_tcp." + WEB, "A"),
        ("shop.svc.cluster.local", "A"),
        ("svc.cluster.local", "A"),
        ("cluster.local", "A"),
        ("10-1-2-3.shop.pod.cluster.local", "AAAA"),
        ("5.0.96.10.in-addr.arpa", "A"),
        ("0.96.10.in-addr.arpa", "PTR"),
    ],
)
def test_a_name_that_exists_without_such_records_is_no_error(name: str, kind: str) -> None:
    answer = ask(CLUSTER, name, kind)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])
    assert answer.authority[0].to_text().split()[3] == "SOA"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gone" + SVC, "A"),
        ("empty" + SVC, "A"),
        ("web.other.svc.cluster.local", "A"),
        ("_none._tcp." + WEB, "SRV"),
        ("10-244-1-5." + DB, "A"),
        ("a.b.web.shop.cluster.local", "A"),
        ("10-1-2-3.other.pod.cluster.local", "A"),
        ("10-1-2-300.shop.pod.cluster.local", "A"),
        ("9.9.96.10.in-addr.arpa", "PTR"),
    ],
)
def test_an_unknown_name_of_the_cluster(name: str, kind: str) -> None:
    answer = ask(CLUSTER, name, kind)
    assert (answer.rcode(), answer.answer) == (dns.rcode.NXDOMAIN, [])
    assert answer.authority[0][0].minimum == 5


@pytest.mark.parametrize("name", ["example.com", "local", ".", "1.0.0.127.in-addr.arpa", "10.in-addr.arpa"])
def test_other_names_are_not_answered_here(name: str) -> None:
    assert ask(CLUSTER, name).rcode() == dns.rcode.REFUSED


def test_addresses_of_srv_targets_come_along() -> None:
    answer = ask(CLUSTER, "_http._tcp." + DB, "SRV")
    assert {data.to_text() for rrset in answer.additional for data in rrset} == {"10.244.1.3", "10.244.1.4"}


def test_an_alias_to_an_unknown_name_says_both() -> None:
    answer = ask(CLUSTER, "dead" + SVC)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert found(answer) == {"gone.shop.svc.cluster.local."}


def test_an_alias_of_itself_ends() -> None:
    assert ask(CLUSTER, "loop" + SVC).rcode() == dns.rcode.SERVFAIL


def test_the_list_is_turned_by_the_askers_number() -> None:
    firsts = set()
    for number in range(2):
        message = dns.message.make_query(DB, "A", id=number)
        wire = CLUSTER.answer(message.to_wire(), stream=False)
        assert isinstance(wire, bytes)
        firsts.add(dns.message.from_wire(wire).answer[0][0].address)
    assert firsts == {"10.244.1.3", "10.244.1.4"}


def test_until_the_zone_is_whole_its_names_fail_and_are_not_denied() -> None:
    young = zone_responder(Authority(zone_of(Objects.of(service("web", "10.96.0.5")))), ready=False)
    assert ask(young, "gone" + SVC).rcode() == dns.rcode.SERVFAIL
    assert ask(young, "example.com").rcode() == dns.rcode.REFUSED
