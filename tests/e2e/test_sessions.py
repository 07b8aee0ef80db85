"""s3shimd --listen and s3ctl session: a daemon that makes sessions on demand, a broker's process each."""
import json
import os
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import BUILD, TIMEOUT
from servers import die_with_parent

S3CTL, S3SHIMD = BUILD / "s3ctl", BUILD / "s3shimd"


class Daemon:
    """s3shimd --listen for one test: `mount` says which server, and has the keys."""

    def __init__(self, mount, *options):
        self.mount, self.path, self.log = mount, mount.scratch / "run/daemon", mount.scratch / "daemon.log"
        ready, theirs = os.pipe()
        line = [S3SHIMD, "--listen", self.path, "--ready-fd", str(theirs), "--log", self.log, "--log-level", "debug",
                "--cache-dir", mount.scratch / "cache", *options]
        self.process = subprocess.Popen([str(w) for w in line], env=mount.base_env(), pass_fds=[theirs], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent)
        os.close(theirs)
        assert os.read(ready, 1) == b"1", self.process.communicate()
        os.close(ready)
        self.bare = {"PATH": mount.base_env()["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(mount.scratch)}  # no keys

    def ctl(self, *words, status=0):
        r = subprocess.run([S3CTL, "session", words[0], "--daemon", self.path, *map(str, words[1:])], env=self.bare,
                           capture_output=True, text=True, timeout=TIMEOUT)
        assert r.returncode == status, (words, r)
        return r

    def add(self, *options):
        return json.loads(self.ctl("add", "--json", *options).stdout)

    def list(self):
        return {s["session"]: s for s in json.loads(self.ctl("list", "--json").stdout)["sessions"]}

    def end(self, session, status=0):
        return json.loads(self.ctl("end", session["session"], status=status).stdout)

    def run(self, session, argv, check=True, **popen):
        r = subprocess.run([str(w) for w in argv], env={**self.bare, **session["environment"]}, timeout=TIMEOUT,
                           cwd=self.mount.scratch, capture_output=True, **popen)
        assert not check or r.returncode == 0, r
        return r

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, out + err


@pytest.fixture
def daemon():
    """daemon(mount, *options): one that has ended when the test has."""
    made = []

    def make(mount, *options):
        made.append(Daemon(mount, *options))
        return made[-1]

    yield make
    for d in made:
        if d.process.poll() is None:
            d.stop()


@pytest.mark.sanitized
def test_session_from_begin_to_end(gw, daemon):
    gw.put("in", b"hello")
    d = daemon(gw)
    s = d.add("--bucket", gw.bucket)
    assert d.run(s, ["cat", "/s3/in"]).stdout == b"hello"
    d.run(s, ["sh", "-c", "echo written >/s3/out"])
    assert d.list()[s["session"]]["state"] == "ready"
    ended = d.end(s)
    assert ended["failed"] == 0 and ended["statistics"]["requests"]["PutObject"] == 1
    assert gw.get("out") == b"written\n"
    assert d.list() == {} and not os.path.exists(s["socket"])
    assert d.run(s, ["cat", "/s3/in"], check=False).returncode != 0


def test_printed_lines_are_an_environment_without_secrets(gw, daemon):
    gw.put("f", b"x")
    d = daemon(gw)
    out = d.ctl("add", "--bucket", gw.bucket, "--id", "mine").stdout
    env = dict(line.split("=", 1) for line in out.splitlines())
    assert set(env) == {"LD_PRELOAD", "S3SHIM_SOCKET", "S3SHIM_ROUTES", "S3SHIM_SESSION"} and env["S3SHIM_SESSION"] == "mine"
    assert gw.server.secret_key not in out and gw.server.access_key not in out and gw.server.endpoint not in out
    assert d.run({"environment": env}, ["cat", "/s3/f"]).stdout == b"x"


def test_what_is_wrong_with_a_session_is_told_at_once(gw, daemon):
    d = daemon(gw)
    refused = [(["--bucket", "no-such-bucket-there"], "no-such-bucket-there"), (["--bukcet", "x"], "--bucket"), ([], "no bucket"),
               (["--bucket", gw.bucket, "--config", "none.json"], str(gw.scratch / "none.json")),
               (["--bucket", gw.bucket, "--", "true"], "without a program"), (["--bucket", gw.bucket, "--id", "a/b"], "a/b"),
               (["--bucket", gw.bucket, "--socket", "/tmp/s"], "--socket")]
    for options, sentence in refused:
        r = subprocess.run([S3CTL, "session", "add", "--daemon", d.path, *options], env=d.bare, capture_output=True, text=True,
                           timeout=TIMEOUT, cwd=gw.scratch)
        assert r.returncode == 125 and r.stdout == "" and sentence in r.stderr, (options, r)
    assert d.list() == {}


def test_wrong_key_is_told_at_once(gw, daemon):
    gw.env = {**gw.env, "AWS_SECRET_ACCESS_KEY": "wrong-secret-6021"}
    r = daemon(gw).ctl("add", "--bucket", gw.bucket, status=125)
    assert "HeadBucket" in r.stderr or gw.bucket in r.stderr
    assert "wrong-secret-6021" not in r.stderr


def test_sessions_of_users(gw, daemon):
    (gw.scratch / "c.json").write_text(json.dumps({"sandboxMapping": {
        "alice": {"/a": {"type": "File", "path": "/usr/share"}}, "": {"/all": {"type": "S3", "bucketName": gw.bucket}}}}))
    d = daemon(gw, "--config", gw.scratch / "c.json")
    alice, bob = d.add("--user", "alice", "--id", "alice-1"), d.add("--user", "bob")
    assert set(alice["environment"]["S3SHIM_ROUTES"].split(":")) == {"/a", "/all"}
    assert bob["environment"]["S3SHIM_ROUTES"] == "/all"
    assert "alice-1" in d.ctl("add", "--user", "alice", "--id", "alice-1", status=125).stderr
    assert set(d.list()) == {"alice-1", bob["session"]}


def test_an_idle_session_ends_and_one_that_is_used_does_not(gw, daemon, eventually):
    d = daemon(gw, "--idle-ms", "3s")
    used, idle = d.add("--bucket", gw.bucket), d.add("--bucket", gw.bucket, "--idle-ms", "100ms")
    d.run(used, ["sh", "-c", "exec 3>/s3/held; sleep 4; echo held >&3"])
    eventually(lambda: d.list()[idle["session"]]["state"] == "ended", 30)
    assert d.end(idle)["how"] == "it was idle"
    ended = d.end(used)
    assert ended["how"] == "it was ended when asked" and ended["statistics"]["requests"]["PutObject"] == 1
    assert gw.get("held") == b"held\n"


def test_an_upload_that_fails_is_told_at_the_end(gw, daemon):
    d = daemon(gw)
    s = d.add("--bucket", gw.bucket, "--commit", "background")
    script = "exec 3>/s3/out; echo lost >&3; echo open; read go"
    with subprocess.Popen(["sh", "-c", script], env={**d.bare, **s["environment"]}, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as p:
        assert p.stdout.readline() == b"open\n"
        gw.client.delete_bucket(Bucket=gw.bucket)
        p.communicate(b"\n", timeout=TIMEOUT)
    r = d.ctl("end", s["session"], status=74)
    assert json.loads(r.stdout)["failed"] == 1 and "out" in r.stderr and "was not uploaded" in r.stderr


def test_the_end_of_the_daemon_drains_every_session(gw, daemon):
    d = daemon(gw)
    sessions = [d.add("--bucket", gw.bucket, "--commit", "background") for _ in range(3)]
    for i, s in enumerate(sessions):
        d.run(s, ["sh", "-c", f"echo {i} >/s3/{i}"])
    assert d.stop() == (0, b"")
    assert sorted(gw.keys()) == ["0", "1", "2"] and not d.path.exists() and not os.path.exists(f"{d.path}.d")


def test_a_killed_broker_is_told(gw, daemon, eventually):
    d = daemon(gw)
    s, other = d.add("--bucket", gw.bucket), d.add("--bucket", gw.bucket)
    os.kill(s["pid"], signal.SIGKILL)
    eventually(lambda: d.list()[s["session"]]["state"] == "ended", 30)
    r = d.ctl("end", s["session"], status=74)
    assert "killed by signal 9" in r.stderr and json.loads(r.stdout)["statistics"] is None
    d.run(other, ["sh", "-c", "echo fine >/s3/f"])
    assert d.end(other)["failed"] == 0


def test_a_broker_that_is_told_to_end_says_that_nothing_was_lost(gw, daemon, eventually):
    d = daemon(gw)
    s = d.add("--bucket", gw.bucket, "--commit", "background")
    d.run(s, ["sh", "-c", "echo kept >/s3/f"])
    os.kill(s["pid"], signal.SIGTERM)
    eventually(lambda: d.list()[s["session"]]["state"] == "ended", 30)
    ended = d.end(s)
    assert ended["how"] == "its broker ended with status 0" and ended["failed"] == 0 and gw.get("f") == b"kept\n"


def test_sessions_end_when_the_daemon_is_killed(gw, daemon, eventually):
    d = daemon(gw)
    s = d.add("--bucket", gw.bucket, "--commit", "background")
    d.run(s, ["sh", "-c", "echo kept >/s3/f"])
    d.stop(signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{s['pid']}"), 30)
    assert gw.get("f") == b"kept\n"
    again = daemon(gw)  # at the same path
    assert again.list() == {}


def test_assets_of_a_session(gw, daemon):
    gw.put("a/x.csv", b"1,2")
    d = daemon(gw)

    def assets(*keys):
        path = gw.scratch / "assets.json"
        path.write_text(json.dumps({"assets": [{"source": f"s3://{gw.bucket}/{k}", "target": f"/data/{k}"} for k in keys]}))
        return path

    s = d.add("--assets", assets("a/x.csv"))
    assert s["assets"]["assets"][0]["class"] == "ok" and d.run(s, ["cat", "/data/a/x.csv"]).stdout == b"1,2"
    r = d.ctl("add", "--assets", assets("a/x.csv", "none"), status=66)
    assert f"s3://{gw.bucket}/none" in r.stderr and "x.csv" not in r.stderr and r.stdout == ""
    assert "configuration file" in d.ctl("add", "--assets", gw.scratch / "run", status=78).stderr
    assert d.stop() == (0, b"") and not os.path.exists(f"{d.path}.d")


def say(path, data, answer=True):
    """Bytes to a socket; what comes back, up to a line or the end."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(TIMEOUT)
        s.connect(str(path))
        try:
            s.sendall(data)
            return s.makefile("rb").readline() if answer else b""
        except (BrokenPipeError, ConnectionResetError):
            return b""


def test_the_control_socket_takes_no_nonsense(gw, daemon, as_other):
    d = daemon(gw)
    for line in (b"\n", b"nonsense\n", b"[]\n", b"{}\n", b'{"add": 1}\n', b'{"add": [1]}\n', b'{"add": [], "id": ""}\n',
                 b'{"end": 7}\n', b'{"end": "none"}\n', b'\xff\xfe\n', b'{"add": [' + b'"-",' * 3000 + b'"-"]}\n'):
        assert json.loads(say(d.path, line))["error"], line
    assert say(d.path, b"x" * 300000) == b"", "a line without an end is cut off"
    assert say(d.path, b'{"list": tr', answer=False) == b""
    assert json.loads(say(d.path, b'{"list": true}\n{"list": true}\n'))["sessions"] == []
    assert d.path.stat().st_mode & 0o777 == 0o600
    d.path.chmod(0o666)
    for folder in (d.path.parent, d.mount.scratch):
        folder.chmod(0o755)
    script = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{d.path}'); print(s.recv(9))"
    r = subprocess.run(as_other(["/usr/bin/python3", "-c", script]), capture_output=True, text=True, timeout=TIMEOUT)
    assert r.stdout == "b''\n", r
    assert d.list() == {}


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def test_many_sessions_and_one_that_misbehaves(gw, daemon, request):
    """Each session is a process: what one program does to its own harms no other."""
    count = int(os.environ.get("S3SHIM_TEST_SESSIONS", "200"))
    gw.put("in", b"hello")
    d = daemon(gw, "--parallel", "2")
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        request_line = json.dumps({"add": ["--bucket", gw.bucket]}).encode() + b"\n"
        sessions = [json.loads(line) for line in pool.map(lambda _: say(d.path, request_line), range(count))]
        seconds = time.monotonic() - began
        failed = [s for s in sessions if "error" in s]
        assert not failed, (len(failed), failed[0])
        bad, *good = sessions
        flood = [socket.socket(socket.AF_UNIX) for _ in range(600)]
        for i, s in enumerate(flood):
            s.setblocking(False)
            try:
                s.connect(bad["socket"])
                s.send(os.urandom(64) if i % 2 else b"")
            except OSError:
                pass  # cut off, or as many as are let in
        results = pool.map(lambda s: d.run(s, ["cat", "/s3/in"]).stdout, good)
        assert all(r == b"hello" for r in results)
        memory = sorted(pss_kib(s["pid"]) for s in good)
        os.kill(bad["pid"], signal.SIGKILL)
        for s in flood:
            s.close()
        d.run(good[0], ["sh", "-c", "echo made >/s3/out"])
        listed = d.list()
        assert all(listed[s["session"]]["state"] == "ready" for s in good)
    assert d.stop()[0] == 74, "the one that was killed cannot say what it had"
    assert gw.get("out") == b"made\n"
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\n{count} sessions in {seconds:.1f} s; a broker's memory (Pss): {memory[0]} to {memory[-1]} KiB, "
              f"median {memory[len(memory) // 2]}, all {sum(memory) >> 10} MiB")
