"""LD_PRELOAD alone: the broker starts by itself, is shared, and goes away by itself."""
import json
import os
import subprocess

import pytest
from conftest import BUILD, LIBRARY


@pytest.fixture
def bare(gw, monkeypatch, eventually):
    """bare(argv): run it with the library preloaded and settings in the environment; .brokers() are the pids of s3shimd
    that belong to this test. They are ended by their idle time, or here."""
    env = {**gw.base_env(), "LD_PRELOAD": str(LIBRARY), "S3SHIM_BUCKET": gw.bucket, "S3SHIM_MOUNT": "/s3",
           "S3SHIM_CACHE_DIR": str(gw.scratch / "cache"), "S3SHIM_LOG": str(gw.scratch / "bare.log"),
           "S3SHIM_LOG_LEVEL": "debug"}

    def command(argv, more=None, **kw):
        return subprocess.run(argv, capture_output=True, timeout=30, env={**env, **(more or {})}, cwd=gw.scratch, **kw)

    def brokers():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                argv = open(f"/proc/{pid}/cmdline", "rb").read()
            except OSError:
                continue
            if argv.startswith(str(BUILD / "s3shimd").encode()) and str(gw.scratch).encode() in argv:
                found.append(int(pid))
        return found

    command.env, command.brokers, command.log = env, brokers, gw.scratch / "bare.log"
    yield command
    for pid in brokers():
        os.kill(pid, 15)


def test_cat(gw, bare):
    gw.put("key", b"bare\n")
    r = bare(["cat", "/s3/key"])
    assert (r.returncode, r.stdout, r.stderr) == (0, b"bare\n", b"")


def test_write_is_complete_at_the_programs_end(gw, bare):
    assert bare(["sh", "-c", "echo written >/s3/f"]).returncode == 0
    assert gw.get("f") == b"written\n"


def test_prefix(gw, bare):
    gw.put("p/key", b"below")
    assert bare(["cat", "/s3/key"], {"S3SHIM_PREFIX": "p"}).stdout == b"below"


def test_two_programs_share_a_broker(gw, bare):
    gw.put("f", b"x")
    first = subprocess.Popen(["sh", "-c", "cat /s3/f; read line; cat /s3/f"], env=bare.env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, cwd=gw.scratch)
    assert first.stdout.read(1) == b"x"
    one = bare.brokers()
    assert bare(["cat", "/s3/f"]).stdout == b"x"
    assert len(one) == 1 and bare.brokers() == one
    assert first.communicate(b"\n", timeout=20)[0] == b"x"


def test_many_start_at_once_one_broker(gw, bare):
    gw.put("f", b"x")
    r = bare(["bash", "-c", "unset LD_PRELOAD; for i in 1 2 3 4 5 6 7 8; do LD_PRELOAD=$L cat /s3/f & done; wait"],
             {"L": str(LIBRARY)})
    assert r.stdout == b"x" * 8, r.stderr
    assert len(bare.brokers()) == 1


def test_no_broker_for_who_touches_no_mount(gw, bare):
    assert bare(["ls", "/"]).returncode == 0
    assert bare.brokers() == []


def test_goes_away_by_itself(gw, bare, eventually):
    gw.put("f", b"x")
    assert bare(["cat", "/s3/f"]).stdout == b"x"
    assert bare.brokers()
    eventually(lambda: not bare.brokers(), 20)


def test_other_settings_other_broker(gw, bare):
    other = gw.server.make_bucket("other")
    gw.put("f", b"one")
    gw.client.put_object(Bucket=other, Key="f", Body=b"two")
    assert bare(["cat", "/s3/f"]).stdout == b"one"
    assert bare(["cat", "/s3/f"], {"S3SHIM_BUCKET": other}).stdout == b"two"


def test_wrong_bucket_is_an_error_and_the_log_says_why(gw, bare):
    r = bare(["cat", "/s3/f"], {"S3SHIM_BUCKET": "no-such-bucket-here"})
    assert r.returncode == 1 and b"/s3/f" in r.stderr
    assert "no-such-bucket-here" in bare.log.read_text()


def test_programs_children_and_wait(gw, bare):
    """The broker is nobody's child: a shell's wait and its job table do not know it."""
    gw.put("f", b"x")
    r = bare(["/usr/bin/python3", "-c", """
import os
open('/s3/f').read()
try:
    print(os.waitpid(-1, os.WNOHANG))
except ChildProcessError:
    print('no children')
"""])
    assert r.stdout == b"no children\n", r.stderr


def test_configuration_file(gw, bare):
    """Of the file's mounts the one at S3SHIM_MOUNT, which is not the first there."""
    gw.put("key", b"by the file")
    server = gw.server
    (gw.scratch / "conf.json").write_text(json.dumps({"sandboxMapping": {"": {
        "/elsewhere": str(gw.scratch), "/s3": {"type": "S3", "bucketName": gw.bucket, "endpointOverride": server.endpoint,
                                          "accessKeyId": server.access_key, "secretKey": server.secret_key}}}}))
    for name in ("S3SHIM_BUCKET", "S3SHIM_MOUNT", "S3SHIM_ENDPOINT", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del bare.env[name]
    bare.env["S3SHIM_CONFIG"] = str(gw.scratch / "conf.json")
    assert bare(["cat", "/s3/key"]).stdout == b"by the file"
    assert bare(["ls", "/elsewhere"]).returncode == 2
    assert bare(["ls", "/elsewhere"], {"S3SHIM_MOUNT": "/elsewhere"}).stdout.split()[:1]
    assert bare(["ls", "/nowhere"], {"S3SHIM_MOUNT": "/nowhere"}).returncode == 2
    assert "has nothing at '/nowhere'" in bare.log.read_text()
    assert bare(["ls", "/s3"], {"S3SHIM_CONFIG": "conf.json"}).returncode == 2
    assert "wants an absolute path" in bare.log.read_text()


def test_sandbox_dir(gw, bare):
    (gw.scratch / "ann").mkdir()
    (gw.scratch / "ann/f").write_text("ann's")
    del bare.env["S3SHIM_BUCKET"], bare.env["S3SHIM_MOUNT"]
    more = {"S3SHIM_SANDBOX_DIR": f"{gw.scratch}/%u", "S3SHIM_USER": "ann"}
    assert bare(["cat", "/s3/f"], more).stdout == b"ann's"


def test_no_broker_is_started_to_tell_of_a_child_that_is_not_preloaded(bare, static_tool, eventually):
    assert bare(["sh", "-c", f"{static_tool}; true"]).returncode == 0
    assert bare.brokers() == []
    assert bare(["sh", "-c", f"ls /s3; {static_tool}"]).returncode == 0
    assert f"'{static_tool}' is statically linked" in bare.log.read_text()
