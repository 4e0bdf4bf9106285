package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	grpcType   = "application/grpc"
	grpcPath   = "/proto.EchoTestService/Echo"
	prefixSize = 5
	timeout    = 10 * time.Second
)

type call struct {
	url     string
	method  string
	headers [][2]string
	count   int
}

func parsed(arguments []string) call {
	found := call{method: http.MethodGet, count: 1}
	for index := 0; index < len(arguments); index++ {
		argument := arguments[index]
		name, value, _ := strings.Cut(argument, "=")
		switch {
		case name == "--method":
			found.method = value
		case name == "--count":
			found.count, _ = strconv.Atoi(value)
		case argument == "-H" && index+1 < len(arguments):
			index++
			key, text, _ := strings.Cut(arguments[index], ":")
			found.headers = append(found.headers, [2]string{key, text})
		case !strings.HasPrefix(argument, "-"):
			found.url = argument
		}
	}
	return found
}

// runClient prints a block for each response, with an empty line between them. A redirect is not followed.
func runClient(arguments []string) int {
	given := parsed(arguments)
	client := &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     transport(given),
	}
	for number := range given.count {
		text, err := given.send(client)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		if number > 0 {
			fmt.Println()
		}
		fmt.Print(text)
	}
	return 0
}

func transport(given call) *http.Transport {
	made := &http.Transport{}
	if strings.HasPrefix(given.url, "grpc://") {
		only := new(http.Protocols)
		only.SetUnencryptedHTTP2(true)
		made.Protocols = only
	}
	return made
}

func (given call) send(client *http.Client) (string, error) {
	request, err := given.request()
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(given.url, "grpc://") {
		if status := response.Trailer.Get("Grpc-Status"); status != "0" {
			return "", fmt.Errorf("grpc-status %q, %q", status, response.Header.Get("Grpc-Status"))
		}
		body = body[min(prefixSize, len(body)):]
	}
	lines := []string{"Url=" + given.url, "StatusCode=" + strconv.Itoa(response.StatusCode)}
	for name, values := range response.Header {
		lines = append(lines, fmt.Sprintf("ResponseHeader=%s:%s", name, strings.Join(values, ",")))
	}
	for line := range strings.Lines(string(body)) {
		lines = append(lines, "[body] "+strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n") + "\n", nil
}

func (given call) request() (*http.Request, error) {
	var made *http.Request
	var err error
	if address, ok := strings.CutPrefix(given.url, "grpc://"); ok {
		host, _, _ := strings.Cut(address, "/")
		made, err = http.NewRequest(http.MethodPost, "http://"+host+grpcPath, bytes.NewReader(framed("")))
		if err == nil {
			made.Header.Set("Content-Type", grpcType)
			made.Header.Set("Te", "trailers")
		}
	} else {
		made, err = http.NewRequest(given.method, given.url, nil)
	}
	if err != nil {
		return nil, err
	}
	for _, header := range given.headers {
		if strings.EqualFold(header[0], "Host") {
			made.Host = header[1]
		} else {
			made.Header.Add(header[0], header[1])
		}
	}
	return made, nil
}

// framed returns a message of gRPC, not compressed.
func framed(text string) []byte {
	prefix := make([]byte, prefixSize)
	binary.BigEndian.PutUint32(prefix[1:], uint32(len(text)))
	return append(prefix, text...)
}
