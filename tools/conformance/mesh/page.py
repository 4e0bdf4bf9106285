"""docs/reference/mesh-conformance.md: profiles and tests; the suite's own report is a file beside it."""

from __future__ import annotations

from collections.abc import Sequence

from tools.conformance.gateway.catalog import Catalog
from tools.conformance.gateway.page import PASSED, share
from tools.conformance.page import counts, table, tests
from tools.conformance.records import Record
from tools.conformance.results import Result


def whole(release: str, run: Record, catalog: Catalog, results: Sequence[Result], report: str) -> str:
    """The page of a run of all tests of a mesh."""
    rest = [result for result in results if result.outcome not in PASSED]
    return PAGE.format(
        release=release,
        run=f"{run.commit} on {run.date} ({run.limits})",
        counts=counts(results),
        profiles=profiles(catalog, results),
        rest=tests(rest) if rest else "Nothing.",
        passed=", ".join(f"`{result.name}`" for result in results if result.outcome in PASSED) or "none",
        report=report,
    )


def profiles(catalog: Catalog, results: Sequence[Result]) -> str:
    """A line a profile: tests of its core features, and with any other feature, that passed.

    Most tests need features of HTTPRoute that no profile of a mesh names: a test counts by its kind of route.
    """
    ends = {result.name: result.outcome for result in results}
    rows = []
    for profile in catalog.of_mesh:
        kind = next(name for name in profile.core if name.endswith("Route"))
        own = [test for test in catalog.tests_of_mesh() if kind in test.features]
        core = [test for test in own if not profile.is_extended(test)]
        extended = [test for test in own if profile.is_extended(test)]
        rows.append((profile.name, share(core, ends), share(extended, ends)))
    return table(("profile", "core tests passed", "extended tests passed"), rows)


PAGE = """\
# Conformance: Gateway API, mesh

Written by `make conformance SUITE=mesh` ([how it works](../../conformance/README.md)); a change by hand is lost.

Suite: `sigs.k8s.io/gateway-api/conformance` {release}, with all features that its tests of a mesh need, unchanged but
for one line: programs are run in pods over WebSocket, as kubectl does, not over SPDY. podwire: {run}.

The servers and clients of the tests are a stand-in for `echo-advanced` (conformance/gateway/echo-advanced), which is
Istio's echo and published as an image alone: it prints what the suite reads.

{counts}.

## Profiles

{profiles}

## What did not pass

{rest}

## Passed

{passed}.

The suite's own report: [{report}]({report}).
"""
