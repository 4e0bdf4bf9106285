"""docs/reference/conformance.md, and the table that a part run prints."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from tools.conformance.records import Record
from tools.conformance.results import Outcome, Result

CONFORMANCE = "[Conformance]"
NETWORK = "[sig-network]"
ORDER = (
    Outcome.FAILED,
    Outcome.UNEXPECTED_PASS,
    Outcome.EXPECTED_FAILURE,
    Outcome.NOT_RUN,
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
)


def group(name: str) -> str:
    """The special interest group of a test: `sig-network` of `[sig-network] DNS should ...`, else `other`."""
    found = re.match(r"\[(sig-[a-z-]+)\]", name)
    return found[1] if found else "other"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def counts(results: Iterable[Result]) -> str:
    """`3 passed, 1 failed`, in the order of Outcome; `none` for no results."""
    found = Counter(result.outcome for result in results)
    return ", ".join(f"{found[outcome]} {outcome.value}" for outcome in Outcome if found[outcome]) or "none"


def tests(results: Iterable[Result]) -> str:
    """A table of tests: what has failed first, what passed later; by name within."""
    ordered = sorted(results, key=lambda result: (ORDER.index(result.outcome), result.name))
    return table(("test", "result", "why"), ((_short(item.name), item.outcome.value, item.reason) for item in ordered))


def groups(results: Sequence[Result]) -> str:
    """The counts of [Conformance] tests, a line a group."""
    official = [result for result in results if CONFORMANCE in result.name]
    rows = []
    for name in sorted({group(result.name) for result in official}):
        found = Counter(result.outcome for result in official if group(result.name) == name)
        rows.append((name, sum(found.values()), *(found[outcome] for outcome in Outcome)))
    return table(("group", "tests", *(outcome.value for outcome in Outcome)), rows)


def part(results: Sequence[Result]) -> str:
    """What a part run prints."""
    return f"{tests(results)}\n\n{counts(results)}\n"


def whole(release: str, runs: Iterable[Record], results: Sequence[Result]) -> str:
    """The page of one run of everything, or of several runs of parts."""
    network = [result for result in results if result.name.startswith(NETWORK)]
    official = [result for result in network if CONFORMANCE in result.name]
    return PAGE.format(
        release=release,
        runs="; ".join(f"{run.commit} on {run.date} ({run.limits})" for run in runs),
        network=counts(network),
        official=counts(official),
        groups=groups(results),
        tests=tests(network),
        others=tests(
            result for result in results
            if result not in network and result.outcome not in (Outcome.PASSED, Outcome.NOT_APPLICABLE)
        ),
    )  # fmt: skip


def _short(name: str) -> str:
    return name.removeprefix(NETWORK).strip()


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("<", "&lt;")


PAGE = """\
# Conformance: Kubernetes' own tests

Written by `make conformance` ([how it works](../../conformance/README.md)); a change by hand is lost.

Suite: Kubernetes {release}, unchanged. podwire: {runs}.

*Not applicable* needs what no world has: the test skipped itself, or `conformance/tests.toml` says why. *Not run* would
only wait for what is not built yet.

| tests | result |
| --- | --- |
| [sig-network] [Conformance] | {official} |
| [sig-network], all | {network} |

## [Conformance] tests of all groups

{groups}

## sig-network

{tests}

## Other groups: what did not pass

{others}
"""
