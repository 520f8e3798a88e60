"""A free port for a server that must keep it over a restart.

Below the range the kernel gives to outgoing connections: a port from there
may be taken by a client's own socket while the server is down.
"""
import random
import socket

EPHEMERAL = 32768


def free_port():
    while True:
        port = random.randrange(12000, EPHEMERAL)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
