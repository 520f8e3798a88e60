"""A TCP proxy between the door and PostgreSQL, for the ways a network
breaks.

    with Proxy(cluster.port) as proxy:
        proxy.freeze()    # a black hole: nothing passes, nothing is closed
        proxy.thaw()
        proxy.cut()       # every connection ends with RST
        proxy.watch = f   # f(data) of what goes to the server; False: it
                          # does not arrive and the connection is held
"""
import contextlib
import socket
import struct
import threading


class Proxy:
    def __init__(self, port):
        self.server_port = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = threading.Event()
        self.open.set()
        self.watch = None
        self.sockets = []
        self.n_accepted = 0

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.open.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def freeze(self):
        self.open.clear()

    def thaw(self):
        self.open.set()

    def cut(self):
        """Ends every connection with RST, on both sides."""
        sockets, self.sockets = self.sockets, []
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                # Wakes the pump that reads it; close alone would not.
                sock.shutdown(socket.SHUT_RD)
                sock.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.n_accepted += 1
                self._connect(client)

    def _connect(self, client):
        try:
            server = socket.create_connection(("127.0.0.1",
                                               self.server_port))
        except OSError:
            client.close()
            return
        self.sockets += [client, server]
        for source, sink, is_request in ((client, server, True),
                                         (server, client, False)):
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, daemon=True,
                             args=(source, sink, is_request)).start()

    def _pump(self, source, sink, is_request):
        try:
            while data := source.recv(65536):
                self.open.wait()
                if is_request and self.watch and not self.watch(data):
                    return  # held open, for ever
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            with contextlib.suppress(OSError):
                sink.close()
