"""Where the hostile program is let loose: two sessions on one bucket, and somebody in each who reads on.

    session "mine"    the hostile one: /s3 is bucket/inside, /vol a folder, /again bucket/inside too
    session "other"   another broker, /s3 is bucket/inside
    readers           a preloaded program in each, which opens, reads and compares for as long as the test lasts

What lies outside of the mounts holds SECRET. The witnesses: boto3, the server's log, the broker's /proc.
"""
import os
import random
import re
import signal
import subprocess
import time
import urllib.parse
from pathlib import Path

from conftest import BUILD, LIBRARY
from peer import PATIENCE, Peer
from servers import die_with_parent

SECRET = b"the secret that lies outside"
BIG, SMALL = 6 << 20, 5000
S3, VOL, AGAIN = 0, 1, 2

READER = r"""
import os, random, sys, time
progress, pause = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), float(sys.argv[2])
sizes = {"big": %d, "small0": %d, "small1": %d, "small2": %d}
data = {name: random.Random(name).randbytes(size) for name, size in sizes.items()}
chance, rounds = random.Random(1), 0
while True:
    name = chance.choice(sorted(sizes))
    fd = os.open("/s3/" + name, os.O_RDONLY)
    assert os.fstat(fd).st_size == sizes[name], "size"
    for _ in range(8):
        at = chance.randrange(sizes[name])
        got = os.pread(fd, chance.choice([1, 4096, 200000]), at)
        assert got and got == data[name][at : at + len(got)], f"wrong bytes of {name} at {at}"
    os.close(fd)
    rounds += 1
    os.pwrite(progress, b"%%d" %% rounds, 0)
    time.sleep(pause)
""" % (BIG, SMALL, SMALL, SMALL)


def content(name, size):
    return random.Random(name).randbytes(size)


def wait_for(condition, what="", seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited in vain {what}"
        time.sleep(0.02)
    return value


class Reader:
    def __init__(self, session, folder, name):
        self.progress, self.complaints = folder / f"{name}.progress", folder / f"{name}.stderr"
        env = {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(LIBRARY), "S3SHIM_SOCKET": str(session.socket), "S3SHIM_ROUTES": session.routes}
        self.process = subprocess.Popen(["/usr/bin/python3", "-c", READER, str(self.progress), "0.01"], env=env, stdin=subprocess.DEVNULL,
                                        stderr=open(self.complaints, "wb"), preexec_fn=die_with_parent)

    def rounds(self):
        assert self.process.poll() is None, self.complaints.read_text()
        return int(self.progress.read_bytes() or b"0") if self.progress.exists() else 0

    def goes_on(self):
        begin = self.rounds()
        wait_for(lambda: self.rounds() >= begin + 2, "for a reader")


class Session:
    """A broker of its own."""

    def __init__(self, folder, name, mounts, env, prefix=(), program=BUILD / "s3shimd"):
        self.socket, self.log = folder / f"{name}.sock", folder / f"{name}.log"
        self.routes = ":".join(m.split("=")[0] for m in mounts)
        cache = folder / f"{name}.cache"
        cache.mkdir(mode=0o700, exist_ok=True)
        argv = [*prefix, program, "--socket", self.socket, "--cache-dir", cache, "--log", self.log]
        argv += [a for m in mounts for a in ("--mount", m)]
        self.process = subprocess.Popen([str(a) for a in argv], env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **env, **{k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        preexec_fn=die_with_parent)
        wait_for(lambda: self.socket.exists() or self.process.poll() is not None, "for the broker")
        assert self.process.poll() is None, self.log.read_text()

    def peer(self):
        return Peer(self.socket).hello()

    def status(self, key):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+)", text, re.M)[1])

    def resident_mib(self):
        return self.status("VmRSS") / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def connections(self):
        with self.peer() as p:
            return int(re.search(rb'"connections": (\d+)', p.call("STATUS").tail)[1])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(PATIENCE)


class Field:
    def __init__(self, server, folder):
        self.server, self.client, self.folder = server, server.client(), folder
        self.bucket = server.make_bucket("hostile")
        self.make_bucket()
        self.make_folder()
        inside = f"s3://{self.bucket}/inside"
        self.mark = server.mark()
        self.mine = Session(folder, "mine", [f"/s3={inside}", f"/vol=file:{folder}/root", f"/again={inside}"], server.env)
        self.other = Session(folder, "other", [f"/s3={inside}"], server.env)
        self.readers = [Reader(self.mine, folder, "mine"), Reader(self.other, folder, "other")]

    def make_bucket(self):
        for name in ("small0", "small1", "small2", "victim"):
            self.client.put_object(Bucket=self.bucket, Key=f"inside/{name}", Body=content(name, SMALL))
        self.client.put_object(Bucket=self.bucket, Key="inside/big", Body=content("big", BIG))
        for key in self.outside_keys:
            self.client.put_object(Bucket=self.bucket, Key=key, Body=SECRET)

    outside_keys = ("outside/secret", "insider/secret", "inside.secret", "secret")

    def make_folder(self):
        (self.folder / "root/sub").mkdir(parents=True)
        (self.folder / "outside").mkdir()
        (self.folder / "root/file").write_bytes(b"inside")
        (self.folder / "outside/secret").write_bytes(SECRET)
        (self.folder / "rooted").write_bytes(SECRET)
        (self.folder / "root/way-out").symlink_to("../outside")
        (self.folder / "root/straight-out").symlink_to(self.folder / "outside/secret")

    def unharmed(self):
        """The readers go on, the brokers live, nobody has been outside."""
        for reader in self.readers:
            reader.goes_on()
        assert self.mine.process.poll() is None and self.other.process.poll() is None
        with self.mine.peer() as p:
            assert p.served()

    def untouched_outside(self):
        for key in self.outside_keys:
            assert self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read() == SECRET
        assert (self.folder / "outside/secret").read_bytes() == SECRET and (self.folder / "rooted").read_bytes() == SECRET
        assert sorted(os.listdir(self.folder / "outside")) == ["secret"]
        keys = {o["Key"] for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket) for o in page["Contents"]}
        assert {k for k in keys if not k.startswith("inside/")} == set(self.outside_keys)

    _request = re.compile(r"s3_(\w+) .*? (/\S*) \d{3} ")

    def asked_outside(self):
        """What brokers asked the server for, since the sessions began, outside of bucket/inside."""
        found = []
        for line in self.server._log_lines()[self.mark:]:
            m = self._request.search(line)
            if not m or "s3shim-witness" in line:
                continue
            path, _, query = m[2].partition("?")
            bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
            prefix = urllib.parse.parse_qs(query, keep_blank_values=True).get("prefix", [None])[0]
            # HeadBucket at the start; DeleteObjects tells its keys in the body: what is there at the end tells of it
            of_bucket = not key and m[1] in ("HeadBucket", "DeleteObjects")
            if bucket == self.bucket and not of_bucket and not (key or prefix or "").startswith("inside/"):
                found.append(line)
        return found

    def stop(self):
        for reader in self.readers:
            reader.process.kill()
            reader.process.wait()
        self.mine.stop()
        self.other.stop()
