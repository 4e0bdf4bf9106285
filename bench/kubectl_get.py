"""`kubectl get pods -A` against the API server, and against a floor that replays the same answers byte for byte.

    python -m bench.kubectl_get --pods 5000 --rounds 7

What kubectl itself takes to read and print so many rows is in both; samples take turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import api_objects, api_writes
from bench.api_server import Served, api_server, floor, make_keys
from bench.isolation import in_sandbox
from bench.wire import Connection
from podwire.lab.host.credentials import ADMIN

KUBECTL = Path(__file__).parents[1] / ".venv/bin/kubectl"
WRITERS = 8


@dataclass(frozen=True)
class Comparison:
    """Seconds that kubectl takes, medians."""

    served: float
    canned: float

    @property
    def ratio(self) -> float:
        """How much longer it takes for asking a real server."""
        return self.served / self.canned


def sample(pods: int, rounds: int, *options: str) -> Comparison:
    """`kubectl get pods -A` with these options, so many times each way."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-", dir="/run") as place:
        keys = Path(place)
        make_keys(keys)
        with api_server(keys, keys / "store.db", durable=False) as served:
            api_objects.prepare_namespace(Connection(served))
            api_writes.write(served, pods, WRITERS)
            api_writes.report_running(served, pods, WRITERS)
            with floor(keys, _Replay(served)) as canned:
                times = [(_get(served, options), _get(canned, options)) for _ in range(rounds + 1)][1:]
    ours, theirs = zip(*times, strict=True)
    return Comparison(statistics.median(ours), statistics.median(theirs))


class _Replay:
    """Answers each request as the real server answered it the first time."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._connection: Connection | None = None
        self._answers: dict[bytes, bytes] = {}

    def __call__(self, head: bytes) -> bytes:
        asked = head.partition(b" HTTP/")[0]
        if asked not in self._answers:
            self._connection = self._connection or Connection(self._served)
            self._answers[asked] = self._connection.send(head)
        return self._answers[asked]


def _get(served: Served, options: tuple[str, ...]) -> float:
    began = time.perf_counter()
    command = [
        str(KUBECTL),
        f"--kubeconfig={_kubeconfig(served)}",
        f"--cache-dir={served.folder}/cache",
        "get",
        "pods",
        "-A",
    ]
    subprocess.run([*command, *options], stdout=subprocess.DEVNULL, check=True, timeout=120)
    return time.perf_counter() - began


def _kubeconfig(served: Served) -> Path:
    proof = served.proof(ADMIN)
    cluster = {"server": proof.server, "certificate-authority": proof.authority_file}
    user = {"client-certificate": proof.certificate_file, "client-key": proof.key_file}
    path = served.folder / f"kubeconfig-{served.port}"
    content = {
        "clusters": [{"name": "bench", "cluster": cluster}],
        "users": [{"name": "bench", "user": user}],
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "current-context": "bench",
    }
    path.write_text(json.dumps(content))
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output", default="", help="json, wide, ...: as kubectl's -o")
    options = parser.parse_args()
    form = [f"-o={options.output}"] if options.output else []
    found = in_sandbox(sample, options.pods, options.rounds, *form)
    print(f"served {found.served:.2f} s, canned {found.canned:.2f} s, ratio {found.ratio:.2f}")


if __name__ == "__main__":
    main()
