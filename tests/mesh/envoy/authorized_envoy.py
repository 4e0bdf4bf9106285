"""An Envoy whose workloads have policies: clients name their address, identity and destination by a PROXY header."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ipaddress
import json
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.filters.http.jwt_authn.v3 import config_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.proxy_protocol.v3 import proxy_protocol_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from google.protobuf import json_format, wrappers_pb2
from xds.core.v3 import extension_pb2
from xds.type.matcher.v3 import matcher_pb2

from podwire.edge.envoy.message import packed
from podwire.edge.instance.configuration import MESH_RUNTIME
from podwire.mesh.authorization.decision import needs_requests
from podwire.mesh.authorization.model import Connection, Policy
from podwire.mesh.authorization.tokens import Issuer, TokenPolicy
from podwire.mesh.envoy.authorization import normalise, request_filters
from podwire.mesh.envoy.connection_match import connection_match
from podwire.mesh.envoy.filter_state import SOURCE_IDENTITY
from podwire.mesh.envoy.tokens import keys_cluster
from podwire.mesh.node.key_sets import KeySets
from tests.edge.xds.real_envoy import BINARY, is_listening, until
from tests.mesh.authorization.random_policies import PORTS

BANNER = b"220 server first\r\n"
HTTP = (80,)
"""Ports whose requests can be read."""
TLV = 0xEA
T = "type.googleapis.com/envoy."
ORIGINAL = "envoy.filters.listener.original_dst"
_USED = (config_pb2, rbac_pb2, router_pb2, original_dst_pb2, proxy_protocol_pb2, tcp_proxy_pb2)
_OTHERS = (set_filter_state_pb2, http_connection_manager_pb2, wrappers_pb2)  # messages inside Any


def destination(number: int, version: int) -> str:
    """Return the address of a workload."""
    return f"10.9.{number >> 8}.{number & 255}" if version == 4 else f"fd09::1:{number + 1:x}"


class Keys:
    """A key of an issuer, which signs tokens (ES256, RFC 7518)."""

    def __init__(self, name: str = "k1") -> None:
        self.name = name
        self._key = ec.generate_private_key(ec.SECP256R1())

    def key_set(self) -> str:
        numbers = self._key.public_key().public_numbers()
        x, y = (_base64url(one.to_bytes(32, "big")) for one in (numbers.x, numbers.y))
        key = {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.name, "x": x, "y": y}
        return json.dumps({"keys": [key]})

    def token(self, claims: Mapping[str, object], **header: str) -> str:
        parts = [{"alg": "ES256", "typ": "JWT", "kid": self.name, **header}, {"exp": 4_000_000_000, **claims}]
        text = ".".join(_base64url(json.dumps(one).encode()) for one in parts)
        r, s = utils.decode_dss_signature(self._key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def issuer(keys: Keys, **more: Any) -> Issuer:
    return Issuer("https://id.test", keys=keys.key_set(), **more)


def _named(name: str, typed: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": typed}


def _state(key: str, text: str, factory: str) -> dict[str, Any]:
    source = {"text_format_source": {"inline_string": text}, "omit_empty_values": True}
    return {"object_key": key, "factory_key": factory, "format_string": source, "shared_with_upstream": "ONCE"}


def _passed_to(cluster: str) -> dict[str, Any]:
    kind = f"{T}extensions.filters.network.tcp_proxy.v3.TcpProxy"
    return _named("tcp", {"@type": kind, "stat_prefix": "tcp", "cluster": cluster})


def _entry(socket: Path) -> dict[str, Any]:
    """The listener of clients: what they say by the PROXY header becomes the connection's."""
    rule = {"tlv_type": TLV, "on_tlv_present": {"key": "identity"}}
    proxy = {"@type": f"{T}extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", "rules": [rule]}
    identity = "%DYNAMIC_METADATA(envoy.filters.listener.proxy_protocol:identity)%"
    ends = (("local_ip", "%DOWNSTREAM_LOCAL_ADDRESS%"), ("remote_ip", "%DOWNSTREAM_REMOTE_ADDRESS%"))
    states = [_state(f"{ORIGINAL}.{name}", text, f"{ORIGINAL}.{name}") for name, text in ends]
    states.append(_state(SOURCE_IDENTITY, identity, "envoy.hashable_string"))
    state = {"@type": f"{T}extensions.filters.network.set_filter_state.v3.Config", "on_new_connection": states}
    return {
        "name": "entry",
        "address": {"pipe": {"path": str(socket)}},
        "listener_filters": [_named("proxy", proxy)],
        "filter_chains": [{"filters": [_named("state", state), _passed_to("authorized")]}],
    }


def _clusters(folder: Path) -> list[dict[str, Any]]:
    raw = _named("raw", {"@type": f"{T}extensions.transport_sockets.raw_buffer.v3.RawBuffer"})
    inner = f"{T}extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport"
    address = {"envoy_internal_address": {"server_listener_name": "authorized"}}
    inside = _static("authorized", address)
    inside["transport_socket"] = _named("internal", {"@type": inner, "transport_socket": raw})
    server = _static("server", {"pipe": {"path": str(folder / "server")}})
    keys = cluster_pb2.Cluster.FromString(keys_cluster(str(folder / "keys")).body)
    return [inside, server, _as_dict(keys)]


def _static(name: str, address: dict[str, Any]) -> dict[str, Any]:
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {"name": name, "type": "STATIC", "load_assignment": {"cluster_name": name, "endpoints": endpoints}}


def _action(name: str) -> Any:
    action = extension_pb2.TypedExtensionConfig(name=name, typed_config=packed(wrappers_pb2.StringValue(value=name)))
    return matcher_pb2.Matcher.OnMatch(action=action)


