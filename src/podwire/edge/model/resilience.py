"""What limits the damage of backends that fail, and what makes them fail on purpose."""

from __future__ import annotations

import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What one proxy has under way to a port of a Service at most: further requests are answered by 503. None: any.

    Attributes:
        connections: at the same time; of HTTP/2 each may have many requests.
        pending: requests that wait for a connection.
        requests: at the same time.
        retries: requests at the same time that are tried again.

    """

    connections: int | None = None
    pending: int | None = None
    requests: int | None = None
    retries: int | None = None


class RetryBudget(msgspec.Struct, frozen=True):
    """How many of the requests under way may be further tries: a share of them, and `least` in any case."""

    percent: float = 20.0
    least: int = 3


class OutlierDetection(msgspec.Struct, frozen=True):
    """Endpoints that fail get no requests for some time, longer each time.

    Attributes:
        errors: responses of 500 to 599, or connections that failed, one after the other; 0: not counted.
        gateway_errors: the same of 502, 503 and 504; 0: not counted.
        interval: seconds between two looks at what is over.
        ejection: seconds of the first time.
        longest_ejection: seconds.
        most_percent: of the endpoints that are ejected at the same time.

    """

    errors: int = 5
    gateway_errors: int = 0
    interval: float = 10.0
    ejection: float = 30.0
    longest_ejection: float = 300.0
    most_percent: int = 50


class Resilience(msgspec.Struct, frozen=True):
    """What holds for all requests to a port of a Service.

    Attributes:
        panic_percent: where fewer endpoints than this share are healthy, all get requests; None: the proxy's own.

    """

    limits: Limits | None = None
    budget: RetryBudget | None = None
    outliers: OutlierDetection | None = None
    panic_percent: float | None = None


class Delay(msgspec.Struct, frozen=True):
    """A share of the requests waits before it goes on."""

    seconds: float
    percent: float = 100.0


class Abort(msgspec.Struct, frozen=True):
    """A share of the requests is answered by the proxy: by an HTTP status, or by one of gRPC; one of them is 0."""

    status: int = 0
    grpc_status: int = 0
    percent: float = 100.0


class Fault(msgspec.Struct, frozen=True):
    """What is done to requests for tests of their clients."""

    delay: Delay | None = None
    abort: Abort | None = None
