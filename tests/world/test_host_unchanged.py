"""Nothing on the host is changed by a world that starts and ends.

The host of the test is a sandbox with a network and mounts of its own, where no other program changes anything.
"""

import subprocess
from pathlib import Path

from tests.sandbox import sandboxed
from tests.world.harness import Home

CHANGES_BY_ITSELF = (
    "fs/dentry-state",
    "fs/file-nr",
    "fs/inode-",
    "fs/quota",
    "fs/aio-nr",
    "kernel/ns_last_pid",
    "kernel/pty/nr",
    "kernel/random/",
    "kernel/tainted",
    "net/netfilter/nf_conntrack_count",
)
APPEARS_WITH_A_MODULE = "net/"


def command(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def sysctls() -> dict[str, str]:
    found = {}
    root = Path("/proc/sys")
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_file() and not name.startswith(CHANGES_BY_ITSELF):
            try:
                found[name] = path.read_text()
            except (OSError, UnicodeDecodeError):
                continue
    return found


def host() -> dict[str, str]:
    rules = subprocess.run(["nft", "list", "ruleset"], capture_output=True, text=True, check=False)
    return {
        "links": "\n".join(line.split("qlen")[0] for line in command("ip", "-o", "link").splitlines()),
        "routes": command("ip", "route", "show", "table", "all") + command("ip", "-6", "route", "show", "table", "all"),
        "named namespaces": command("ip", "netns"),
        "rules": rules.stdout,
        "mounts": Path("/proc/self/mounts").read_text(),
    }


@sandboxed
def test_links_routes_rules_mounts_and_sysctls_are_as_before(fresh_home: Home) -> None:
    facts, keys = host(), sysctls()
    assert len(keys) > 100
    fresh_home.podwire("up", "--quiet", "--nodes", "2")
    try:
        assert host() == facts
    finally:
        fresh_home.podwire("down")
    assert host() == facts
    after = sysctls()
    changed = {name for name in keys if after.get(name) != keys[name]}
    appeared = {name for name in after.keys() - keys.keys() if not name.startswith(APPEARS_WITH_A_MODULE)}
    assert not changed
    assert not appeared
