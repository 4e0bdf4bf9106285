package gateway

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

var printCatalog = flag.Bool("catalog", false, "print the suite's tests, features and profiles as JSON, and run nothing")

func TestMain(m *testing.M) {
	flag.Parse()
	if !*printCatalog {
		os.Exit(m.Run())
	}
	if err := writeCatalog(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestGatewayAPI runs what the suite's own flags select.
func TestGatewayAPI(t *testing.T) {
	conformance.RunConformance(t)
}
