"""`podwire explain FROM TO` on files of 1,000 objects: from the start of the program to its end.

python -m bench.explain --objects 1000 --rounds 7
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figure import Figure

PODWIRE = Path(sys.executable).with_name("podwire")
GOAL_SECONDS = 0.5

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  namespace: team-{team}
  labels:
    app: app-{n}
spec:
  replicas: 3
  selector:
    matchLabels:
      app: app-{n}
  template:
    metadata:
      labels:
        app: app-{n}
        tier: tier-{tier}
    spec:
      containers:
        - name: api
          image: registry.example.com/app:{n}
          env:
            - name: DATABASE
              value: database:5432
          ports:
            - name: http
              containerPort: 8080
          readinessProbe:
            httpGet:
              path: /healthz
              port: http
"""
SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: app-{n}
  namespace: team-{team}
spec:
  selector:
    app: app-{n}
  ports:
    - name: http
      port: 80
      targetPort: http
"""
POLICY = """apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: app-{n}
  namespace: team-{team}
spec:
  podSelector:
    matchLabels:
      app: app-{n}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        - podSelector:
            matchLabels:
              app: app-{before}
      ports:
        - port: 8080
  egress:
    - to:
        - podSelector:
            matchLabels:
              app: app-{after}
      ports:
        - port: 8080
"""
CONFIG = """apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{n}
  namespace: team-{team}
data:
  level: info
  text: |
    some text
    of two lines
"""


def write(folder: Path, objects: int) -> None:
    """Write so many objects, a quarter of each kind, ten workloads a namespace, one file a namespace."""
    for team in range(-(-objects // 40)):
        numbers = range(team * 10, min(team * 10 + 10, objects // 4))
        parts = (
            part.format(n=n, team=team, tier=n % 3, before=n - 1, after=n + 1)
            for n in numbers
            for part in (DEPLOYMENT, SERVICE, POLICY, CONFIG)
        )
        (folder / f"team-{team:04}.yaml").write_text("---\n".join(parts))


def seconds(folder: Path, source: str, destination: str) -> float:
    """Return how long the program takes, start-up included."""
    began = time.perf_counter()
    command = [str(PODWIRE), "explain", "-f", str(folder), source, destination]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, timeout=60)
    return time.perf_counter() - began


def measured(objects: int, rounds: int) -> tuple[float, float]:
    """Return the medians of a connection that is allowed and of one that is not, in seconds."""
    with tempfile.TemporaryDirectory(prefix="podwire-bench-") as name:
        folder = Path(name)
        write(folder, objects)
        pairs = (("team-1/app-11", "team-1/app-12:80"), ("team-1/app-11", "team-2/app-25:80"))
        times = [[seconds(folder, *pair) for pair in pairs] for _ in range(rounds + 1)][1:]
    allowed, denied = zip(*times, strict=True)
    return statistics.median(allowed), statistics.median(denied)


def figures(*, quick: bool) -> Iterator[Figure]:
    """Explanations of a connection, on files."""
    allowed, denied = measured(1_000, 3 if quick else 9)
    yield Figure("explain FROM TO, 1,000 objects in YAML, allowed", allowed, "s", GOAL_SECONDS)
    yield Figure("the same, not allowed, with its changes", denied, "s", GOAL_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    allowed, denied = measured(options.objects, options.rounds)
    print(f"allowed {allowed:.2f} s, not allowed {denied:.2f} s")


if __name__ == "__main__":
    main()
