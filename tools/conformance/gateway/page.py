"""docs/reference/gateway-conformance.md: profiles, features, tests; the suite's own reports are files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tools.conformance.gateway.catalog import STANDARD, Catalog, Profile, Test
from tools.conformance.page import counts, table, tests
from tools.conformance.records import Record
from tools.conformance.results import Outcome, Result

PASSED = frozenset({Outcome.PASSED, Outcome.UNEXPECTED_PASS})
FAILED = frozenset({Outcome.FAILED, Outcome.EXPECTED_FAILURE})


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run: its record, and the report that the suite itself wrote (YAML), if it ran everything.

    `name` is that of the report's file, which implementations publish in this form.
    """

    record: Record
    report: str = ""

    @property
    def name(self) -> str:
        """The file's name: by channel and mode, as in gateway-api's conformance/reports."""
        found = re.search(r"^gatewayAPIChannel: (\S+)$", self.report, re.MULTILINE)
        return f"gateway-conformance-{found[1] if found else 'unknown'}-default-report.yaml"


def whole(release: str, runs: Sequence[Run], catalog: Catalog, results: Sequence[Result]) -> str:
    """The page of these runs, whose ends of tests are `results`."""
    reports = "\n".join(f"- [{run.name}]({run.name})" for run in runs if run.report)
    rest = [result for result in results if result.outcome not in PASSED]
    return PAGE.format(
        release=release,
        runs="; ".join(f"{run.record.commit} on {run.record.date} ({run.record.limits})" for run in runs),
        counts=counts(results),
        profiles=profiles(catalog, results),
        features=features(catalog, results),
        rest=tests(rest) if rest else "Nothing.",
        passed=", ".join(f"`{result.name}`" for result in results if result.outcome in PASSED) or "none",
        reports=reports or "No run of everything yet.",
    )


def profiles(catalog: Catalog, results: Iterable[Result]) -> str:
    """A line a profile: passed of run, and how many were not run, for its core and its extended tests."""
    ends = {result.name: result.outcome for result in results}
    rows = []
    for profile in catalog.profiles:
        own = [test for test in catalog.of_gateways() if profile.has(test)]
        core = [test for test in own if not profile.is_extended(test)]
        extended = [test for test in own if profile.is_extended(test)]
        rows.append((profile.name, share(core, ends), share(extended, ends), _claimed(profile, own, ends)))
    return table(("profile", "core tests passed", "extended tests passed", "extended features passed"), rows)


def share(chosen: Sequence[Test], ends: dict[str, Outcome]) -> str:
    """How many of these tests have passed."""
    return f"{sum(ends.get(test.name) in PASSED for test in chosen)} of {len(chosen)}"


def _claimed(profile: Profile, own: Sequence[Test], ends: dict[str, Outcome]) -> str:
    """How many extended features have all their tests passed."""
    of_feature = {name: [test for test in own if name in test.features] for name in profile.extended}
    tested = {name: found for name, found in of_feature.items() if found}
    passed = sum(all(ends.get(test.name) in PASSED for test in found) for found in tested.values())
    return f"{passed} of {len(tested)}"


def features(catalog: Catalog, results: Iterable[Result]) -> str:
    """A line a feature of gateways: its support level, and its tests."""
    ends = {result.name: result.outcome for result in results}
    core = {name for profile in catalog.profiles for name in profile.core}
    channels = {feature.name: feature.channel for feature in catalog.features}
    rows = []
    for name in catalog.features_of("experimental"):
        own = [test for test in catalog.of_gateways() if name in test.features]
        level = "core" if name in core else "extended"
        level += "" if channels[name] == STANDARD else f", {channels[name]}"
        failed = ", ".join(test.name for test in own if ends.get(test.name) in FAILED)
        rows.append((name, level, share(own, ends) if own else "no test", failed))
    return table(("feature", "support", "tests passed", "failed"), rows)


PAGE = """\
# Conformance: Gateway API

Written by `make conformance SUITE=gateway` ([how it works](../../conformance/README.md)); a change by hand is lost.

Suite: `sigs.k8s.io/gateway-api/conformance` {release}, unchanged, all profiles of gateways; those of a mesh:
[mesh-conformance.md](mesh-conformance.md). podwire: {runs}.

The servers of the tests are the suite's own `echo-basic`, built from the same module, and CoreDNS v1.14, not v1.12.
Requests come from the world's host `outside`.

All tests of gateways: {counts}.

## Profiles

A test is extended where it needs any feature that is not core in the profile. Most extended tests need HTTPRoute and
count for GATEWAY-HTTP.

{profiles}

## Features

{features}

## What did not pass

{rest}

## What passed

{passed}

Those whose names end in `NotSupported` check nothing where the class claims the feature.

## Reports of the suite

In the form in which implementations publish them (gateway-api, conformance/reports).

{reports}
"""
