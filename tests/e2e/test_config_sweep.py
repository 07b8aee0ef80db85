"""s3ctl sweep: multipart uploads that nobody completed or aborted."""
import json
import os
import signal
import subprocess

import pytest
from conftest import BUILD, TIMEOUT


@pytest.fixture
def sweep(gw):
    def run(*args, code=0):
        line = [BUILD / "s3ctl", "sweep", *args, *gw.mount_options(), "--cache-dir", gw.scratch / "cache"]
        r = subprocess.run(line, capture_output=True, text=True, timeout=TIMEOUT, env=gw.base_env(), cwd=gw.scratch)
        assert r.returncode == code, r
        return r.stdout, r.stderr

    return run


def noted(gw):
    folder = gw.scratch / "cache/uploads"
    return list(folder.iterdir()) if folder.exists() else []


def begin(gw, key):
    return gw.client.create_multipart_upload(Bucket=gw.bucket, Key=key)["UploadId"]


@pytest.fixture
def killed(gw, eventually):
    """An upload that a broker had begun when it was killed; its key."""
    p = gw.start(["bash", "-c", "exec 5>/s3/d/big; head -c 40M /dev/urandom >&5; read line"], ["--part-size", "5MiB"])
    eventually(lambda: gw.uploads() == ["d/big"], seconds=60)
    status = subprocess.run([BUILD / "s3ctl", "status", "--json"], capture_output=True, env=gw.base_env(), timeout=TIMEOUT)
    os.kill(json.loads(status.stdout)[0]["status"]["pid"], signal.SIGKILL)
    gw.finish(p, b"go\n")
    assert gw.uploads() == ["d/big"]


@pytest.fixture
def folder(gw):
    gw.put("d/")


def test_what_a_killed_broker_left(gw, folder, killed, sweep):
    theirs = begin(gw, "theirs")
    out, err = sweep("--older-than", "0")
    assert f"s3://{gw.bucket}/d/big " in out and "theirs" not in out and "1 more uploads were begun by others" in err
    assert sorted(gw.uploads()) == ["d/big", "theirs"] and len(noted(gw)) == 1
    out, _ = sweep("--older-than=0", "--abort", "--json")
    entry, = json.loads(out)
    assert entry["key"] == "d/big" and entry["ours"] and entry["aborted"] and entry["bucket"] == gw.bucket
    assert gw.uploads() == ["theirs"] and noted(gw) == []
    assert sweep("--older-than", "0")[0] == "nothing is left behind\n"
    gw.client.abort_multipart_upload(Bucket=gw.bucket, Key="theirs", UploadId=theirs)


def test_all(gw, sweep):
    begin(gw, "in/a")
    begin(gw, "in/b\nc")
    begin(gw, "inner")
    out, _ = sweep("--all", "--older-than", "0", "--prefix", "in")
    assert "/in/a " in out and "/in/b\\x0ac " in out and "inner" not in out
    sweep("--all", "--older-than", "0", "--prefix", "in", "--abort")
    assert gw.uploads() == ["inner"]
    sweep("--all", "--older-than", "0", "--abort")
    assert gw.uploads() == []


def test_age(gw, sweep):
    begin(gw, "a")
    for args in ([], ["--older-than", "1h"]):
        assert sweep("--all", "--abort", *args) == ("nothing is left behind\n", "")
    assert gw.uploads() == ["a"]


def test_uploads_that_ended_leave_no_note(gw):
    gw.sh("head -c 20M /dev/zero >$S3/f; head -c 6M /dev/zero >>$S3/f", options=["--part-size", "5MiB", "--put-max", "5MiB"])
    assert gw.head("f")["ContentLength"] == 26 << 20
    assert gw.uploads() == [] and noted(gw) == []


def test_what_it_does_not_understand(sweep):
    assert "--older-than 'soon' is not a time" in sweep("--older-than", "soon", code=1)[1]
    assert "unknown option '--abrot'; did you mean '--abort'?" in sweep("--abrot", code=2)[1]
