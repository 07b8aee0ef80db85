"""S3 servers on loopback for tests: versitygw and Ceph's radosgw, each run with ports, folders and keys of its own.

    with Versitygw() as s:              # or Radosgw()
        s.endpoint, s.access_key, s.secret_key, s.region
        bucket = s.make_bucket()
        s.client().put_object(...)      # boto3: the witness of what is in a bucket
        mark = s.mark(); ...; s.requests(mark)   # {"GetObject": 1, "total": 1}: what others than boto3 asked for

Servers die with the process that started them (PR_SET_PDEATHSIG), also when it is killed. Requests are counted from
the server's own log; boto3's are told by their user agent and left out.

By hand: python3 tests/support/servers.py versitygw|radosgw prints settings for a shell and serves until interrupted.
"""
import ctypes
import itertools
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

HERE = Path(__file__).resolve().parent
WITNESS = "s3shim-witness"  # in the user agent of every request that tests make by boto3

_libc = ctypes.CDLL(None)


def die_with_parent():
    """For subprocess's preexec_fn: SIGKILL for the child when the starting thread is gone."""
    _libc.prctl(1, signal.SIGKILL)


def free_ports(n):
    """n port numbers that were free a moment ago."""
    socks = [socket.socket() for _ in range(n)]
    for s in socks:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in socks]
    for s in socks:
        s.close()
    return ports


def scratch_root(need_bytes=2 << 30):
    """A folder for servers' data: in memory where there is room and xattrs work (versitygw keeps metadata in them)."""
    for root in ("/dev/shm", tempfile.gettempdir(), "/var/tmp"):
        try:
            if shutil.disk_usage(root).free < need_bytes:
                continue
            with tempfile.NamedTemporaryFile(dir=root) as f:
                os.setxattr(f.name, "user.s3shim", b"1")
            return root
        except OSError:
            continue
    return tempfile.gettempdir()


