package conformance

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
)

// limitVariable is the longest that one test may take. It is no flag: some tests are made before flags are parsed.
const limitVariable = "CONFORMANCE_TEST_LIMIT"

// slowFactor is how many times as long a test may take that says [Slow]: some end 15 pods, one after the other, each in a minute.
const slowFactor = 2

func init() {
	value := os.Getenv(limitVariable)
	if value == "" {
		return
	}
	limit, err := time.ParseDuration(value)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", limitVariable, err)
		os.Exit(2)
	}
	ginkgo.AddTreeConstructionNodeArgsTransformer(limited(limit))
}

// limited gives a time limit to each test that can be cancelled and has none of its own.
func limited(limit time.Duration) ginkgo.NodeArgsTransformer {
	return func(kind types.NodeType, _ ginkgo.Offset, text string, args []any) (string, []any, []error) {
		if kind == types.NodeTypeIt && slices.ContainsFunc(args, isCancellable) && !slices.ContainsFunc(args, isTimeout) {
			own := limit
			if slices.ContainsFunc(args, isSlow) {
				own *= slowFactor
			}
			args = append(args, ginkgo.SpecTimeout(own))
		}
		return text, args, nil
	}
}

func isCancellable(arg any) bool {
	kind := reflect.TypeOf(arg)
	if kind == nil || kind.Kind() != reflect.Func || kind.NumIn() == 0 {
		return false
	}
	return kind.In(0).Implements(reflect.TypeFor[context.Context]())
}

// isSlow reports whether this is the label Slow of the framework, which becomes a part of the test's name later.
func isSlow(arg any) bool {
	label, ok := arg.(fmt.Stringer)
	return ok && label.String() == "Slow"
}

func isTimeout(arg any) bool {
	switch arg.(type) {
	case ginkgo.NodeTimeout, ginkgo.SpecTimeout:
		return true
	}
	return false
}
