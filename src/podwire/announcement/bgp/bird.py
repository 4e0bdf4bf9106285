"""bird as a child of the agent: started, configured, restarted, and ended so that peers keep its routes.

It runs as a user without rights on the node's files, with one capability, to listen on port 179. It is killed
when the agent ends; peers then keep its routes until the next one takes over, as RFC 4724 has it.

Sources: bird(8), setpriv(1), BIRD 2.0 User's Guide.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pwd
import signal
from collections.abc import Sequence
from pathlib import Path

from podwire.announcement.bgp import control
from podwire.announcement.bgp.program import find
from podwire.kube.backoff import Backoff

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS = 0.5, 30.0
STEADY_SECONDS = 30.0
"""A process that ran for so long is restarted without delay."""
STOP_SECONDS = 3.0
WRITE_RETRY_SECONDS = 5.0
USERS = ("bird", "nobody")
"""Whom it runs as: the first that exists."""
CONFIGURATION, SOCKET = "bird.conf", "bird.ctl"


class Bird:
    """One bird with its files in `folder`, and these capabilities as setpriv(1) names them.

    `launcher` is put before its command line: tests enter a namespace by it.
    """

    def __init__(
        self, folder: Path, launcher: Sequence[str] = (), capabilities: Sequence[str] = ("net_bind_service",)
    ) -> None:
        self._folder = folder
        self._launcher = launcher
        self._capabilities = ",".join(("-all", *(f"+{name}" for name in capabilities)))
        self._text = ""
        self._changed = asyncio.Event()
        self._written = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._restarts = (folder / CONFIGURATION).exists()
        """Whether peers may hold routes of an earlier process."""

    @property
    def socket(self) -> Path:
        """Its control socket."""
        return self._folder / SOCKET

    def configure(self, text: str) -> None:
        """Apply this configuration soon."""
        self._text = text
        self._changed.set()

    async def run(self) -> None:
        """Keep bird running from the first configuration on, until cancelled. Peers then keep its routes for a time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._keep())

    async def _follow(self) -> None:
        """Write each configuration, and have bird read it where it runs."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                self._write()
            except OSError as error:
                log.warning("bird's configuration cannot be written, its routes stay as they were: %s", error)
                await asyncio.sleep(WRITE_RETRY_SECONDS)
                self._changed.set()
                continue
            self._written.set()
            if self._process is not None and self._process.returncode is None:
                self._process.send_signal(signal.SIGHUP)

    def _write(self) -> None:
        user = _user()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        written = self._folder / f"{CONFIGURATION}.new"
        written.unlink(missing_ok=True)  # what bird's user may have put there is not followed
        with open(written, "x", encoding="ascii") as file:
            os.chmod(file.fileno(), 0o644)
            file.write(self._text)
        written.replace(self._folder / CONFIGURATION)

    async def _keep(self) -> None:
        """Start bird when it is configured, and again each time that it has ended."""
        await self._written.wait()
        backoff = Backoff(FIRST_RETRY_SECONDS, LONGEST_RETRY_SECONDS)
        now = asyncio.get_running_loop().time
        while True:
            started = now()
            try:
                await self._serve()
            except OSError as error:
                log.warning("bird cannot be started, no route is announced by BGP: %s", error)
            if now() - started > STEADY_SECONDS:
                backoff.reset()
            await asyncio.sleep(backoff.step())

    async def _serve(self) -> None:
        """Return when the process has ended. Raises OSError where it cannot be started."""
        program = find()
        options = ("-R",) if self._restarts else ()
        files = ("-c", CONFIGURATION, "-s", SOCKET)  # below its working directory: it may not enter those above
        self._process = process = await asyncio.create_subprocess_exec(
            *self._launcher, *_unprivileged(self._capabilities), program, "-f", *options, *files,
            cwd=self._folder, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._restarts = True
        try:
            assert process.stderr is not None, "it is a pipe"
            async for line in process.stderr:
                _log(line.decode("utf-8", "replace").strip())
            log.error(
                "bird ended with status %s; peers keep its routes while it is started again", await process.wait()
            )
        finally:
            await self._stop(process)

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        """End it without a word to its peers, which would withdraw the routes otherwise."""
        if process.returncode is not None:
            return
        try:
            await control.request(self.socket, "graceful restart")
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except (OSError, TimeoutError):
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _user() -> pwd.struct_passwd:
    for name in USERS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise FileNotFoundError(f"no user {' or '.join(USERS)} exists to run bird as")


def _unprivileged(capabilities: str) -> tuple[str, ...]:
    """Return a command that runs another one as that user with these capabilities alone; it ends with this process."""
    user = _user()
    return (
        "setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs",
        f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}",
        "--pdeathsig=KILL", "--",
    )  # fmt: skip


def _log(line: str) -> None:
    """Log a line of bird's: `2026-11-29 22:40:39.202 <INFO> Started`."""
    _, mark, message = line.partition("<")
    kind, _, text = message.partition("> ")
    serious = kind in {"ERR", "FATAL", "BUG", "AUTH"} and text != "Shutdown completed"
    log.log(logging.ERROR if serious else logging.INFO, "bird: %s", text if mark else line)
