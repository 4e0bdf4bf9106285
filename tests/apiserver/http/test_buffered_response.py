from podwire.apiserver.base.requests import Response
from podwire.apiserver.http.buffered_response import head_of


def lines(answer: Response, version: tuple[int, int] = (1, 1), *, keep_alive: bool = True) -> list[str]:
    head = head_of(answer, version, keep_alive=keep_alive)
    assert head.endswith(b"\r\n\r\n")
    return head.decode().removesuffix("\r\n\r\n").split("\r\n")


def test_a_head_describes_the_body() -> None:
    found = lines(Response(b"{}", 201))
    assert found[0] == "HTTP/1.1 201 Created"
    assert {"Content-Type: application/json", "Content-Length: 2", "Cache-Control: no-cache, private"} <= {*found}
    assert not any(line.startswith("Connection") for line in found)


def test_the_head_has_headers_and_warnings_and_no_injected_line() -> None:
    found = lines(Response(b"", 429, headers={"Retry-After": "1"}, warnings=('say "a"\r\nX: b', "c")))
    assert found[0] == "HTTP/1.1 429 Too Many Requests"
    assert "Retry-After: 1" in found
    assert [line for line in found if line.startswith("Warning")] == [
        'Warning: 299 - "say \\"a\\"X: b"',
        'Warning: 299 - "c"',
    ]
    assert not any(line.startswith("X:") for line in found)


def test_the_connection_header_is_sent_where_the_version_has_another_default() -> None:
    assert "Connection: close" in lines(Response(b""), keep_alive=False)
    assert "Connection: keep-alive" in lines(Response(b""), (1, 0))
    assert lines(Response(b""), (1, 0))[0] == "HTTP/1.0 200 OK"
    assert "Connection: close" in lines(Response(b""), (1, 0), keep_alive=False)


def test_an_answer_may_be_cached_by_its_header_and_one_without_a_body_has_no_length() -> None:
    found = lines(Response(b"", 304, headers={"Cache-Control": "public, immutable"}))
    assert [line for line in found if line.startswith(("Cache", "Content-L"))] == ["Cache-Control: public, immutable"]


def test_a_code_without_a_reason_phrase() -> None:
    assert lines(Response(b"", 599))[0] == "HTTP/1.1 599 "
