// A stand-in for gateway-api's echo-advanced, which is Istio's echo: the suite's mesh tests run `client` in its pods.
//
// Called as `client` it sends requests and prints what it gets in the form that utils/echo/parse.go of the suite reads;
// else it serves HTTP/1.1 and HTTP/2 without TLS on the ports of --port and --grpc. Other flags are read and ignored.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if filepath.Base(os.Args[0]) == "client" {
		os.Exit(runClient(os.Args[1:]))
	}
	failed := make(chan error)
	arguments := os.Args[1:]
	if len(arguments) == 0 {
		arguments = []string{"--port=8080"}
	}
	for _, argument := range arguments {
		name, port, _ := strings.Cut(argument, "=")
		if (name == "--port" || name == "--grpc") && port != "8443" {
			go func() { failed <- server(port).ListenAndServe() }()
		}
	}
	log.Fatal(<-failed)
}

func protocols() *http.Protocols {
	found := new(http.Protocols)
	found.SetHTTP1(true)
	found.SetUnencryptedHTTP2(true)
	return found
}

func server(port string) *http.Server {
	return &http.Server{Addr: ":" + port, Handler: http.HandlerFunc(answer), Protocols: protocols()}
}

// answer describes the request, a line a field; to gRPC as the text of one message.
func answer(writer http.ResponseWriter, request *http.Request) {
	hostname, _ := os.Hostname()
	lines := []string{"Host=" + request.Host, "Hostname=" + hostname, "Method=" + request.Method, "Proto=" + request.Proto}
	lines = append(lines, "URL="+request.URL.RequestURI(), "IP="+request.RemoteAddr)
	for name, values := range request.Header {
		for _, value := range values {
			lines = append(lines, fmt.Sprintf("RequestHeader=%s:%s", name, value))
		}
	}
	text := strings.Join(lines, "\n") + "\n"
	if strings.HasPrefix(request.Header.Get("Content-Type"), grpcType) {
		writer.Header().Set("Content-Type", grpcType)
		writer.Header().Set("Trailer", "Grpc-Status")
		_, _ = writer.Write(framed(text))
		writer.Header().Set("Grpc-Status", "0")
		return
	}
	_, _ = writer.Write([]byte(text))
}
