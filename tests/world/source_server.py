"""A server on the outside host: it answers each connection with the address that it came from."""

import socket
import socketserver
import sys


class Answer(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        host = str(self.client_address[0])
        self.request.sendall(host.removeprefix("::ffff:").encode())


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True


if __name__ == "__main__":
    with Server(("::", int(sys.argv[1])), Answer) as server:
        server.serve_forever()
