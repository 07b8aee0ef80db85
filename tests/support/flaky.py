"""A TCP proxy in front of an S3 server that misbehaves on schedule: every third request is answered 503 SlowDown, every
seventh answer is cut in its middle. Requests are told apart by their head; bodies pass as they are."""
import itertools
import socket
import threading

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>slower</Message></Error>"


class Flaky:
    def __init__(self, port, refuse_every=3, cut_every=7):
        self.target, self.refuse_every, self.cut_every = port, refuse_every, cut_every
        self.refused = self.cut = self.cut_creates = 0  # cut_creates: uploads begun whose id nobody was told
        self._count = itertools.count(1)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._stopped = False

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._stopped = True
        self._listener.close()

    def _accept(self):
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = socket.create_connection(("127.0.0.1", self.target))
        try:
            from_client, from_server = client.makefile("rb"), server.makefile("rb")
            while self._one(client, server, from_client, from_server):
                pass
        except (OSError, ValueError):
            pass
        finally:
            # Both ways: the files keep the descriptors open until they are collected.
            for s in (client, server):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                s.close()

    @staticmethod
    def _head(f):
        lines = []
        while (line := f.readline()) not in (b"\r\n", b""):
            lines.append(line)
        headers = {k.strip().lower(): v.strip() for k, _, v in (h.partition(b":") for h in lines[1:])}
        return b"".join(lines) + b"\r\n", headers, (lines[0].split() if lines else None)

    @staticmethod
    def _pass(source, sink, n):
        while n > 0:
            block = source.read1(min(n, 1 << 16))
            if not block:
                raise OSError("cut")
            sink.sendall(block)
            n -= len(block)

    def _one(self, client, server, from_client, from_server):
        """One request and its answer. False: the connection is over."""
        head, headers, first = self._head(from_client)
        if not first:
            return False
        number, length = next(self._count), int(headers.get(b"content-length", 0))
        if headers.get(b"expect"):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            head = b"".join(h for h in head.splitlines(True) if not h.lower().startswith(b"expect:"))
        if number % self.refuse_every == 0:
            from_client.read(length)
            self.refused += 1
            client.sendall(b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%s" % (
                len(SLOW_DOWN) if first[0] != b"HEAD" else 0, SLOW_DOWN if first[0] != b"HEAD" else b""))
            return True
        server.sendall(head)
        self._pass(from_client, server, length)
        answer, headers, first_line = self._head(from_server)
        if not first_line:
            return False
        length = int(headers.get(b"content-length", 0))
        client.sendall(answer)
        if first[0] == b"HEAD" or first_line[1] in (b"204", b"304"):
            return True
        if headers.get(b"transfer-encoding") == b"chunked":
            while block := from_server.readline():
                client.sendall(block)
                n = int(block.split(b";")[0], 16)
                self._pass(from_server, client, n + 2)
                if n == 0:
                    return True
            return False
        if number % self.cut_every == 0 and length > 1:
            self._pass(from_server, client, length // 2)
            self.cut += 1
            self.cut_creates += first[1].endswith((b"?uploads", b"?uploads="))
            return False
        self._pass(from_server, client, length)
        return True