class Server:
    """What both servers have in common."""

    name = "?"
    region = "us-east-1"
    data_root = None  # where to put data instead of scratch_root()
    verify = None  # boto3's: the file of the authority of its certificate

    def __init__(self):
        self.access_key = "AK" + secrets.token_hex(8).upper()
        self.secret_key = secrets.token_hex(20)
        self.dir = Path(tempfile.mkdtemp(prefix=f"s3shim-{self.name}-", dir=self.data_root or scratch_root()))
        self.endpoint = None
        self._children = []
        self._buckets = itertools.count(1)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.stop()

    # Processes

    def _spawn(self, argv, env=None):
        out = open(self.dir / "console.log", "ab")
        p = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                             env={**os.environ, **(env or {})}, preexec_fn=die_with_parent, start_new_session=True)
        out.close()
        self._children.append(p)
        return p

    def console(self):
        return (self.dir / "console.log").read_text(errors="replace")[-4000:]

    def stop(self):
        for p in reversed(self._children):
            p.kill()
        for p in reversed(self._children):
            p.wait()
        self._children.clear()
        shutil.rmtree(self.dir, ignore_errors=True)

    def pause(self):
        """Stop answering, connections stay open."""
        self._children[-1].send_signal(signal.SIGSTOP)

    def resume(self):
        self._children[-1].send_signal(signal.SIGCONT)

    def _wait_ready(self, seconds):
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.client(retries=0).list_buckets()
            except (BotoCoreError, ClientError, OSError) as e:
                if self._children[-1].poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} did not start: {e}\n{self.console()}") from e
                time.sleep(0.1)

    # For tests

    @property
    def env(self):
        """What a user of this server would export."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.region, "S3SHIM_ENDPOINT": self.endpoint}

    def client(self, retries=3):
        return self.client_at(self.endpoint, retries)

    def client_at(self, endpoint, retries=3):
        """boto3 by another way to this server."""
        return self._client(endpoint, self.access_key, self.secret_key, retries)

    def client_of(self, access_key, secret_key):
        """boto3 as another user."""
        return self._client(self.endpoint, access_key, secret_key, 3)

    def _client(self, endpoint, access_key, secret_key, retries):
        config = Config(signature_version="s3v4", s3={"addressing_style": "path"}, user_agent_extra=WITNESS, connect_timeout=5, read_timeout=60,
                        retries={"max_attempts": retries, "mode": "standard"} if retries else {"max_attempts": 0})
        return boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
                            region_name=self.region, config=config, verify=self.verify)

    def make_bucket(self, hint="test"):
        name = f"{re.sub(r'[^a-z0-9-]', '-', hint.lower())[:40].strip('-')}-{next(self._buckets)}-{secrets.token_hex(2)}"
        self.client().create_bucket(Bucket=name)
        return name

    # Counting

    def mark(self):
        """A place in the log: what is asked for from now on is behind it."""
        return len(self._log_lines())

    def requests(self, mark=0, detail=False):
        """Requests by S3 operation since `mark`, without boto3's: {"GetObject": 1, "total": 1}, or with `detail` a list of
        (operation, bucket, key, status)."""
        found = [r for r in map(self._parse, self._log_lines()[mark:]) if r]
        if detail:
            return found
        counts = {}
        for operation, *_ in found:
            counts[operation] = counts.get(operation, 0) + 1
        counts["total"] = len(found)
        return counts

    @staticmethod
    def _split(text):
        return text.splitlines()

    def _log_lines(self):
        """All lines; waits until the log has caught up, which a request of our own in it proves."""
        token = f"sync-{uuid.uuid4().hex}"
        try:
            self.client().head_object(Bucket="s3shim-sync", Key=token)
        except ClientError:
            pass
        deadline = time.monotonic() + 10
        while True:
            text = self.log_file.read_text(errors="replace") if self.log_file.exists() else ""
            if token in text or time.monotonic() > deadline:
                return self._split(text)
            time.sleep(0.05)


class Versitygw(Server):
    """versitygw with its posix backend. Strict: verifies checksums and conditions; `k` and `k/c` cannot both be. It looks
    at the ETag before it opens the file: a GET that meets a PUT may answer with the old ETag and the new bytes."""

    name = "versitygw"
    reads_are_atomic = False

    def __init__(self, options=(), scheme="http"):
        super().__init__()
        self.options, self.scheme = options, scheme

    @property
    def log_file(self):
        return self.dir / "access.log"

    def start(self):
        gw = subprocess.run([HERE / "install.sh", "versitygw"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        (self.dir / "data").mkdir(exist_ok=True)
        self.port = free_ports(1)[0]
        self.endpoint = f"{self.scheme}://127.0.0.1:{self.port}"
        self.args = [gw, "--port", f"127.0.0.1:{self.port}", "--keep-alive", "--quiet", "--access-log", self.log_file,
                     *(str(o).replace("PORT", str(self.port)) for o in self.options), "posix", self.dir / "data"]
        self.start_again()

    def start_again(self):
        """On the same port and data, after kill()."""
        self._spawn(self.args, {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key})
        self._wait_ready(20)

    def add_user(self, name):
        """A user who may do nothing but what a bucket's policy grants; started with --iam-dir.
        Return: access key, secret key, what a policy calls him."""
        access, secret = f"{name}-{uuid.uuid4().hex[:6]}", secrets.token_hex(20)
        subprocess.run([self.args[0], "admin", "--access", self.access_key, "--secret", self.secret_key, "--endpoint-url", self.endpoint,
                        "create-user", "--access", access, "--secret", secret, "--role", "user"], check=True, capture_output=True,
                       timeout=60)
        return access, secret, access

    def kill(self):
        """As a machine that loses power: connections are cut, nobody listens."""
        p = self._children.pop()
        p.kill()
        p.wait()

    # AWS's format: owner bucket [time] ip requester id s3_Operation key /uri status error ... - user agent ...
    _line = re.compile(r"\] \S+ \S+ \S+ s3_(\w+) (.*?) (/\S*) (\d{3}) (.*)")

    def _parse(self, line):
        m = self._line.search(line)
        if not m or WITNESS in m[5]:
            return None
        path = urllib.parse.unquote(m[3].split("?")[0]).lstrip("/")
        bucket, _, key = path.partition("/")
        return {"ListAllMyBuckets": "ListBuckets"}.get(m[1], m[1]), bucket, key, int(m[4])


class Radosgw(Server):
    """Ceph's radosgw with one monitor and one OSD in memory, no manager. Takes some 15 s to start. Ignores additional
    checksums, takes If-Match on PUT with an unquoted ETag only, has no conditions on CompleteMultipartUpload."""

    name = "radosgw"
    reads_are_atomic = True

    @property
    def log_file(self):
        return self.dir / "ops.log"

    def start(self):
        d, fsid = self.dir, uuid.uuid4()
        mon_port, self.port = free_ports(2)
        self.endpoint = f"http://127.0.0.1:{self.port}"
        for sub in ("mon", "osd.0", "rgw", "run", "log"):
            (d / sub).mkdir()
        mon_addr = f"[v2:127.0.0.1:{mon_port}]"
        conf, keyring = d / "ceph.conf", d / "keyring"
        conf.write_text(f"""
