import ipaddress

import msgspec
import pytest

from podwire.dns.model import dashed, is_label
from podwire.dns.owner import DOMAIN, Owner
from podwire.dns.rows import Domain, rows
from podwire.kube.meta import NamespacedName
from podwire.kube.services import ServicePort
from tests.dns.zones import Objects, endpoint, service, slice_of, texts

WEB = Owner("shop", "web")


def test_a_service_with_addresses_of_both_families() -> None:
    view = Objects.of(service("web", "10.96.0.5", "fd00:10:96::5"))
    reverse6 = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa."
    assert texts(view, WEB) == {
        "web.shop.svc.cluster.local. A 10.96.0.5",
        "web.shop.svc.cluster.local. AAAA fd00:10:96::5",
        "5.0.96.10.in-addr.arpa. PTR web.shop.svc.cluster.local",
        f"{reverse6} PTR web.shop.svc.cluster.local",
        "_http._tcp.web.shop.svc.cluster.local. SRV 0 100 80 web.shop.svc.cluster.local",
        "_dns._udp.web.shop.svc.cluster.local. SRV 0 100 53 web.shop.svc.cluster.local",
        *(f"web.shop.svc.cluster.local. SRV 0 100 {port} web.shop.svc.cluster.local" for port in (80, 53, 9)),
    }


def test_a_headless_service_is_its_ready_endpoints() -> None:
    view = Objects.of(
        service("web", "None"), slice_of("web", endpoint("10.244.1.2", "web-0"), endpoint("10.244.1.3", ready=False))
    )
    assert texts(view, WEB) == {
        "web.shop.svc.cluster.local. A 10.244.1.2",
        "web-0.web.shop.svc.cluster.local. A 10.244.1.2",
        "2.1.244.10.in-addr.arpa. PTR web-0.web.shop.svc.cluster.local",
        "_http._tcp.web.shop.svc.cluster.local. SRV 0 100 8080 web-0.web.shop.svc.cluster.local",
        *(f"web.shop.svc.cluster.local. SRV 0 100 {port} web-0.web.shop.svc.cluster.local" for port in (8080, 9)),
    }


def test_a_service_may_publish_endpoints_that_are_not_ready() -> None:
    part = slice_of("web", endpoint("10.244.1.3", ready=False))
    closed = Objects.of(service("web", "None"), part)
    opened = Objects.of(service("web", "None", publish_not_ready_addresses=True), part)
    assert texts(closed, WEB) == set()
    assert "web.shop.svc.cluster.local. A 10.244.1.3" in texts(opened, WEB)


def test_a_headless_service_without_ready_endpoints_is_those_that_serve_while_they_end() -> None:
    ending, unready = endpoint("10.244.1.2", "web-0", ending=True), endpoint("10.244.1.3", ready=False)
    alone = Objects.of(service("web", "None"), slice_of("web", ending, unready))
    assert "web.shop.svc.cluster.local. A 10.244.1.2" in texts(alone, WEB)
    assert "web.shop.svc.cluster.local. A 10.244.1.3" not in texts(alone, WEB)
    replaced = Objects.of(service("web", "None"), slice_of("web", ending, endpoint("10.244.1.4")))
    assert "web.shop.svc.cluster.local. A 10.244.1.2" not in texts(replaced, WEB)


def test_one_address_below_two_services_has_two_names() -> None:
    view = Objects.of(
        service("web", "10.96.0.5"),
        service("too", "None"),
        slice_of("web", endpoint("10.244.1.2")),
        slice_of("too", endpoint("10.244.1.2")),
    )
    assert "2.1.244.10.in-addr.arpa. PTR 10-244-1-2.web.shop.svc.cluster.local" in texts(view, WEB)
    assert "2.1.244.10.in-addr.arpa. PTR 10-244-1-2.too.shop.svc.cluster.local" in texts(view, Owner("shop", "too"))


def test_an_external_name_is_an_alias_and_nothing_else() -> None:
    view = Objects.of(service("web", type="ExternalName", external_name="example.com."))
    assert texts(view, WEB) == {"web.shop.svc.cluster.local. CNAME example.com"}


@pytest.mark.parametrize("name", ["", "a b", "x" * 64, "a..b", "bücher.example", ".".join(["a" * 60] * 5)])
def test_an_external_name_that_is_no_name_gives_nothing(name: str) -> None:
    assert texts(Objects.of(service("web", type="ExternalName", external_name=name)), WEB) == set()


def test_hostile_objects_give_no_rows_and_no_errors() -> None:
    bad = service("web", "10.096.0.5", "nonsense")
    bad = msgspec.structs.replace(bad, spec=msgspec.structs.replace(bad.spec, ports=(ServicePort(port=1, name="a.b"),)))
    part = slice_of(
        "web", endpoint("127.0.0.1"), endpoint("169.254.169.254"), endpoint("x"), endpoint("::ffff:1.2.3.4")
    )
    assert texts(Objects.of(bad, part), WEB) == set()
    assert texts(Objects.of(service("a.b", "10.96.0.5")), Owner("shop", "a.b")) == set()


def test_a_hostname_that_is_no_label_is_replaced() -> None:
    view = Objects.of(service("web", "None"), slice_of("web", endpoint("10.244.1.2", "a.b")))
    assert "10-244-1-2.web.shop.svc.cluster.local. A 10.244.1.2" in texts(view, WEB)


def test_what_was_deleted_has_no_rows() -> None:
    assert texts(Objects.of(slice_of("web", endpoint("10.244.1.2"))), WEB) == set()
    assert texts(Objects(), Owner("nowhere")) == set()


def test_a_namespace_holds_its_place_in_the_tree() -> None:
    assert texts(Objects(), Owner("shop")) == {
        "shop.svc.cluster.local. Present",
        "shop.pod.cluster.local. PodAddresses",
    }


def test_the_domain_heads_its_zones() -> None:
    heads = {text.split()[0] for text in texts(Objects(), DOMAIN) if " SOA " in text}
    assert {"cluster.local.", "244.10.in-addr.arpa.", "96.10.in-addr.arpa."} < heads
    assert len(heads) == 5


@pytest.mark.parametrize("name", ["", "a..b", "a" * 51, "cluster local"])
def test_a_bad_domain_is_refused_with_its_name(name: str) -> None:
    with pytest.raises(ValueError, match="cluster domain"):
        Domain(name)


@pytest.mark.parametrize(
    ("address", "label"), [("10.244.1.2", "10-244-1-2"), ("fd00:10::7", "fd00-10--7"), ("fd00::", "fd00" + "-0000" * 7)]
)
def test_the_label_of_an_address(address: str, label: str) -> None:
    assert dashed(ipaddress.ip_address(address)) == label
    assert is_label(label)


def test_the_zones_name_the_service_that_is_configured() -> None:
    domain = Domain("cluster.local", (), 5, NamespacedName("infra", "resolver"))
    texts = {str(record) for record in rows(DOMAIN, Objects.of(), domain)}
    assert "cluster.local. NS resolver.infra.svc.cluster.local" in texts
