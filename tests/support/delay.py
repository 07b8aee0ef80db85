"""A TCP proxy on loopback that delays what the server answers: round trips as to a server far away.

    with Delay(server.endpoint, 40) as far:     # milliseconds
        far.endpoint

A process of its own, which dies with the one that started it. It neither bounds the rate nor delays connecting.
"""
import asyncio
import subprocess
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))


class Delay:
    def __init__(self, endpoint, ms):
        self.target, self.ms = urllib.parse.urlsplit(endpoint).netloc, ms

    def __enter__(self):
        from servers import die_with_parent

        self.process = subprocess.Popen([sys.executable, __file__, self.target, str(self.ms)], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True, preexec_fn=die_with_parent)
        self.endpoint = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()


class Side(asyncio.Protocol):
    """One end of a connection: hands what it gets to the other end, `delay` seconds later."""

    def __init__(self, delay):
        self.delay, self.peer, self.due, self.held = delay, None, 0.0, []
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        if self.peer is None:
            self.held.append(data)
        elif self.delay:
            self.later(self.peer.write, data)
        else:
            self.peer.write(data)

    def join(self, peer):
        self.peer = peer
        for data in self.held:
            self.data_received(data)
        self.held.clear()

    def later(self, call, *args):
        loop = asyncio.get_running_loop()
        self.due = max(loop.time() + self.delay, self.due + 1e-6)  # never in another order
        loop.call_at(self.due, call, *args)

    def connection_lost(self, exc):
        if self.peer:
            self.later(self.peer.close)


class Front(Side):
    def __init__(self, host, port, delay):
        super().__init__(0)
        self.where, self.back_delay = (host, port), delay

    def connection_made(self, transport):
        super().connection_made(transport)
        self.task = asyncio.get_running_loop().create_task(self.connect())

    async def connect(self):
        try:
            _, back = await asyncio.get_running_loop().create_connection(lambda: Side(self.back_delay), *self.where)
        except OSError:
            self.transport.close()
            return
        back.join(self.transport)
        self.join(back.transport)


async def main(target, ms):
    host, port = target.rsplit(":", 1)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Front(host, int(port), ms / 1000), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
