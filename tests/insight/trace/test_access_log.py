"""Lines of an Envoy's access log."""

import pytest

from podwire.insight.trace.access_log import LogLine, parsed


def test_a_line_names_the_route_and_the_backend() -> None:
    line = parsed(
        b'{"cluster":"payments/api/80/http1","endpoint":"10.244.1.7:8080","route":"httproute/shop/pay/rule/2/match/0",'
        b'"status":200,"server_name":null,"user_agent":"podwire-trace/1","milliseconds":2}'
    )
    assert line is not None
    assert (line.route_object, line.backend, line.status) == ("HTTPRoute shop/pay, rule 2", "payments/api:80", 200)


def test_a_request_without_route_and_backend_has_neither() -> None:
    line = parsed(b'{"cluster":null,"route":null,"status":404,"details":"route_not_found"}')
    assert line == LogLine(status=404, details="route_not_found")
    assert line is not None
    assert (line.route_object, line.backend) == ("", "")


@pytest.mark.parametrize("line", [b"[2026-11-30 08:23:51][warning] text", b"{not json", b'{"status": "text"}', b""])
def test_other_output_is_left_out(line: bytes) -> None:
    assert parsed(line) is None
