// Package policy requires network-policy-api's own conformance suite at its published version. See docs/reference/policy-conformance.md.
package policy