def _input(kind: str) -> dict[str, Any]:
    return _named("input", {"@type": f"{T}extensions.matching.common_inputs.network.v3.{kind}"})


def _as_dict(message: Any) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return found


def _workload_match(number: int, policies: Sequence[Policy]) -> dict[str, Any]:
    """By port: to the chain of its requests, to the chain of connections, or to a chain that does not exist."""
    by_port = {}
    for port in PORTS:
        chain = f"requests-{number}-{port}" if _is_read(policies, port) else "connections"
        known = port if _is_read(policies, port) else None
        by_port[str(port)] = _as_dict(connection_match(policies, known, _action(chain), _action("none")))
    return {"matcher": {"matcher_tree": {"input": _input("DestinationPortInput"), "exact_match_map": {"map": by_port}}}}


def _is_read(policies: Sequence[Policy], port: int) -> bool:
    return port in HTTP and needs_requests(policies, port)


def _chain(number: int, port: int, policies: Sequence[Policy], tokens: Sequence[TokenPolicy]) -> dict[str, Any]:
    manager = http_connection_manager_pb2.HttpConnectionManager(stat_prefix="http")
    normalise(manager)
    manager.http_filters.extend(request_filters(policies, tokens, port))
    router = http_connection_manager_pb2.HttpFilter(name="router", typed_config=packed(router_pb2.Router()))
    manager.http_filters.append(router)
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    typed: dict[str, Any] = {"@type": f"{T}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"}
    typed |= _as_dict(manager)
    typed["route_config"] = {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]}
    return {"name": f"requests-{number}-{port}", "filters": [_named("http", typed)]}


def _inner(workloads: Sequence[Sequence[Policy]], tokens: Sequence[TokenPolicy]) -> dict[str, Any]:
    chains = [{"name": "connections", "filters": [_passed_to("server")]}]
    chains += [
        _chain(number, port, policies, tokens)
        for number, policies in enumerate(workloads)
        for port in PORTS
        if _is_read(policies, port)
    ]
    by_address = {
        destination(number, version): _workload_match(number, policies)
        for number, policies in enumerate(workloads)
        for version in (4, 6)
    }
    return {
        "name": "authorized",
        "internal_listener": {},
        "listener_filters": [_named("dst", {"@type": f"{T}extensions.filters.listener.original_dst.v3.OriginalDst"})],
        "filter_chain_matcher": {
            "matcher_tree": {"input": _input("DestinationIPInput"), "exact_match_map": {"map": by_address}}
        },
        "filter_chains": chains,
    }


async def _speak_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Write before the client does, and keep the connection until the client closes it."""
    writer.write(BANNER)
    with contextlib.suppress(ConnectionError):
        await reader.read()
    writer.close()


class Authorized:
    """Connects as a client with an address and an identity."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def connect(self, number: int, connection: Connection) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(str(self._socket))
        source = ipaddress.ip_address(connection.address)
        target = ipaddress.ip_address(destination(number, source.version))
        rest = source.packed + target.packed + struct.pack("!HH", 40000, connection.port)
        if connection.identity:
            rest += struct.pack("!BH", TLV, len(connection.identity)) + connection.identity.encode()
        family = 0x11 if source.version == 4 else 0x21
        writer.write(b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack("!BBH", 0x21, family, len(rest)) + rest)
        return reader, writer

    async def banner(self, number: int, connection: Connection) -> bytes:
        """Return what the server says first; nothing where the connection is refused."""
        reader, writer = await self.connect(number, connection)
        try:
            return await asyncio.wait_for(reader.read(100), 60)
        except ConnectionError:
            return b""
        finally:
            writer.close()

    async def status(self, number: int, connection: Connection, lines: Sequence[str]) -> int:
        """Send a request; returns its status, 0 where the connection is refused."""
        reader, writer = await self.connect(number, connection)
        try:
            writer.write("\r\n".join((*lines, "Connection: close", "", "")).encode("latin-1"))
            answer = await asyncio.wait_for(reader.readline(), 60)  # Envoy closes a second later
            return int(answer.split(b" ")[1]) if answer else 0
        except ConnectionError:
            return 0
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def authorized(
    folder: Path, workloads: Sequence[Sequence[Policy]], tokens: Sequence[TokenPolicy] = ()
) -> AsyncIterator[Authorized]:
    """A real Envoy for workloads with these policies."""
    entry, file = folder / "in", folder / "envoy.json"
    internal = {"@type": f"{T}extensions.bootstrap.internal_listener.v3.InternalListener"}
    configuration = {
        "bootstrap_extensions": [_named("envoy.bootstrap.internal_listener", internal)],
        "layered_runtime": {"layers": [{"name": "mesh", "static_layer": MESH_RUNTIME}]},
        "static_resources": {
            "listeners": [_entry(entry), _inner(workloads, tokens)],
            "clusters": _clusters(folder),
        },
    }
    file.write_text(json.dumps(configuration))
    keys = KeySets(str(folder / "keys"))
    keys.require(issuer for one in tokens for issuer in one.issuers)
    serving_keys = asyncio.create_task(keys.run())
    server = await asyncio.start_unix_server(_speak_first, str(folder / "server"))
    arguments = ("-c", str(file), "--concurrency", "1", "-l", "error", "--disable-hot-restart")
    process = await asyncio.create_subprocess_exec(BINARY, *arguments)
    try:
        await until(lambda: process.returncode is not None or is_listening(entry), "Envoy's socket")
        assert process.returncode is None, "Envoy refuses its configuration"
        yield Authorized(entry)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        server.close()
        serving_keys.cancel()
        await asyncio.wait([serving_keys])
