import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.mesh.identity.spiffe import Spiffe, SpiffeError, parse, trust_domain

LABEL = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", fullmatch=True)


@given(domain=LABEL, namespace=LABEL, account=LABEL)
def test_an_id_is_read_as_it_is_written(domain: str, namespace: str, account: str) -> None:
    one = Spiffe(domain, namespace, account)

    assert parse(str(one)) == one


def test_the_form_is_that_of_istio_and_spire() -> None:
    assert str(Spiffe("cluster.local", "shop", "front")) == "spiffe://cluster.local/ns/shop/sa/front"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://cluster.local/ns/shop/sa/front",
        "SPIFFE://cluster.local/ns/shop/sa/front",
        "spiffe://Cluster.local/ns/shop/sa/front",
        "spiffe://cluster.local:443/ns/shop/sa/front",
        "spiffe://user@cluster.local/ns/shop/sa/front",
        "spiffe:///ns/shop/sa/front",
        "spiffe://cluster.local/ns/shop/sa/front/",
        "spiffe://cluster.local/ns//sa/front",
        "spiffe://cluster.local/ns/../sa/front",
        "spiffe://cluster.local/ns/shop/sa/front?x=1",
        "spiffe://cluster.local/ns/shop/sa/front#x",
        "spiffe://cluster.local/ns/shop/sa/fr%6fnt",
        "spiffe://cluster.local/ns/shop/sa/front\n",
        "spiffe://cluster.local/ns/shop/pod/front",
        "spiffe://cluster.local/ns/shop",
        "spiffe://cluster.local/ns/shöp/sa/front",
        "spiffe://" + "a" * 256 + "/ns/shop/sa/front",
        "spiffe://cluster.local/ns/shop/sa/" + "a" * 2048,
    ],
)
def test_other_texts_are_no_ids(text: str) -> None:
    with pytest.raises(SpiffeError):
        parse(text)


def test_a_trust_domain_has_no_path_and_no_capitals() -> None:
    assert trust_domain("prod.example_1") == "prod.example_1"
    for text in ("", "a/b", "Prod", "a b"):
        with pytest.raises(SpiffeError):
            trust_domain(text)