[global]
fsid = {fsid}
mon host = {mon_addr}
mon initial members = a
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = {6 << 30}
mon allow pool size one = true
mon warn on pool no redundancy = false
mon osd full ratio = .96
mon max pg per osd = 1000
run dir = {d}/run
admin socket = {d}/run/$name.asok
log file = {d}/log/$name.log
pid file = {d}/run/$name.pid
mon data = {d}/mon
osd data = {d}/osd.$id
keyring = {keyring}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
ms bind ipv6 = false
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{self.port}
rgw data = {d}/rgw
rgw run sync thread = false
rgw enable usage log = false
rgw enable ops log = true
rgw ops log rados = false
rgw ops log file path = {self.log_file}
rgw log nonexistent bucket = true
""")

        def run(*argv, append_to=None):
            r = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               timeout=60, env={**os.environ, "CEPH_CONF": str(conf)})
            if r.returncode:
                raise RuntimeError(f"{' '.join(map(str, argv))}: status {r.returncode}\n{r.stdout}")
            if append_to:
                with open(append_to, "a") as f:
                    f.write(r.stdout)

        run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *")
        run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", "--cap", "mon", "allow *", "--cap", "osd", "allow *",
            "--cap", "mgr", "allow *")
        for name, mon, osd in (("osd.0", "allow profile osd", "allow *"), ("client.rgw", "allow *", "allow *")):
            run("ceph-authtool", keyring, "--gen-key", "-n", name, "--cap", "mon", mon, "--cap", "osd", osd)
        run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", mon_addr, d / "monmap")
        run("ceph-mon", "-c", conf, "--mkfs", "-i", "a", "--monmap", d / "monmap", "--keyring", keyring)
        self._spawn(["ceph-mon", "-c", conf, "-i", "a", "-f"])
        osd_uuid = uuid.uuid4()
        run("ceph", "-c", conf, "osd", "new", osd_uuid, "0")
        run("ceph", "-c", conf, "auth", "import", "-i", keyring)
        run("ceph-osd", "-c", conf, "-i", "0", "--mkfs", "--no-mon-config", "--osd-uuid", osd_uuid)
        self._spawn(["ceph-osd", "-c", conf, "-i", "0", "-f"])
        run("ceph", "-c", conf, "osd", "crush", "add", "0", "1", "host=h", "root=default")
        run("radosgw-admin", "-c", conf, "user", "create", "--uid=t", "--display-name=t",
            f"--access-key={self.access_key}", f"--secret-key={self.secret_key}")
        self._spawn(["radosgw", "-c", conf, "-n", "client.rgw", "--keyring", keyring, "-f"])
        self._wait_ready(90)

    def add_user(self, name):
        """As Versitygw's."""
        uid = f"{name}-{uuid.uuid4().hex[:6]}"
        secret = secrets.token_hex(20)
        subprocess.run(["radosgw-admin", "-c", self.dir / "ceph.conf", "user", "create", f"--uid={uid}", f"--display-name={uid}",
                        f"--access-key={uid}", f"--secret-key={secret}"], check=True, capture_output=True, timeout=60)
        return uid, secret, f"arn:aws:iam:::user/{uid}"

    _operations = {
        "get_obj": "GetObject", "put_obj": "PutObject", "delete_obj": "DeleteObject", "copy_obj": "CopyObject",
        "multi_object_delete": "DeleteObjects", "list_bucket": "ListObjectsV2", "list_buckets": "ListBuckets",
        "stat_bucket": "HeadBucket", "init_multipart": "CreateMultipartUpload",
        "complete_multipart": "CompleteMultipartUpload", "abort_multipart": "AbortMultipartUpload",
        "list_multipart": "ListParts", "list_bucket_multiparts": "ListMultipartUploads", "create_bucket": "CreateBucket",
    }

    @staticmethod
    def _split(text):
        # Of two that end at once the newline comes after the second.
        return text.replace('}{"bucket":', '}\n{"bucket":').splitlines()

    def _parse(self, line):
        # ListBuckets is not in this log; a part's copy is told by its empty body.
        line = line.strip().lstrip("[,").rstrip(",]")
        try:
            e = json.loads(line)
        except ValueError:
            return None
        if WITNESS in e.get("user_agent", ""):
            return None
        operation = self._operations.get(e["operation"], e["operation"])
        method, _, uri = e["uri"].partition(" ")
        if operation == "GetObject" and method == "HEAD":
            operation = "HeadObject"
        if operation == "PutObject" and "partNumber=" in uri:
            operation = "UploadPart" if e["bytes_received"] else "UploadPartCopy"
        path = urllib.parse.unquote(uri.split()[0].split("?")[0]).lstrip("/")
        bucket, _, key = path.partition("/")
        return operation, bucket, key, int(e["http_status"])


def main():
    kinds = {"versitygw": Versitygw, "radosgw": Radosgw}
    if len(sys.argv) != 2 or sys.argv[1] not in kinds:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(kinds)}")
    with kinds[sys.argv[1]]() as s:
        for k, v in s.env.items():
            print(f"export {k}={v}")
        print(f"export S3SHIM_BUCKET={s.make_bucket()}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
