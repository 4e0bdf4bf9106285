"""Health in upstream's form, check by check."""

from __future__ import annotations

import pytest

from podwire.apiserver.base.requests import Request, Response
from podwire.apiserver.base.status import StatusError
from podwire.apiserver.documents import health
from tests.apiserver.conftest import Talk

BAD = {"ping": health.ping, "disk": lambda: "it is full"}


def ask(path: str, **query: tuple[str, ...]) -> tuple[int, str]:
    answer = health.answer(Request("GET", path, None, query), path, BAD)
    assert answer.content_type == "text/plain; charset=utf-8"
    return answer.code, answer.body.decode()


@pytest.mark.parametrize("verbose", [{}, {"verbose": ("",)}])
def test_a_failed_check_is_named_without_its_reason(verbose: dict[str, tuple[str, ...]]) -> None:
    text = "[+]ping ok\n[-]disk failed: reason withheld\nreadyz check failed\n"
    assert ask("/readyz", **verbose) == (500, text)


def test_checks_can_be_left_out() -> None:
    assert ask("/livez", exclude=("disk",)) == (200, "ok")
    text = (
        '[+]ping ok\n[+]disk excluded: ok\nwarn: some health checks cannot be excluded: no matches for "a","b"\n'
        "livez check passed\n"
    )
    assert ask("/livez", exclude=("disk", "b", "a"), verbose=("",)) == (200, text)


def test_the_reason_is_in_the_answer_of_a_single_check() -> None:
    assert ask("/healthz/ping") == (200, "ok")
    assert ask("/healthz/disk") == (500, "internal server error: it is full\n")
    with pytest.raises(StatusError, match="could not find the requested resource"):
        ask("/healthz/etcd")


@pytest.mark.proves("version-and-health")
@pytest.mark.parametrize("root", ["healthz", "livez", "readyz"])
async def test_the_server_lists_all_of_its_checks(talk: Talk, root: str) -> None:
    answer = await talk.answer("GET", f"/{root}?verbose")
    assert isinstance(answer, Response)
    assert (answer.code, answer.body) == (200, f"[+]ping ok\n[+]store ok\n{root} check passed\n".encode())
    assert (await talk.refused("GET", f"/{root}/etcd"))[:2] == (404, "NotFound")
