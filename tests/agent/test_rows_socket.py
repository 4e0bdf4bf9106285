import asyncio
import stat
from pathlib import Path

from podwire.agent.rows_socket import serving_rows


async def ask(path: Path, line: bytes) -> str:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(line)
    answer = (await asyncio.wait_for(reader.read(), 60)).decode()
    writer.close()
    return answer


async def test_rows_are_sorted_and_sent_to_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "agent.sock"
    async with serving_rows(path, {"services": lambda: ["b", "a"], "policy": list}):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await ask(path, b"services\n") == "a\nb\n"
        assert await ask(path, b"policy\n") == ""
        assert "there are: services, policy" in await ask(path, b"nonsense\n")
