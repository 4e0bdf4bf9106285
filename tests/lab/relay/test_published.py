import pytest

from podwire.lab.relay.published import PublishedPort, parse, parse_all


def test_a_port_is_read_as_it_is_written() -> None:
    assert parse("8080=shop/web:80") == PublishedPort(8080, "shop", "web", "80", "TCP")
    assert parse("8053=kube-system/kube-dns:53/udp") == PublishedPort(8053, "kube-system", "kube-dns", "53", "UDP")
    assert parse("8080=web:http") == PublishedPort(8080, "default", "web", "http", "TCP")


@pytest.mark.parametrize("text", ["8080=web:80", "53=kube-system/kube-dns:dns/udp"])
def test_its_text_is_read_as_the_same_port(text: str) -> None:
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    "text",
    ["", "8080", "web:80", "0=web:80", "70000=web:80", "8080=web", "8080=a/b/c:80", "8080=Web:80", "80=web:80/sctp"],
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="8080=shop/web:80"):
        parse(text)


def test_a_port_of_the_host_is_published_once_for_each_protocol() -> None:
    assert len(parse_all(["8053=dns:53/udp", "8053=dns:53/tcp"])) == 2
    with pytest.raises(ValueError, match="port 8053 is published twice"):
        parse_all(["8053=dns:53/udp", "8053=web:80/udp"])
