"""kube-proxy on a node of podwire: not beside it; what it left is removed with `--replace-kube-proxy`.

Only what kube-proxy's own `--cleanup` removes: its nftables tables, its chains of iptables with the rules that jump to
them, and the link that holds all addresses of Services in mode ipvs. Chains of the kubelet (KUBE-FIREWALL,
KUBE-KUBELET-CANARY, KUBE-IPTABLES-HINT) are left alone, and virtual servers of IPVS: without that link they get no
packets, as podwire's rules translate before. Sources: k8s.io/kubernetes `pkg/proxy/nftables/cleanup.go`,
`pkg/proxy/iptables/cleanup.go`, `pkg/proxy/ipvs/proxier.go`.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence

from podwire.component.program import StartRefusedError
from podwire.kernel import links, nft_tables
from podwire.kernel.netlink import Netlink
from podwire.kernel.nftables import Nftables, NftablesError, Transactions

log = logging.getLogger(__name__)

PORTS = (10256, 10249)
"""Where kube-proxy serves its health and its metrics, unless it is configured otherwise."""
ANSWER_SECONDS = 2.0

TABLES = ("ip kube-proxy", "ip6 kube-proxy")
IPVS_LINK = "kube-ipvs0"
CHAINS = frozenset(
    {
        "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-FORWARD",
        "KUBE-PROXY-FIREWALL", "KUBE-MARK-MASQ", "KUBE-PROXY-CANARY",
    }
)  # fmt: skip
PREFIXES = ("KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-", "KUBE-SEP-", "KUBE-FW-", "KUBE-XLB-")
"""Chains of one Service or endpoint."""

IPTABLES = ("iptables", "ip6tables", "iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft")
"""Names of the program in its two variants: only one of them is the default, and kube-proxy's image has its own."""
LOCK_SECONDS = "5"
"""How long iptables waits for other programs that hold its lock."""


async def refuse_beside_kube_proxy(ports: Iterable[int] = PORTS) -> None:
    """Return where no program answers on kube-proxy's ports. Raises StartRefusedError."""
    for port in ports:
        if await _answers(port):
            raise StartRefusedError(
                f"127.0.0.1:{port} is answered: kube-proxy, or another agent, runs on this node, and two programs would"
                " translate Services; end it ('kubectl -n kube-system delete daemonset kube-proxy') and start with"
                " --replace-kube-proxy, which removes its rules"
            )


async def report() -> None:
    """Log a warning where kube-proxy's rules are on this node, which are not to be removed."""
    try:
        found = await asyncio.to_thread(_found)
    except (OSError, NftablesError) as error:
        log.debug("whether kube-proxy's rules are on this node is not known: %s", error)
        return
    if found:
        log.warning(
            "kube-proxy's rules are on this node (%s): they translate Services too, with old endpoints;"
            " start with --replace-kube-proxy, or run 'kube-proxy --cleanup'", ", ".join(found),
        )  # fmt: skip


def _found() -> list[str]:
    found = [f"nftables table {table}" for table in present_tables()]
    with Netlink() as netlink:
        found += [f"link {IPVS_LINK}"] if _has_ipvs_link(netlink) else []
    for program in IPTABLES:
        save = shutil.which(f"{program}-save")
        if save is not None and any(removals(_run([save]).stdout)):
            found.append(f"chains of {program}")
    return found


def present_tables() -> list[str]:
    """Return which tables of kube-proxy's nftables mode exist."""
    listed = nft_tables.present()
    return [table for table in TABLES if table in listed]


async def remove() -> None:
    """Remove the leftovers. Call it when podwire's own rows are in the kernel, so that no Service fails meanwhile.

    What cannot be removed is logged: podwire's rules work beside it.
    """
    try:
        await asyncio.to_thread(_remove_all)
    except (OSError, NftablesError) as error:
        log.warning("kube-proxy's leftovers cannot be removed: %s; run 'kube-proxy --cleanup' on this node", error)


def _has_ipvs_link(netlink: Netlink) -> bool:
    return any(link.name == IPVS_LINK for link in links.links(netlink))


def _remove_ipvs_link() -> None:
    """Addresses of Services on this link are the node's own, so that no Service's other ports are refused."""
    with Netlink() as netlink:
        if _has_ipvs_link(netlink):
            netlink.run([links.delete(IPVS_LINK)])
            log.info("removed kube-proxy's link %s", IPVS_LINK)


def _remove_all() -> None:
    _remove_ipvs_link()
    nftables = Nftables()
    try:
        for table in remove_tables(nftables):
            log.info("removed kube-proxy's nftables table %s", table)
    finally:
        nftables.close()
    for program in IPTABLES:
        for table, chains in _remove_chains(program):
            log.info("removed kube-proxy's %d chains of table %s (%s)", chains, table, program)


def remove_tables(nftables: Transactions) -> Sequence[str]:
    """Remove the tables of kube-proxy's nftables mode in one transaction; return those that existed."""
    found = present_tables()
    if found:
        nftables.run("".join(f"delete table {table}\n" for table in found))
    return found


def _remove_chains(program: str) -> Iterator[tuple[str, int]]:
    """Remove the chains of one variant of iptables, one call a table; nothing where it is not installed."""
    save, restore = shutil.which(f"{program}-save"), shutil.which(f"{program}-restore")
    if save is None or restore is None:
        return
    saved = _run([save])
    if saved.returncode:
        log.warning("%s-save: %s", program, saved.stderr.strip())
        return
    for table, text in removals(saved.stdout):
        done = _run([restore, "--noflush", "--wait", LOCK_SECONDS], text)
        if done.returncode:
            log.error("%s-restore: table %s: %s", program, table, done.stderr.strip())
        else:
            yield table, text.count("-X ")


def _run(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a program. Comments of rules may be any bytes: they are passed on as they are."""
    return subprocess.run(
        command, input=text, capture_output=True, text=True, errors="surrogateescape", encoding="utf-8", check=False
    )


def removals(saved: str) -> Iterator[tuple[str, str]]:
    """Return, for each table in the output of iptables-save, the input of iptables-restore that removes the chains."""
    table = ""
    lines: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            table, lines = line[1:], []
        elif line == "COMMIT":
            text = _removal(table, lines)
            if text:
                yield table, text
        else:
            lines.append(line)


def _removal(table: str, lines: Sequence[str]) -> str:
    """Return the input for one table: flush the chains, delete the jumps to them, delete the chains."""
    chains = sorted({name for name in map(_chain, lines) if name in CHAINS or name.startswith(PREFIXES)})
    if not chains:
        return ""
    jumps = [f"-D{line[2:]}" for line in lines if _jumps_into(line, frozenset(chains))]
    flushed = [f":{chain} - [0:0]" for chain in chains]
    deleted = [f"-X {chain}" for chain in chains]
    return "\n".join([f"*{table}", *flushed, *jumps, *deleted, "COMMIT", ""])


def _chain(line: str) -> str:
    """The chain that a line declares, such as `:KUBE-SERVICES - [0:0]`; else nothing."""
    return line[1:].partition(" ")[0] if line.startswith(":") else ""


def _jumps_into(line: str, chains: frozenset[str]) -> bool:
    """Whether this is a rule of another chain that leads to one of these."""
    if not line.startswith("-A "):
        return False
    words = shlex.split(line)
    return words[1] not in chains and any(
        option in {"-j", "-g"} and target in chains for option, target in itertools.pairwise(words)
    )


async def _answers(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        return True
    return False
