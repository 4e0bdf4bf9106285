"""What Corefiles mean: zones, ports, options of each plugin; what is not served is refused with its line."""

import pytest

from podwire.dns.corefile.cache import Kept
from podwire.dns.corefile.configuration import configuration
from podwire.dns.corefile.tokens import CorefileError
from podwire.dns.default_corefile import default_corefile
from podwire.dns.names import to_wire

KUBEADM = """\
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
"""


def test_the_corefile_of_kubeadm() -> None:
    found = configuration(KUBEADM)
    (block,) = found.blocks
    assert (found.linger, found.metrics_port, found.health_port, found.reload_seconds) == (5.0, 9153, None, 30.0)
    assert block.kubernetes is not None
    assert (block.kubernetes.domain, block.kubernetes.ttl, block.kubernetes.pods) == ("cluster.local", 30, "insecure")
    assert block.kubernetes.closed_reverse == ()
    assert block.forwards[0].upstreams == ("/etc/resolv.conf",)
    assert block.forwards[0].max_concurrent == 1000
    assert block.cache is not None
    assert block.cache.success == Kept(9984, 30, 5)
    assert block.cache.no_denial == (to_wire("cluster.local"),)
    assert block.turned
    assert block.loop_checked
    assert not found.needs_pods


def test_the_default_is_valid_with_and_without_upstreams() -> None:
    assert configuration(default_corefile("x.test.", ("192.0.2.1",))).blocks[0].forwards[0].upstreams == ("192.0.2.1",)
    assert configuration(default_corefile("x.test", ())).blocks[0].forwards == ()


def test_zones_and_ports_of_keys() -> None:
    text = "a.test b.test:5353 {\n}\ndns://c.test:54 10.0.0.0/15 {\n}"
    blocks = configuration(text, port=1053).blocks
    assert [(block.zones, block.port) for block in blocks] == [
        ((to_wire("a.test"),), 1053),
        ((to_wire("b.test"),), 5353),
        ((to_wire("c.test"),), 54),
        ((to_wire("0.10.in-addr.arpa"), to_wire("1.10.in-addr.arpa")), 1053),
    ]


def test_options_of_forward() -> None:
    text = """. {
        forward example.org 192.0.2.1 tls://192.0.2.2%dns.test {
            except a.example.org
            policy round_robin
            max_fails 0
            health_check 5s no_rec domain x.test
            force_tcp
            expire 20s
            tls /cert /key /ca
            tls_servername other.test
            failfast_all_unhealthy_upstreams
            randomize_case
            refuse_private home.arpa
            max_concurrent_client 9
        }
    }"""
    (found,) = configuration(text).blocks[0].forwards
    assert (found.policy, found.max_fails, found.health_seconds, found.expire) == ("round_robin", 0, 5.0, 20.0)
    assert found.health_domain == to_wire("x.test")
    assert not found.health_recursion
    assert found.tls == ("/cert", "/key", "/ca")
    assert found.refuse_private == (to_wire("home.arpa"),)
    assert found.max_concurrent_client == 9
    assert (found.force_tcp, found.failfast, found.randomize_case) == (True, True, True)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("geoip x", "line 2: unknown plugin 'geoip'; this server has autopath, cache"),
        ("forward .", "line 2: forward: must have a zone and one upstream"),
        ("forward . 192.0.2.1 {\nnext NXDOMAIN\n}", "line 3: forward: option 'next' is not served"),
        ("kubernetes", "must have one cluster domain"),
        ("kubernetes a.test b.test", "must have one cluster domain"),
        ("kubernetes a.test {\npods all\n}", "line 3: pods all: must be disabled, insecure or verified"),
        ("kubernetes a.test {\nttl 4000\n}", "from 0 to 3600"),
        ("cache 30\ncache 40", "line 3: cache: is used twice"),
        ("cache {\nprefetch 10\n}", "option 'prefetch' is not served"),
        ("reload soon", "is no duration"),
        ("prometheus 9153", "must be :PORT"),
        ("hosts {\n1.1.1.1\n}", "must have a name"),
        ("hosts {\nexample.org 1.1.1.1\n}", "must be ADDRESS NAME"),
        ("rewrite type A AAAA", "only 'name' is served"),
        ("rewrite name regex ( b", "line 2: rewrite: '(' is no regular expression"),
        ("rewrite name regex a{99999999999} b", "is no regular expression"),
        (f"rewrite name regex a b answer name {'(' * 3000}{')' * 3000} c", "is no regular expression"),
        ("errors {\nconsolidate 5s a{99999999999}\n}", "is no regular expression"),
        ("template IN A {\nmatch a{99999999999}\n}", "line 3: 'a{99999999999}' is no regular expression"),
        (f"forward . 192.0.2.1 {{\nmax_concurrent {'0' * 20}99999999\n}}", "must be a whole number"),
        ('template IN A {\nanswer "{{ .Remote }} A 1.1.1.1"\n}', "is not served"),
        ('template IN A {\nanswer "a. 60 IN A example"\n}', "is no record"),
        ("log {\nclass some\n}", "class some: must be one of"),
        ("autopath /etc/resolv.conf", "must be 'autopath @kubernetes'"),
        ("autopath @kubernetes", "must have the plugin kubernetes"),
        ("loadbalance weighted w", "is not served"),
        ("loadbalance round_robin x", "line 2: loadbalance: must have 1 arguments at most"),
        ("loop twice", "line 2: loop: must have 0 arguments at most, and no options"),
        ("ready {\nlameduck 5s\n}", "line 2: ready: must have 1 arguments at most, and no options"),
    ],
)
def test_what_is_not_served_is_refused_with_its_line(body: str, error: str) -> None:
    with pytest.raises(CorefileError) as caught:
        configuration(f". {{\n{body}\n}}")
    assert error in str(caught.value)


@pytest.mark.parametrize("scheme", ["tls", "https", "grpc"])
def test_a_block_of_another_protocol_is_refused_with_its_line(scheme: str) -> None:
    with pytest.raises(CorefileError, match=f"line 2: {scheme}://a.test: only plain DNS is served; remove {scheme}://"):
        configuration(f"# comment\n{scheme}://a.test {{\n}}")


def test_blocks_may_not_contradict_each_other() -> None:
    with pytest.raises(CorefileError, match="line 3: an earlier block has the same zone and port"):
        configuration("a.test {\n}\na.test {\n}")
    with pytest.raises(CorefileError, match="same zones and options in all blocks"):
        configuration("a.test {\nkubernetes c.test\n}\nb.test {\nkubernetes d.test\n}")
