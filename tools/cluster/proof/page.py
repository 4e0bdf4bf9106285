"""docs/reference/cluster.md, from the evidence of a proof. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tools.cluster.proof.evidence import Check, Evidence
from tools.conformance.page import counts, table, tests
from tools.conformance.results import Outcome, Result

CONFORMANCE, POLICY = "[Conformance]", "NetworkPolic"


def whole(evidence: Evidence, release: str, results: Sequence[Result]) -> str:
    """The page."""
    parts = list(dict.fromkeys(check.part for check in evidence.checks))
    return PAGE.format(
        release=release,
        commit=evidence.commit,
        date=evidence.date,
        machine=evidence.machine,
        figures=figures(evidence),
        suite=suite(results),
        checks="\n\n".join(f"### {part}\n\n{checks(evidence.checks, part)}" for part in parts),
        tests=tests([result for result in results if result.outcome is not Outcome.NOT_APPLICABLE]),
        not_applicable=tests([result for result in results if result.outcome is Outcome.NOT_APPLICABLE]),
    )


def figures(evidence: Evidence) -> str:
    """The table of figures, with their goals."""
    rows = [
        (f"{one.part}: {one.name}", one.value, one.goal or "reported", _verdict(one.ok, bool(one.goal)))
        for one in evidence.figures
    ]
    return table(("figure", "measured", "goal", ""), rows)


def checks(all_checks: Sequence[Check], part: str) -> str:
    """The table of one part."""
    rows = [(check.name, check.seen, _verdict(check.ok, has_goal=True)) for check in all_checks if check.part == part]
    return table(("what", "seen", ""), rows)


def suite(results: Sequence[Result]) -> str:
    """The counts of the suite's tests: all, those of [Conformance], those of NetworkPolicies."""
    rows = [
        ("[sig-network] [Conformance]", counts(result for result in results if CONFORMANCE in result.name)),
        ("[sig-network] NetworkPolicies", counts(result for result in results if POLICY in result.name)),
        ("[sig-network], all that were run", counts(results)),
    ]
    return table(("tests", "result"), rows)


def _verdict(ok: bool, has_goal: bool) -> str:
    if not has_goal:
        return ""
    return "reached" if ok else "**missed**"


PAGE = """\
# A real cluster: what was proven

Written by `make cluster-proof` ([how it works](../how-to/real-cluster.md)); a change by hand is lost.

Kubernetes {release}: etcd, kube-apiserver, controller manager, scheduler, two kubelets and two containerds on one
machine; podwire {commit} on {date} from its own image, installed by `podwire install`. Machine: {machine}.

## Figures

{figures}

## Kubernetes' own tests

{suite}

## Checks

{checks}

## The suite, test by test

{tests}

## Not applicable

{not_applicable}
"""
