"""Calls of gRPC to a Service with a route, some of whose endpoints are gone, or are killed and started again."""

from __future__ import annotations

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.mesh.path.cluster import Cluster, until

ADDRESS = "10.96.0.1"
SOME_GONE = (
    ("b", 8200),
    ("b", 8201),  # where nothing listens
    ("c", 8201),
)
REPLACED = (("b", 8210), ("c", 8210), ("b", 8211), ("c", 8211))


def calls_are_made_where_a_server_is(cluster: Cluster) -> None:
    """One of three endpoints is there: neither calls of one message nor of several fail."""
    serve(cluster, *SOME_GONE[0])
    assert call(cluster, "/some-gone-grpc/one", 30) == Counter({"OK": 30})
    assert call(cluster, "/some-gone-grpc/many", 30) == Counter({"OK": 30})


def no_call_fails_while_servers_are_killed(cluster: Cluster, number: int) -> None:
    """Kill one server after the other and start it again: a call that one may have begun is not sent again."""
    for one in REPLACED:
        serve(cluster, *one)
    with ThreadPoolExecutor(2) as threads:
        loads = [threads.submit(call, cluster, "/replaced-grpc/one", number) for _ in range(2)]
        killed = 0
        while killed < len(REPLACED) or not all(one.done() for one in loads):
            one = REPLACED[killed % len(REPLACED)]
            cluster.kill(_name(*one))
            serve(cluster, *one)
            killed += 1
    found = sum((load.result() for load in loads), Counter())
    seen = Counter(word for one in REPLACED for word in (cluster.folder / f"{_name(*one)}.log").read_text().split())
    failed = {name.rpartition(" ")[2] for name in found if name != "OK"}
    assert len(failed) <= killed, found
    assert set(seen.values()) == {1}, "a call that has reached a server is never sent again"


def serve(cluster: Cluster, pod: str, port: int) -> None:
    """Start a server of gRPC in a pod; return when it listens."""
    cluster.spawn(_name(pod, port), pod, sys.executable, "-c", SERVER, str(port))
    until(lambda: cluster.listens(pod, port), "a server of gRPC")


def call(cluster: Cluster, method: str, number: int) -> Counter[str]:
    """Call one after the other from the pod a; count OK, and each other outcome with the call's own name."""
    return Counter(cluster.output("a", sys.executable, "-c", CLIENT, ADDRESS, method, str(number)).splitlines())


def _name(pod: str, port: int) -> str:
    return f"grpc-{pod}-{port}"


SERVER = """
import grpc, sys
from concurrent.futures import ThreadPoolExecutor
class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(requests, context):
            for one in requests:
                print(one.decode(), flush=True)
                yield one
        return grpc.stream_stream_rpc_method_handler(answer)
server = grpc.server(ThreadPoolExecutor(4), handlers=(Handler(),))
server.add_insecure_port(f'0.0.0.0:{sys.argv[1]}')
server.start()
server.wait_for_termination()
"""

CLIENT = """
import grpc, sys, uuid
host, method, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
with grpc.insecure_channel(f'{host}:80') as channel:
    many = channel.stream_stream(method)
    one = channel.unary_unary(method)
    for _ in range(number):
        name = uuid.uuid4().hex
        try:
            if method.endswith('many'):
                answers = list(many(iter((name.encode(), (name + '+').encode())), timeout=30))
                assert answers == [name.encode(), (name + '+').encode()], answers
            else:
                assert one(name.encode(), timeout=30) == name.encode()
            print('OK')
        except grpc.RpcError as error:
            print(error.code(), error.details(), name)
"""
