// Caller says once, over TCP, that its pod has a network: it connects to the address of the command line until that
// accepts, writes its host's name, and waits.
package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	for {
		connection, err := net.DialTimeout("tcp", os.Args[1], time.Second)
		if err == nil {
			name, _ := os.Hostname()
			connection.Write([]byte(name))
			connection.Close()
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	<-signals
}
