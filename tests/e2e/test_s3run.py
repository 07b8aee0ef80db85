"""s3run itself: statuses, signals, mounts, what it writes."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BUILD, S3RUN, S3Mount


def test_status_is_the_programs(gw):
    assert gw.run(["sh", "-c", "exit 42"], check=False).status == 42
    assert gw.run(["false"], check=False).status == 1


def test_dies_by_the_signal_that_the_program_died_by(gw):
    assert gw.run(["sh", "-c", "kill -TERM $$"], check=False).status == -signal.SIGTERM


def test_signals_are_forwarded(gw, eventually):
    p = gw.start(["bash", "-c", f"trap 'echo caught >{gw.path('f')}; exit 9' TERM; touch ready; while :; do sleep 0.05; done"])
    eventually((gw.scratch / "ready").exists)
    p.send_signal(signal.SIGTERM)
    assert gw.finish(p).status == 9
    assert gw.get("f") == b"caught\n"


def test_stdio_is_the_programs(gw):
    r = gw.run(["sh", "-c", "cat; echo to stderr >&2"], input=b"to stdin")
    assert (r.stdout, r.stderr) == (b"to stdin", b"to stderr\n")


def test_without_a_program_it_starts_the_shell(gw):
    line = gw.s3run([])[:-1]
    r = subprocess.run(line, input=b"echo $0; cat /s3/f; exit 3\n", capture_output=True, timeout=30, cwd=gw.scratch,
                       env={**gw.base_env(), "SHELL": "/bin/sh"})
    assert r.returncode == 3 and r.stdout.startswith(b"/bin/sh\n")


@pytest.mark.sanitized
def test_stats(s3):
    s3.put("f", b"x" * 5000)
    r = s3.sh("cat $S3/f | wc -c; printf 12345 >$S3/g")
    assert r.stats["requests"]["GetObject"] == 1 and r.stats["requests"]["PutObject"] == 1
    assert r.stats["requests"]["total"] == sum(v for k, v in r.stats["requests"].items() if k != "total")
    assert r.stats["bytes_down"] == 5000 and r.stats["bytes_up"] == 5
    assert r.stats["retries"] == 0 and r.stats["seconds"] > 0


def test_stats_on_stderr(gw):
    line = gw.s3run(["true"], options=["--stats", "-"])
    r = subprocess.run(line, capture_output=True, timeout=30, env=gw.base_env(), cwd=gw.scratch)
    assert r.returncode == 0 and r.stdout == b""
    assert "requests" in json.loads(r.stderr)


def test_prefix(s3):
    s3.put("a/b/f", b"inside")
    s3.put("outside", b"no")
    r = s3.sh("ls $S3; cat $S3/f; echo new >$S3/g; ls $S3/../s3 | head -n1; cat $S3/../outside 2>/dev/null || true",
              options=["--prefix", "a/b"])
    assert r.out == "f\ninsidef\n"
    assert s3.keys() == ["a/b/f", "a/b/g", "outside"]


def test_mount_point_elsewhere(s3):
    s3.put("f", b"x")
    assert s3.run(["cat", "/deep/in/nowhere/f"], options=["--mount", "/deep/in/nowhere"]).out == "x"


def test_several_mounts(s3):
    other = s3.server.make_bucket("other")
    folder = s3.scratch / "folder"
    folder.mkdir()
    s3.put("p/f", b"one")
    s3.client.put_object(Bucket=other, Key="f", Body=b"two")
    (folder / "f").write_bytes(b"three")
    s3.mount_options = lambda: ["--mount", f"/one=s3://{s3.bucket}/p", "--mount", f"/two=s3://{other}",
                                "--mount", f"/three=file:{folder}"]
    r = s3.run(["sh", "-c", "cat /one/f /two/f /three/f; cp /one/f /three/copied; mv /three/f /two/moved"])
    assert r.out == "onetwothree"
    assert (folder / "copied").read_bytes() == b"one" and not (folder / "f").exists()
    assert s3.client.get_object(Bucket=other, Key="moved")["Body"].read() == b"three"


def test_every_bucket_as_a_folder(s3):
    s3.put("d/f", b"x")
    s3.mount_options = lambda: ["--mount", "/s3=s3://"]
    r = s3.sh(f"ls $S3; cat $S3/{s3.bucket}/d/f; echo new >$S3/{s3.bucket}/g; ls $S3/no-such-bucket-here || true")
    assert s3.bucket in r.out.split() and "No such file" in r.err
    assert s3.get("g") == b"new\n"


def test_environment_instead_of_flags(gw):
    gw.put("p/f", b"by environment")
    gw.mount_options = lambda: []
    r = gw.run(["cat", "/data/f"], env={"S3SHIM_BUCKET": gw.bucket, "S3SHIM_PREFIX": "p", "S3SHIM_MOUNT": "/data"})
    assert r.out == "by environment"


def test_credentials_from_shared_files(gw):
    gw.put("f", b"x")
    (gw.scratch / ".aws").mkdir()
    (gw.scratch / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n\n[work]\n"
        f"aws_access_key_id = {gw.server.access_key}\naws_secret_access_key = {gw.server.secret_key}\n")
    gw.env = {"S3SHIM_ENDPOINT": gw.server.endpoint}
    assert gw.run(["cat", "/s3/f"], env={"AWS_PROFILE": "work"}).out == "x"


def test_configuration_file(gw):
    gw.put("f", b"x")
    (gw.scratch / "home").mkdir()
    conf = {"sandboxMapping": {
        "": {"/s3": {"type": "S3", "bucketName": gw.bucket, "endpointOverride": gw.server.endpoint,
                     "accessKeyId": gw.server.access_key, "secretKey": gw.server.secret_key},
             "/home": {"type": "File", "path": str(gw.scratch / "home")}}}}
    (gw.scratch / "conf.json").write_text(json.dumps(conf))
    gw.env = {}
    gw.mount_options = lambda: ["--config", "conf.json"]
    gw.sh("cp /s3/f /home/f")
    assert (gw.scratch / "home/f").read_bytes() == b"x"


def test_secrets_do_not_show(gw):
    """Neither on command lines, nor in the broker's log, nor to the program's descriptors."""
    r = gw.sh("{ cat /proc/[0-9]*/cmdline || true; } | tr '\\0' ' '; ls -l /proc/self/fd | wc -l")
    assert gw.server.secret_key not in r.out + r.log + r.err


def test_program_inherits_no_descriptors_of_ours(gw):
    listing = gw.python("import os; print(sorted(int(f) for f in os.listdir('/proc/self/fd')))").out
    assert [fd for fd in json.loads(listing) if 2 < fd < 20] in ([3], []), "3 is the listing's own"


def test_nothing_stays_behind(gw, eventually):
    gw.sh("echo x >$S3/f; cat $S3/f")
    mine = str(gw.scratch).encode()

    def left():
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                if mine in open(f"/proc/{pid}/cmdline", "rb").read():
                    found.append(pid)
            except OSError:
                pass
        return not found

    eventually(left)
    assert not [p for p in (gw.scratch / "run").rglob("*") if p.is_socket()]
    assert not [p for p in (gw.scratch / "cache").rglob("*") if p.is_file() and p.stat().st_size > 4096]


def test_uploads_are_complete_when_it_returns(s3):
    for i in range(3):
        s3.sh(f"head -c 20M /dev/urandom >$S3/f{i}")
        assert s3.head(f"f{i}")["ContentLength"] == 20 << 20


def test_leftover_child_does_not_hold_it(gw):
    began = time.monotonic()
    gw.sh("echo x >$S3/f; sleep 30 >/dev/null 2>&1 </dev/null &")
    assert time.monotonic() - began < 15
    assert gw.get("f") == b"x\n"


def test_help_and_version():
    for flag in ("--help", "--version"):
        r = subprocess.run([S3RUN, flag], capture_output=True, text=True, env={})
        assert r.returncode == 0 and "s3run" in r.stdout and r.stderr == ""


def test_works_from_the_build_folder_by_a_relative_path(gw):
    gw.put("f", b"x")
    line = gw.s3run(["cat", "/s3/f"])
    r = subprocess.run([f"./{S3RUN.name}", *line[1:]], cwd=BUILD, capture_output=True, env=gw.base_env(), timeout=30)
    assert r.stdout == b"x", r.stderr


def test_ctl_status(gw, eventually):
    p = gw.start(["bash", "-c", f"exec 5>{gw.path('f')}; echo x >&5; touch ready; read line"])
    eventually((gw.scratch / "ready").exists)
    r = subprocess.run([BUILD / "s3ctl", "status"], capture_output=True, text=True, env=gw.base_env(), timeout=30)
    assert gw.finish(p, b"go\n").status == 0
    assert r.returncode == 0 and gw.bucket in r.stdout + r.stderr, r
    assert isinstance(gw, S3Mount)
