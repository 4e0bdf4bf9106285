"""A server of websockets that sends each text back: a script of the standard library.

websocket_program.py PORT     runs until its standard input ends
"""

import asyncio
import base64
import hashlib
import sys

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))}
        proof = base64.b64encode(hashlib.sha1(fields["sec-websocket-key"].encode() + GUID).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {proof}\r\n\r\n".encode()
        )
        while True:
            first, length = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            data = await reader.readexactly(length & 0x7F)
            writer.write(bytes((first, len(data))) + bytes(one ^ mask[i % 4] for i, one in enumerate(data)))
    except (OSError, EOFError, KeyError):
        writer.close()


async def main(port: str) -> None:
    server = await asyncio.start_server(serve, None, int(port))
    print("listening", flush=True)  # noqa: T201 read by the test
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    await over.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
