// Package conformance builds Kubernetes' own end-to-end suite from its published modules. See docs/reference/conformance.md.
package conformance
