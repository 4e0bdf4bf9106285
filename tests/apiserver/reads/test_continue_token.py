import base64

import pytest

from podwire.apiserver.base.status import StatusError
from podwire.apiserver.reads import continue_token
from podwire.apiserver.reads.continue_token import Position


@pytest.mark.parametrize("place", [Position(7, "ns", "web"), Position(0, "", "node-1"), Position(9, "ns", "system:x")])
def test_a_token_is_read_back(place: Position) -> None:
    assert continue_token.position(place.token()) == place


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


@pytest.mark.proves("list-continue-tokens")
@pytest.mark.parametrize(
    "token",
    [
        "x",
        "!!!!",
        "a" * 5000,
        encoded("{}"),
        encoded('{"v":"meta.k8s.io/v1","rv":1,"after":["a","b"]}'),
        encoded('{"v":"podwire/1","rv":-1,"after":["a","b"]}'),
        encoded('{"v":"podwire/1","rv":1,"after":["a",""]}'),
        encoded('{"v":"podwire/1","rv":1,"after":["..","../../secrets/x"]}'),
        encoded('{"v":"podwire/1","rv":1,"after":["a","b"],"more":1}'),
    ],
)
def test_a_token_of_another_server_is_refused(token: str) -> None:
    with pytest.raises(StatusError) as refused:
        continue_token.position(token)
    assert refused.value.code == 400
