from __future__ import annotations

import pytest

from podwire.agent import opening
from podwire.kernel.netlink import NetlinkError


async def test_a_source_that_another_process_reads_is_opened_later_and_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(opening, "OPEN_SECONDS", 0)
    errors = [NetlinkError(16, "busy"), NetlinkError(16, "busy")]

    def source() -> str:
        if errors:
            raise errors.pop()
        return "open"

    assert await opening.opened(source, "nothing is recorded yet") == "open"
    assert len([one for one in caplog.messages if one.startswith("nothing is recorded yet: ")]) == 1
