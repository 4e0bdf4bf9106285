from tools.conformance.gateway.transcript import lines, log
from tools.conformance.results import Line

ROOT = "TestGatewayAPI"
PRINTED = """\
=== RUN   TestGatewayAPI
    suite.go:375: Test Setup: Applying base manifests
=== RUN   TestGatewayAPI/Retry
=== PAUSE TestGatewayAPI/Retry
=== RUN   TestGatewayAPI/Mirror
    conformance.go:69: 2026-11-30: Applying tests/mirror.yaml
=== RUN   TestGatewayAPI/Mirror/a_request
    http.go:1: \t
        \tError Trace:\t/go/http.go:1
        \t            \t/go/mirror.go:7
        \tError:      \tReceived unexpected error:
        \t            \tcontext deadline exceeded
        \tTest:       \tTestGatewayAPI/Mirror/a_request
        \tMessages:   \terror waiting for the copy
=== CONT  TestGatewayAPI/Retry
    conformance.go:51: Skipping Retry: suite does not support HTTPRouteRetry
=== NAME  TestGatewayAPI/Mirror/a_request
    http.go:2: \t
        \tError Trace:\t/go/http.go:2
        \tError:      \ta second one
--- FAIL: TestGatewayAPI/Mirror (3.25s)
    --- FAIL: TestGatewayAPI/Mirror/a_request (3.00s)
--- SKIP: TestGatewayAPI/Retry (0.01s)
--- PASS: TestGatewayAPI/Simple (0.50s)
--- FAIL: TestGatewayAPI (4.00s)
""".splitlines(keepends=True)


def test_each_test_ends_with_its_first_failed_requirement() -> None:
    assert list(lines(PRINTED, ROOT)) == [
        Line(
            "Mirror",
            "failed",
            3.25,
            "Received unexpected error: context deadline exceeded | error waiting for the copy",
            log="Mirror.log",
        ),
        Line(
            "Retry", "skipped", 0.01, "Skipping Retry: suite does not support HTTPRouteRetry", log="Retry.log"
        ),
        Line("Simple", "passed", 0.5, log="Simple.log"),
    ]  # fmt: skip


def test_a_request_that_never_succeeds_is_the_reason() -> None:
    printed = """\
=== RUN   TestGatewayAPI/Redirect/https
    tls.go:89: 2026-11-30: Response expectation failed for request: {Host: a.org} \
 not ready yet: expected status code to be one of [302], got 404. CRes: &{404 0 HTTP/1.1} (after 18.2s)
    http.go:306: 2026-11-30: timeout while waiting after 30 attempts, 0/3 successes
    --- FAIL: TestGatewayAPI/Redirect (0.3s)
=== RUN   TestGatewayAPI/Cors
    http.go:1: 2026-11-30: Response expectation failed, not ready yet: expected path to be /, got /a (after 9.1s)
    --- FAIL: TestGatewayAPI/Cors (0.3s)
""".splitlines(keepends=True)
    assert [one.message for one in lines(printed, ROOT)] == [
        "expected status code to be one of [302], got 404",
        "expected path to be /, got /a",
    ]


def test_the_log_of_a_test_has_its_subtests_and_no_other_test() -> None:
    printed = "\n".join(log(PRINTED, ROOT, "Mirror"))
    assert "Applying tests/mirror.yaml" in printed
    assert "a second one" in printed
    assert "Skipping Retry" not in printed
    assert "base manifests" not in printed
