import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from podwire.kernel.disk_sync import DiskSync


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def wait(sync: DiskSync) -> None:
    assert select.select([sync.descriptor], [], [], 20)[0]


def test_the_descriptor_is_readable_when_the_data_is_on_the_disk(file: int) -> None:
    sync = DiskSync(file)
    for _ in range(3):
        os.write(file, b"x" * 100_000)
        sync.begin()
        wait(sync)
        sync.finish()
        with pytest.raises(BlockingIOError):
            sync.finish()
    sync.close()


def test_what_cannot_be_synced_is_an_error() -> None:
    reading, writing = os.pipe()
    sync = DiskSync(reading)
    with pytest.raises(OSError, match="Invalid argument"):
        sync.begin()
    sync.close()
    os.close(reading)
    os.close(writing)


def test_a_call_on_its_way_is_waited_for(file: int) -> None:
    sync = DiskSync(file)
    os.write(file, b"x" * 1_000_000)
    sync.begin()
    sync.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(sync.descriptor)
