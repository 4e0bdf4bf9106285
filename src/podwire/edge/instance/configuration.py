"""The files of one Envoy: its bootstrap configuration with the listener for probes and metrics. Pure.

Sources: envoy/config/bootstrap/v3/bootstrap.proto; Envoy's "Configuring Envoy as an edge proxy" and "Administration
interface".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from podwire.edge.xds import bootstrap

READY_PATH, METRICS_PATH = "/ready", "/metrics"
LOG_FLUSH_MILLISECONDS = 1000
CONFIGURATION_FILE = "envoy.json"
ADMIN_SOCKET = "admin.sock"

_TYPES = "type.googleapis.com/envoy"
_ADMIN = "admin"
PASSWORDS = "passwords"
SOCKET = "passwords.sock"
"""Where the service that verifies passwords listens, in the instance's folder."""


class Instance(msgspec.Struct, frozen=True):
    """One Envoy.

    Attributes:
        program: path of Envoy's executable.
        node: the pod's name: its node.id.
        proxy: its node.cluster, and the common name of its certificate.
        server: host name or address of the xDS server; a path where it is a unix socket.
        port: of the xDS server; 0 for a unix socket.
        server_name: DNS name in the certificate of the xDS server.
        credentials: folder with `tls.crt`, `tls.key` and `ca.crt`; empty for a unix socket.
        folder: an empty folder for its files, of this process only.
        address: where it listens for probes.
        probe_port: of `/ready` and `/metrics`.
        workers: threads that serve connections.
        drain_seconds: longest time from SIGTERM to the end, while clients finish their requests.
        heap_bytes: memory near which it takes no further requests; 0: no limit.
        connections: of clients at the same time, of which further ones are closed; 0: no limit.
        is_mesh: whether it is the Envoy of a node, which has listeners inside itself.

    """

    program: str
    node: str
    proxy: str
    server: str
    port: int
    server_name: str
    credentials: str
    folder: str
    address: str = "::"
    probe_port: int = 19001
    workers: int = 2
    drain_seconds: float = 30.0
    heap_bytes: int = 0
    connections: int = 0
    is_mesh: bool = False

    @property
    def admin_socket(self) -> str:
        """Path of the admin interface."""
        return f"{self.folder}/{ADMIN_SOCKET}"


def files(instance: Instance) -> dict[str, str]:
    """Return the files of its folder, by name."""
    client = None
    if instance.credentials:
        client = bootstrap.ClientFiles(instance.credentials, instance.server_name, instance.folder)
    settings = bootstrap.Bootstrap(
        instance.node, instance.proxy, instance.server, instance.port, instance.admin_socket, client
    )
    whole = bootstrap.configuration(settings)
    resources = whole["static_resources"]
    resources["clusters"] += [_socket_cluster(_ADMIN, instance.admin_socket), passwords_cluster(instance.folder)]
    resources["listeners"] = [_probe_listener(instance)]
    if instance.heap_bytes or instance.connections:
        whole["overload_manager"] = _overload_manager(instance)
    if instance.is_mesh:
        whole["bootstrap_extensions"] = [_INTERNAL_LISTENERS]
        whole["layered_runtime"] = {"layers": [{"name": "mesh", "static_layer": MESH_RUNTIME}]}
        whole |= MESH_STATISTICS
    secrets = {} if client is None else bootstrap.sds_files(client)
    return {CONFIGURATION_FILE: json.dumps(whole, indent=1), **secrets}


MESH_RUNTIME: Mapping[str, Any] = {
    "envoy.reloadable_features.enable_send_rst_on_user_space_socket": False,
    "re2.max_program_size.error_level": 1_000_000,
}
"""Else what a listener inside Envoy has sent before it closes is lost: a response with `Connection: close` (tried). And
else Envoy refuses the listener, with all its policies, where paths or identities of one rule are more than 100
instructions of RE2; they match in linear time however many they are.
"""
_BOUNDS = {
    "bytes": (100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000),
    "milliseconds": (1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 60_000),
}
MESH_STATISTICS: Mapping[str, Any] = {
    "stats_config": {
        "histogram_bucket_settings": [
            {"match": {"safe_regex": {"regex": rf"istio\..*_{unit}.*"}}, "buckets": bounds}
            for unit, bounds in _BOUNDS.items()
        ]
    },
    "stats_eviction_interval": "1800s",
}
"""What is not counted for half an hour is removed: there are counters for each pair of pods, and pods come and go."""
_INTERNAL_LISTENERS = {
    "name": "envoy.bootstrap.internal_listener",
    "typed_config": {"@type": f"{_TYPES}.extensions.bootstrap.internal_listener.v3.InternalListener"},
}


