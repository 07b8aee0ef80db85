"""s3shimd --listen and s3ctl session: a daemon that makes sessions on demand, a broker's process each."""
import json
import os
import signal
import subprocess

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
