// Package gateway builds Gateway API's own conformance suite from its published module. See docs/reference/gateway-conformance.md.
package gateway
