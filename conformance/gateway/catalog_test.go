package gateway

import (
	"cmp"
	"encoding/json"
	"io"
	"slices"

	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
	"sigs.k8s.io/gateway-api/pkg/features"
)

// catalog is what the suite has: tools/conformance/gateway/catalog.py reads it.
type catalog struct {
	Tests    []test    `json:"tests"`
	Features []feature `json:"features"`
	Profiles []profile `json:"profiles"`
	OfMesh   []profile `json:"of_mesh"`
}

type test struct {
	Name        string                 `json:"name"`
	Description string                 `json:"description"`
	Features    []features.FeatureName `json:"features"`
	Provisional bool                   `json:"provisional"`
}

type feature struct {
	Name    features.FeatureName    `json:"name"`
	Channel features.FeatureChannel `json:"channel"`
}

type profile struct {
	Name     suite.ConformanceProfileName `json:"name"`
	Core     []features.FeatureName       `json:"core"`
	Extended []features.FeatureName       `json:"extended"`
}

// profiles are those of gateways, meshProfiles those of a mesh.
var profiles = []suite.ConformanceProfile{
	suite.GatewayHTTPConformanceProfile,
	suite.GatewayGRPCConformanceProfile,
	suite.GatewayTLSConformanceProfile,
	suite.GatewayTCPConformanceProfile,
	suite.GatewayUDPConformanceProfile,
}

var meshProfiles = []suite.ConformanceProfile{
	suite.MeshHTTPConformanceProfile,
	suite.MeshGRPCConformanceProfile,
}

func described(all []suite.ConformanceProfile) []profile {
	var found []profile
	for _, known := range all {
		found = append(found, profile{known.Name, sets.List(known.CoreFeatures), sets.List(known.ExtendedFeatures)})
	}
	return found
}

func writeCatalog(target io.Writer) error {
	var found catalog
	for _, known := range tests.ConformanceTests {
		found.Tests = append(found.Tests, test{known.ShortName, known.Description, known.Features, known.Provisional})
	}
	for _, known := range features.AllFeatures.UnsortedList() {
		found.Features = append(found.Features, feature{known.Name, known.Channel})
	}
	found.Profiles, found.OfMesh = described(profiles), described(meshProfiles)
	slices.SortFunc(found.Tests, func(a, b test) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(found.Features, func(a, b feature) int { return cmp.Compare(a.Name, b.Name) })
	return json.NewEncoder(target).Encode(found)
}
