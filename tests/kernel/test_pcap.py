import subprocess
from pathlib import Path

from podwire.kernel import pcap

PING = bytes.fromhex(
    "ffffffffffff0242ac1200020800"  # Ethernet
    "4500001c000140004001b0b30a0000010a000002"  # IPv4
    "0800f7ff00000000"  # ICMP echo
)


def test_tcpdump_reads_what_we_write(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap.header() + pcap.record(1_700_000_000.25, PING, len(PING)))
    result = subprocess.run(["tcpdump", "-nr", str(path)], capture_output=True, text=True, check=True)
    assert "10.0.0.1 > 10.0.0.2: ICMP echo request" in result.stdout
    assert ".250000" in result.stdout
