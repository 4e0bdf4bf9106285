// Look names up with Go's own resolver: one line a name, with its addresses.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
)

func main() {
	resolver := &net.Resolver{PreferGo: true}
	for _, name := range os.Args[1:] {
		addresses, _ := resolver.LookupHost(context.Background(), name)
		fmt.Println(strings.Join(append([]string{name}, addresses...), " "))
	}
}
