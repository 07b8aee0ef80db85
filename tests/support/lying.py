"""A proxy in front of an S3 server whose answers to GETs of objects are not what the server said.

    with Lying(port, lie) as proxy: ...

lie(request, head, body) is given the request's first line and headers, the answer's head and body, and returns what to
send: (head, body); a body shorter than its head says is followed by the end of the connection. Everything else passes.
"""
import re

from flaky import Flaky


class Lying(Flaky):
    def __init__(self, port, lie):
        super().__init__(port)
        self.lie, self.lies = lie, 0

    def _one(self, client, server, from_client, from_server):
        head, headers, first = self._head(from_client)
        if not first:
            return False
        server.sendall(head)
        self._pass(from_client, server, int(headers.get(b"content-length", 0)))
        answer, answer_headers, status = self._head(from_server)
        if not status:
            return False
        if first[0] == b"HEAD" or status[1] in (b"204", b"304"):
            client.sendall(answer)
            return True
        body = from_server.read(int(answer_headers.get(b"content-length", 0)))
        if first[0] != b"GET" or b"list-type" in first[1] or status[1][:1] != b"2":
            client.sendall(answer + body)
            return True
        told = self.lie((first, headers), answer, body)
        if told == (answer, body):
            client.sendall(answer + body)
            return True
        self.lies += 1
        client.sendall(told[0] + told[1])
        return len(told[1]) == int(re.search(rb"(?i)content-length: *(\d+)", told[0])[1])
