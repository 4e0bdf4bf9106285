"""Random policies, connections and requests that often meet each other."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from podwire.kube.meta import NamespacedName
from podwire.mesh.authorization import pattern
from podwire.mesh.authorization.model import (
    Action,
    ClaimCondition,
    Condition,
    Connection,
    HeaderCondition,
    Issued,
    Operation,
    Patterns,
    Policy,
    Rule,
    Source,
)
from podwire.mesh.authorization.pattern import Pattern

T = TypeVar("T")

PORTS = (80, 5432)
IDENTITIES = tuple(
    f"spiffe://cluster.local/ns/{one}" for one in ("shop/sa/web", "shop/sa/api", "ops/sa/web", "shop-x/sa/w")
)
ADDRESSES = ("10.1.0.1", "10.1.0.200", "10.2.0.1", "fd00:1::1", "fd00:2::1")
RANGES = ("10.1.0.0/24", "10.1.0.1/32", "0.0.0.0/0", "fd00:1::/64", "::/0")
HOSTS = ("api.test", "API.test", "api.test:80", "api.test.", "other.test", "api.test.evil")
METHODS = ("GET", "POST", "DELETE")
PATHS = (
    "/", "/a", "/a/", "/A", "/a/b", "/a;x=1/b", "/a/b;y", "/;/b", "/a;/", "/ab", "/a/b/c", "/a//b", "/a/../b", "/%61/b",
    "/a/..;/b", "/a%252fb", "/x.jpg", "/x.JPG", "/a;x.jpg", "/.;/a", "/a/./b?c=/b", "/b?x=..;/",
)  # fmt: skip
PATH_PATTERNS = (
    "/a", "/a/", "/a*", "/a/*", "*.jpg", "*/b", "*b", "*", "/a/b", "/{*}", "/{*}/b", "/a/{**}", "/{**}/b",
    "/{**}/b/{*}", "/A/b", "/",
)  # fmt: skip
VALUES = ("admin", "Admin", "user", "", "admin,user", " admin , admin", "user, admin", "administrator", "superadmin")
CLAIMS: tuple[dict[str, object], ...] = (
    {"iss": "https://id.test", "sub": "ann", "groups": ["admin", "dev"], "scope": "read write"},
    {"iss": "https://id.test", "sub": "bob", "groups": "dev", "scope": "read", "realm": {"roles": ["admin"]}},
    {"iss": "https://id.test", "sub": "robot/1", "groups": 7, "admin": True},
)


class Dice:
    """Random parts."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def one(self, values: Sequence[T]) -> T:
        return self._random.choice(values)

    def chance(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def some(self, make: Callable[[], T], likelihood: float = 1.0, most: int = 2) -> tuple[T, ...]:
        if not self.chance(likelihood):
            return ()
        return tuple(make() for _ in range(self._random.randint(1, most)))

    def patterns(self, texts: Sequence[str], likelihood: float) -> Patterns:
        return self.some(lambda: pattern.read(self.one(texts)), likelihood)

    def issued(self) -> Issued:
        return Issued(pattern.read("https://id.test"), pattern.read(self.one(("ann", "robot/*", "*"))))

    def path(self) -> Pattern:
        return pattern.read_path(self.one(PATH_PATTERNS))

    def source(self, *, tokens: bool) -> Source:
        identities = (*IDENTITIES, "spiffe://cluster.local/ns/shop*", "*/sa/web", "*")
        namespaces = ("shop", "shop*", "*s", "*", "ops")
        return Source(
            self.patterns(identities, 0.4),
            self.patterns(identities, 0.1),
            self.patterns(namespaces, 0.2),
            self.patterns(namespaces, 0.1),
            self.some(lambda: self.one(RANGES), 0.2),
            self.some(lambda: self.one(RANGES), 0.1),
            self.some(self.issued, 0.2) if tokens else (),
            self.some(self.issued, 0.1) if tokens else (),
        )

    def operation(self, *, requests: bool) -> Operation:
        ports = self.some(lambda: self.one(PORTS), 0.2), self.some(lambda: self.one(PORTS), 0.1, 1)
        if not requests:
            return Operation(*ports)
        hosts, methods = ("api.test", "api*", "*.test", "*"), ("GET", "POST", "get", "P*", "*")
        return Operation(
            *ports,
            self.patterns(hosts, 0.2),
            self.patterns(hosts, 0.1),
            self.patterns(methods, 0.3),
            self.patterns(methods, 0.1),
            self.some(self.path, 0.5),
            self.some(self.path, 0.1),
        )

    def condition(self) -> Condition:
        texts = ("admin", "admin*", "*admin", "user", "*")
        claims = ("admin", "dev", "read", "ad*", "*in", "*", "ann")
        if self.chance(0.2):
            return self.source(tokens=True)
        if self.chance(0.5):
            return HeaderCondition("x-role", self.patterns(texts, 0.7), self.patterns(texts, 0.3))
        path = self.one((("groups",), ("scope",), ("realm", "roles"), ("admin",), ("sub",)))
        return ClaimCondition(path, self.patterns(claims, 0.7), self.patterns(claims, 0.3))

    def rule(self) -> Rule:
        requests = self.chance(0.7)
        return Rule(
            self.some(lambda: self.source(tokens=requests), 0.5),
            self.some(lambda: self.operation(requests=requests), 0.6),
            self.some(self.condition, 0.3) if requests else (),
        )

    def policies(self, number: int) -> tuple[Policy, ...]:
        return tuple(
            Policy(
                NamespacedName("shop", f"p{number}-{index}"),
                self.one((Action.ALLOW, Action.ALLOW, Action.DENY, Action.AUDIT)),
                self.some(self.rule, 0.95, 3),
            )
            for index in range(self._random.randint(1, 3))
        )

    def connection(self) -> Connection:
        return Connection(self.one(ADDRESSES), self.one(PORTS), self.one((*IDENTITIES, "")))

    def role_lines(self) -> tuple[str, ...]:
        return self.some(lambda: self.one(VALUES), 0.6, 3)