MESH_DRAIN_SECONDS = 5
"""Connections to a pod of the mesh end within this time when its policies change."""


def arguments(instance: Instance) -> tuple[str, ...]:
    """Return the command line of Envoy."""
    return (
        instance.program,
        "--config-path",
        f"{instance.folder}/{CONFIGURATION_FILE}",
        "--concurrency",
        str(instance.workers),
        "--log-level",
        "warning",
        "--disable-hot-restart",
        # A line of the access log is readable after this time at most; by default after 10 s.
        "--file-flush-interval-msec",
        str(LOG_FLUSH_MILLISECONDS),
        # Connections of listeners that change are ended within this time.
        "--drain-time-s",
        str(MESH_DRAIN_SECONDS if instance.is_mesh else max(1, int(instance.drain_seconds))),
        "--drain-strategy",
        "immediate",
    )


def passwords_cluster(folder: str) -> dict[str, Any]:
    """Return the cluster of the service that verifies passwords, which a script calls by its name."""
    return _socket_cluster(PASSWORDS, f"{folder}/{SOCKET}")


def _socket_cluster(name: str, path: str) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": path}}}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "connect_timeout": "1s", "load_assignment": assignment}


def _probe_listener(instance: Instance) -> dict[str, Any]:
    """Two paths of the admin interface for GET, and nothing else of it."""
    method = {"name": ":method", "string_match": {"exact": "GET"}}
    paths = {READY_PATH: "/ready", METRICS_PATH: "/stats/prometheus"}
    routes = [
        {"match": {"path": path, "headers": [method]}, "route": {"cluster": _ADMIN, "prefix_rewrite": target}}
        for path, target in paths.items()
    ]
    manager = {
        "@type": f"{_TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "probes",
        "route_config": {"virtual_hosts": [{"name": "probes", "domains": ["*"], "routes": routes}]},
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}.extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    filters = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    address: dict[str, Any] = {"address": instance.address, "port_value": instance.probe_port}
    if ":" in instance.address:
        address["ipv4_compat"] = True
    return {
        "name": "probes",
        "stat_prefix": "probes",
        "address": {"socket_address": address},
        "filter_chains": [{"filters": filters}],
        "ignore_global_conn_limit": True,
    }


def _overload_manager(instance: Instance) -> dict[str, Any]:
    """Return the limits of the process. Clients that connect beyond the limit are closed, probes are not."""
    monitors: list[dict[str, Any]] = []
    actions: dict[str, float] = {}
    if instance.heap_bytes:
        monitors.append(
            _monitor("fixed_heap", "fixed_heap.v3.FixedHeapConfig", max_heap_size_bytes=instance.heap_bytes)
        )
        actions = {"envoy.overload_actions.shrink_heap": 0.95, "envoy.overload_actions.stop_accepting_requests": 0.98}
    if instance.connections:
        config = "downstream_connections.v3.DownstreamConnectionsConfig"
        name = "global_downstream_max_connections"
        monitors.append(_monitor(name, config, max_active_downstream_connections=instance.connections))
    triggers = {name: [{"name": monitors[0]["name"], "threshold": {"value": value}}] for name, value in actions.items()}
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": monitors,
        "actions": [{"name": name, "triggers": found} for name, found in triggers.items()],
    }


def _monitor(name: str, config: str, **values: int) -> dict[str, Any]:
    whole = {"@type": f"{_TYPES}.extensions.resource_monitors.{config}", **values}
    return {"name": f"envoy.resource_monitors.{name}", "typed_config": whole}
