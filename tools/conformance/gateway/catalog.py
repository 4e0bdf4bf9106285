"""What the suite has: tests, features, profiles, as its program prints them (conformance/gateway/catalog_test.go)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec

STANDARD = "standard"
EXPERIMENTAL = "experimental"
CHANNELS = (STANDARD, EXPERIMENTAL)
MESH = "Mesh"
"""The feature that tests of a service mesh need; the beginning of the names of its other features."""


class Test(msgspec.Struct, frozen=True):
    """One test with the features that it needs."""

    name: str
    description: str
    features: tuple[str, ...]
    provisional: bool = False


class Feature(msgspec.Struct, frozen=True):
    """A feature and its release channel."""

    name: str
    channel: str


class Profile(msgspec.Struct, frozen=True):
    """A profile: an implementation must have its core features; a test with any other feature is extended."""

    name: str
    core: tuple[str, ...]
    extended: tuple[str, ...]

    def has(self, test: Test) -> bool:
        """Whether the test counts for the profile (utils/suite/profiles.go: all its features are the profile's)."""
        return set(test.features) <= {*self.core, *self.extended}

    def is_extended(self, test: Test) -> bool:
        """Whether the test is of an extended feature."""
        return not set(test.features) <= set(self.core)


class Catalog(msgspec.Struct, frozen=True):
    """Everything in the suite."""

    tests: tuple[Test, ...]
    features: tuple[Feature, ...]
    profiles: tuple[Profile, ...]
    of_mesh: tuple[Profile, ...] = ()

    def of_gateways(self) -> tuple[Test, ...]:
        """The tests of gateways, without those of a mesh."""
        return tuple(test for test in self.tests if MESH not in test.features)

    def tests_of_mesh(self) -> tuple[Test, ...]:
        """The tests of a mesh."""
        return tuple(test for test in self.tests if MESH in test.features)

    def features_of_mesh(self) -> list[str]:
        """The names of all features that its tests need."""
        return sorted({feature for test in self.tests_of_mesh() for feature in test.features})

    def features_of(self, channel: str) -> list[str]:
        """The names of all features of gateways in a channel; the experimental channel has the standard ones too."""
        channels = CHANNELS[: CHANNELS.index(channel) + 1]
        found = (feature for feature in self.features if feature.channel in channels)
        return [feature.name for feature in found if not feature.name.startswith(MESH)]

    def channel(self, test: Test) -> str:
        """The channel that a test needs."""
        experimental = {feature.name for feature in self.features if feature.channel == EXPERIMENTAL}
        return EXPERIMENTAL if experimental & set(test.features) else STANDARD


def read(suite: Path) -> Catalog:
    """The catalog of the built suite. Raises CalledProcessError."""
    printed = subprocess.run([str(suite), "-catalog"], check=True, capture_output=True).stdout
    return msgspec.json.decode(printed, type=Catalog)
