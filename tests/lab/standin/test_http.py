import pytest
from hypothesis import given
from hypothesis import strategies as st

from podwire.lab.standin import http
from podwire.lab.standin.http import Continue, HttpReader, Looks, Refusal, Request, State, looks

PLAIN = b"GET /a?b=c HTTP/1.1\r\nHost: web.shop\r\nX-Two: a\r\nx-two: b\r\n\r\n"
SIZED = b"POST /up HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"PUT /up HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: 1\r\n\r\n"


def events(*parts: bytes) -> list[object]:
    reader = HttpReader()
    return [event for part in parts for event in reader.feed(part)]


def test_a_request_is_read_whole() -> None:
    (request,) = events(PLAIN)
    assert request == Request("GET", "/a?b=c", "HTTP/1.1", {"host": "web.shop", "x-two": "a, b"})


@given(st.lists(st.sampled_from([PLAIN, SIZED, CHUNKED]), min_size=1, max_size=4), st.data())
def test_however_the_bytes_are_cut_the_same_requests_come(requests: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(requests)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert events(*parts) == events(whole)
    assert len(events(whole)) == len(requests)


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", True),
    ],
)
def test_when_the_connection_is_kept(head: bytes, *, keeps: bool) -> None:
    (request,) = events(head)
    assert isinstance(request, Request)
    assert request.keep_alive is keeps


def test_leave_is_given_to_a_client_that_waits_for_it() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    assert events(head) == [Continue()]
    assert isinstance(events(head, b"ab")[1], Request)


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nA: x\ny\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * http.LARGEST_HEAD + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * http.LARGEST_HEAD, 431),
    ],
)
def test_what_is_bad_or_too_large_is_refused_and_nothing_follows(bad: bytes, status: int) -> None:
    assert events(bad, PLAIN) == [Refusal(status)]


@given(st.binary(max_size=300))
def test_no_bytes_raise(raw: bytes) -> None:
    reader = HttpReader()
    list(reader.feed(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + raw))
    assert reader.state in State


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET /", Looks.HTTP),
        (b"GE", Looks.TOO_SHORT),
        (b"", Looks.TOO_SHORT),
        (b"GETTING", Looks.OTHER),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0", Looks.HTTP2),
        (b"PRI * HTTP/2.0\r\n", Looks.TOO_SHORT),
        (b"PRI * HTTP/1.1\r\n", Looks.OTHER),
        (b"\x16\x03\x01", Looks.OTHER),
        (b"*1\r\n$4\r\nPING\r\n", Looks.OTHER),
    ],
)
def test_first_bytes(data: bytes, kind: Looks) -> None:
    assert looks(data) is kind
