package policy

// The suite is built from its own package; this keeps its module among those that go.mod requires.
import _ "sigs.k8s.io/network-policy-api/conformance/tests"
