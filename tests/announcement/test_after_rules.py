"""Nothing is announced before the rules; what goes does not wait for them."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from podwire.announcement import after_rules
from podwire.announcement.after_rules import AfterRules
from podwire.announcement.rows import ProxyRow
from podwire.engine.reconcile import Reconciler
from podwire.engine.row import Delta
from podwire.engine.sink import FakeSink

OLD, NEW = (ProxyRow(ipaddress.ip_address(f"192.0.2.{number}"), "eth0") for number in (1, 2))


async def test_removals_go_at_once_and_additions_when_the_rules_are_there() -> None:
    rules, kernel = asyncio.Event(), FakeSink([OLD])

    async def settled() -> None:
        await rules.wait()

    writing = asyncio.create_task(AfterRules(kernel, settled).write(Delta((NEW,), (OLD,))))
    while kernel.held:  # noqa: ASYNC110  the fake sets no event
        await asyncio.sleep(0)
    rules.set()
    await writing
    assert list(kernel.held.values()) == [NEW]


async def test_rules_that_do_not_come_are_an_error_that_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_rules, "RULES_SECONDS", 0.01)
    kernel = FakeSink([OLD])
    sink = AfterRules(kernel, asyncio.Event().wait)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError, match="rules of Services"):
        await sink.write(Delta((NEW,), (OLD,)))
    assert await sink.read() == []


async def test_rules_that_are_late_leave_no_address_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that a sink refuses is set aside for a minute; no row is refused where the rules are late."""
    monkeypatch.setattr(after_rules, "RULES_SECONDS", 0.01)
    rules, kernel = asyncio.Event(), FakeSink[ProxyRow]()

    async def settled() -> None:
        await rules.wait()

    reconciler: Reconciler[str, ProxyRow] = Reconciler(
        "announcement", lambda _: (OLD, NEW), AfterRules(kernel, settled)
    )
    reconciler.touch("every address")
    running = asyncio.create_task(reconciler.run())
    try:
        async with asyncio.timeout(60):
            while reconciler.counters.failures < 3:  # noqa: ASYNC110  the counter sets no event; then rows are searched
                await asyncio.sleep(0.01)
            rules.set()
            await reconciler.settle()
    finally:
        running.cancel()
    assert (set(kernel.held.values()), reconciler.counters.refused) == ({OLD, NEW}, 0)
