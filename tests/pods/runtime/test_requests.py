from pathlib import Path

from podwire.pods.runtime.cni import CniError, Code
from podwire.pods.runtime.requests import CniRequests
from podwire.pods.runtime.server import Server


class Refusing:
    """Operations of which STATUS alone is made, and refuses."""

    async def status(self) -> None:
        raise CniError(Code.NOT_AVAILABLE, "not yet")


async def test_each_request_is_counted_with_its_command_and_code(tmp_path: Path) -> None:
    requests = CniRequests()
    server = Server(tmp_path / "sock", Refusing(), requests)  # type: ignore[arg-type]  # STATUS needs no other
    await server.answer(b'CNI_COMMAND=STATUS\0\0{"cniVersion": "1.1.0", "name": "podwire"}')
    await server.answer(b"CNI_COMMAND=ADD\0\0{nonsense")
    counts, durations = requests.families()
    assert counts.samples == (
        ({"command": "", "code": str(int(Code.DECODE_FAILURE))}, 1),
        ({"command": "STATUS", "code": str(int(Code.NOT_AVAILABLE))}, 1),
    )
    assert [labels for labels, _ in durations.samples] == [{"command": ""}, {"command": "STATUS"}]
