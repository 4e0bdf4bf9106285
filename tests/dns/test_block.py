"""Plugins in their order: hosts, rewrite, template, kubernetes, search paths; each name by the block of its zone."""

import dns.rcode
import dns.rdatatype
import pytest

from tests.dns.blocks import ask, responder
from tests.dns.zones import found, service

WEB = service("web", "10.96.0.5", "fd00:10:96::5")
KUBERNETES = "kubernetes cluster.local in-addr.arpa ip6.arpa"


def test_hosts_answer_addresses_and_names_and_leave_the_rest() -> None:
    server, _ = responder(
        ". {\nhosts {\n192.0.2.7 printer.test lp.test\nfd00::7 printer.test\nfallthrough\n}\n" + KUBERNETES + "\n}", WEB
    )
    answer = ask(server, "Printer.test")
    assert found(answer) == {"192.0.2.7"}
    assert answer.answer[0].ttl == 3600
    assert found(ask(server, "printer.test", "AAAA")) == {"fd00::7"}
    assert found(ask(server, "7.2.0.192.in-addr.arpa", "PTR")) == {"printer.test.", "lp.test."}
    assert ask(server, "printer.test", "MX").rcode() == dns.rcode.NOERROR
    assert found(ask(server, "web.shop.svc.cluster.local")) == {"10.96.0.5"}
    assert ask(server, "other.test").rcode() == dns.rcode.REFUSED


def test_hosts_without_fallthrough_deny_the_rest() -> None:
    server, _ = responder("office.test {\nhosts {\n192.0.2.7 a.office.test\nno_reverse\n}\n}")
    assert ask(server, "b.office.test").rcode() == dns.rcode.NXDOMAIN
    assert ask(server, "b.other.test").rcode() == dns.rcode.REFUSED, "no block has a zone for it"


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ("exact shop.example.org web.shop.svc.cluster.local", "shop.example.org"),
        ("suffix .example.org .svc.cluster.local", "web.shop.example.org"),
        ("prefix old- web", "old-.shop.svc.cluster.local"),
        ("substring .prod. .shop.", "web.prod.svc.cluster.local"),
        ("regex (.*)-(.*)\\.example\\.org {1}.{2}.svc.cluster.local", "web-shop.example.org"),
    ],
)
def test_a_rewritten_name_is_answered_under_the_name_of_the_question(rule: str, name: str) -> None:
    server, _ = responder(f". {{\nrewrite name {rule}\n{KUBERNETES}\n}}", WEB)
    answer = ask(server, name)
    assert found(answer) == {"10.96.0.5"}
    assert str(answer.answer[0].name) == name + "."
    assert ask(server, "other.shop.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN


def test_rules_stop_at_the_first_match_unless_they_continue() -> None:
    first = "rewrite {} name suffix .a.test .b.test\nrewrite name suffix .b.test .svc.cluster.local\n"
    going, _ = responder(". {\n" + first.format("continue") + KUBERNETES + "\n}", WEB)
    ending, _ = responder(". {\n" + first.format("stop") + KUBERNETES + "\n}", WEB)
    assert found(ask(going, "web.shop.a.test")) == {"10.96.0.5"}
    assert ask(ending, "web.shop.a.test").rcode() == dns.rcode.REFUSED


def test_templates_answer_with_parts_of_the_question() -> None:
    server, _ = responder(
        """. {
        template IN A ip.test {
            match "^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)[.]ip[.]test[.]$"
            answer "{{ .Name }} 60 IN A 10.0.{{ .Group.a }}.{{ index .Match 2 }}"
            fallthrough
        }
        template ANY ANY gone.test {
            rcode NXDOMAIN
            authority "gone.test. 60 IN SOA ns.gone.test. h.gone.test. 1 60 60 60 60"
        }
    }"""
    )
    assert found(ask(server, "ip-3-4.ip.test")) == {"10.0.3.4"}
    assert ask(server, "ip-3-999.ip.test").rcode() == dns.rcode.SERVFAIL
    assert ask(server, "other.ip.test").rcode() == dns.rcode.REFUSED
    answer = ask(server, "x.gone.test")
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert answer.authority[0].rdtype == dns.rdatatype.SOA


def test_pods_have_names_as_the_corefile_says() -> None:
    name = "10-244-1-2.shop.pod.cluster.local"
    pods = {"10.244.1.2": "shop"}
    for mode, there, other in (("insecure", True, True), ("verified", True, False)):
        server, _ = responder(f". {{\n{KUBERNETES} {{\npods {mode}\n}}\n}}", WEB, pods=pods)
        assert (found(ask(server, name)) == {"10.244.1.2"}) is there
        answer = ask(server, "10-244-1-3.shop.pod.cluster.local")
        assert (answer.rcode() == dns.rcode.NOERROR) is other


def test_the_search_list_of_a_pod_is_completed_in_one_answer() -> None:
    server, _ = responder(
        f". {{\nautopath @kubernetes\n{KUBERNETES} {{\npods verified\n}}\n}}", WEB, pods={"10.244.0.9": "lab"}
    )
    answer = ask(server, "web.shop.svc.cluster.local.lab.svc.cluster.local")
    assert found(answer) == {"web.shop.svc.cluster.local.", "10.96.0.5"}
    answer = ask(server, "web.shop.lab.svc.cluster.local")
    assert found(answer) == {"web.shop.svc.cluster.local.", "10.96.0.5"}
    assert ask(server, "no.such.lab.svc.cluster.local").rcode() == dns.rcode.NXDOMAIN
    stranger = ask(server, "web.shop.lab.svc.cluster.local", client="192.0.2.1")
    assert stranger.rcode() == dns.rcode.NXDOMAIN, "only pods have search lists that are known"


def test_unknown_names_fall_through_where_the_corefile_says_so() -> None:
    hosts = "hosts {\n192.0.2.7 extra.cluster.local\nfallthrough\n}"
    server, _ = responder(f". {{\n{KUBERNETES} {{\nfallthrough cluster.local\n}}\n{hosts}\n}}", WEB)
    assert found(ask(server, "extra.cluster.local")) == {"192.0.2.7"}
    assert ask(server, "none.cluster.local").rcode() == dns.rcode.REFUSED
    closed, _ = responder(f". {{\n{KUBERNETES}\n}}", WEB)
    assert ask(closed, "none.cluster.local").rcode() == dns.rcode.NXDOMAIN


def test_what_forward_names_and_cannot_be_read_is_named_in_the_error() -> None:
    for server, options, error in (
        ("/nothere", "", r"^forward example\.org\.: .*'/nothere'$"),
        ("not-an-address", "", r"^forward example\.org\.: upstream 'not-an-address': must be an IP address"),
        ("tls://192.0.2.1", "tls /nothere", r"^forward example\.org\.: tls /nothere: No such file"),
        ("tls://192.0.2.1", "tls /nocert /nokey", r"^forward example\.org\.: tls /nocert /nokey: No such file"),
    ):
        with pytest.raises(ValueError, match=error):
            responder(f". {{\nforward example.org {server} {{\n{options}\n}}\n}}")
