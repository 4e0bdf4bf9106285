"""Whatever changes, in whatever order answers come: Envoy ends with the snapshot, and no request fails on the way."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from podwire.edge.xds.messages import Response
from podwire.edge.xds.resource import CLUSTER, ENDPOINTS, LISTENER, ROUTES, SECRET, VIRTUAL_HOST, Key, Resource
from podwire.edge.xds.session import Session
from podwire.edge.xds.snapshot import Snapshot
from tests.edge.xds.fake_envoy import ONCE, FakeEnvoy, versioned
from tests.thoroughness import examples

CLUSTERS = ("a", "b", "c")
HOSTS = ("r/one", "r/two", "s/three")
VERSIONS = st.sampled_from(["1", "2", "3"])


@st.composite
def snapshots(draw: st.DrawFn) -> dict[Key, Resource]:
    """Listeners with route configurations, hosts that lead to clusters, clusters with endpoints and a secret."""
    found = []
    clusters = draw(st.sets(st.sampled_from(CLUSTERS)))
    bad = draw(st.sets(st.sampled_from((*CLUSTERS, *HOSTS)), max_size=1))
    for name in clusters:
        warms = ((ENDPOINTS, name), (SECRET, "key")) if draw(st.booleans()) else ((ENDPOINTS, name),)
        version = draw(VERSIONS) + f"{len(warms)}" + (ONCE if name in bad else "")
        found.append(Resource(CLUSTER, name, version, b"", warms=warms))
        follows = ((LISTENER, "lr"),) if draw(st.booleans()) else ()
        found.append(Resource(ENDPOINTS, name, f"{draw(VERSIONS)}{len(follows)}", b"", follows=follows))
    found.append(Resource(SECRET, "key", draw(VERSIONS), b""))
    for name in draw(st.sets(st.sampled_from(("r", "s")))):
        found.append(Resource(LISTENER, f"l{name}", draw(VERSIONS), b"", warms=((ROUTES, name),)))
        found.append(Resource(ROUTES, name, draw(VERSIONS), b"", warms=((VIRTUAL_HOST, name),)))
        for host in (one for one in HOSTS if one.startswith(name) and draw(st.booleans())):
            needs = sorted(draw(st.sets(st.sampled_from(sorted(clusters))))) if clusters else []
            version = f"{draw(VERSIONS)}{''.join(needs)}" + (ONCE if host in bad else "")
            found.append(Resource(VIRTUAL_HOST, host, version, b"", requires=tuple((CLUSTER, one) for one in needs)))
    return {one.key: one for one in found}


class Rig:
    """A session and its Envoy, with responses and requests on their way between them."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.session = Session(snapshot)
        self.envoy = FakeEnvoy()
        self.wire: list[Response] = []
        self.excused: dict[str, frozenset[Key]] = {}
        self.followed: dict[str, dict[Key, str]] = {}
        """By response: the wanted versions of what its resources follow."""
        self.refused: set[tuple[Key, str]] = set()

    def become(self, resources: dict[Key, Resource]) -> None:
        """Change the snapshot to these resources."""
        gone = [one.key for one in self.snapshot if one.key not in resources]
        self.session.changed(self.snapshot.apply(resources.values(), gone))
        self._note()

    def _note(self) -> None:
        self.envoy.wanted = {one.key for one in self.snapshot}

    def reconnect(self) -> None:
        """Lose the stream; Envoy begins another one with what it holds."""
        self.wire.clear()
        self.session = Session(self.snapshot)
        self.envoy = FakeEnvoy(self.envoy)
        self._note()

    def step(self, choice: int) -> bool:
        """Deliver one message in either direction; false when there is none."""
        for response in self.session.responses():
            self.wire.append(response)
            followed = (self.snapshot.get(key) for one in response.resources for key in one.follows)
            self.followed[response.nonce] = {one.key: one.version for one in followed if one is not None}
            self.excused[response.nonce] = frozenset(
                key
                for one in response.resources
                for key in one.requires
                if (wanted := self.snapshot.get(key)) is None or wanted.version.endswith(ONCE)
            )
        moves = (bool(self.wire), bool(self.envoy.requests))
        if not any(moves):
            return False
        if moves[0] and (choice % 2 == 0 or not moves[1]):
            response = self.wire.pop(0)
            for key, version in self.followed[response.nonce].items():
                assert key not in self.envoy.held or self.envoy.held[key].version == version
            self.envoy.receive(response, self.excused[response.nonce])
        else:
            self.session.receive(self.envoy.requests.pop(0))
        self._note()
        return True

    def finish(self) -> None:
        """Deliver everything."""
        for _ in range(3000):
            if not self.step(0):
                return
        raise AssertionError("responses go on for ever")

    def expected(self) -> dict[Key, str]:
        """What Envoy subscribes to of the snapshot, in versions that it takes."""
        needed: set[Key] = set()
        held = self.envoy.held.values()
        for key in (key for one in held for key in one.warms):
            needed.add(key)
        return {
            one.key: one.version
            for one in self.snapshot
            if not one.version.endswith(ONCE)
            and (
                one.type_url in (CLUSTER, LISTENER)
                or one.key in needed
                or (one.type_url == VIRTUAL_HOST and (VIRTUAL_HOST, one.name.split("/")[0]) in needed)
            )
        }


@settings(max_examples=examples(60))
@given(st.data())
def test_envoy_ends_with_the_snapshot_and_no_request_fails_on_the_way(data: st.DataObject) -> None:
    rig = Rig(Snapshot(data.draw(snapshots()).values()))
    rig._note()
    for _ in range(data.draw(st.integers(1, 4))):
        for choice in data.draw(st.lists(st.integers(0, 9), max_size=25)):
            rig.step(choice)
        if data.draw(st.booleans()):
            rig.reconnect()
        if data.draw(st.booleans()):
            rig.become(data.draw(snapshots()))
    rig.finish()
    assert_ends_well(rig)


def assert_ends_well(rig: Rig) -> None:
    """Every good resource is held; once the refused ones are mended, exactly the snapshot is."""
    held = {key: one.version for key, one in rig.envoy.held.items()}
    assert not rig.expected().items() - held.items(), rig.expected().items() - held.items()
    rig.become(
        {
            key: versioned(one, one.version.removesuffix(ONCE))
            for key, one in {one.key: one for one in rig.snapshot}.items()
        }
    )
    rig.finish()
    held = {key: one.version for key, one in rig.envoy.held.items()}
    assert {name for kind, name in held if kind == ROUTES} == rig.envoy.answered
    assert not any(rig.envoy.cold.values())
    assert held == rig.expected(), held.items() ^ rig.expected().items()
