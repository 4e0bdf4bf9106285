from pathlib import Path

from podwire.kube.meta import NamespacedName
from podwire.lab.relay.forwards import Forward
from podwire.lab.relay.table import FILE, Entry, PublishedEntry, Table, previous, read, write

FORWARD = Forward(NamespacedName("shop", "web"), "LoadBalancer", "TCP", 80, 80, "172.18.254.1")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    table = Table(18, (Entry(FORWARD, "127.18.254.1", 80),), (PublishedEntry("shop", "web", "TCP", 8080, FORWARD),))
    write(tmp_path, table)
    assert read(tmp_path) == table
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_without_a_readable_file_nothing_is_open(tmp_path: Path) -> None:
    assert read(tmp_path) == Table()
    (tmp_path / FILE).write_text("{")
    assert read(tmp_path) == Table()


def test_only_open_ports_are_taken_again() -> None:
    other = Forward(FORWARD.service, "NodePort", "TCP", 30080, 80)
    assert set(previous([Entry(FORWARD, "127.18.254.1", 80), Entry(other, note="too many")])) == {FORWARD.key}
