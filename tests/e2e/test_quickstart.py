"""examples/quickstart.sh, as a person would run it."""
import os
import subprocess

import pytest
from conftest import TOP


def quickstart(scratch, **env):
    keep = {k: os.environ[k] for k in ("HOME", "XDG_CACHE_HOME") if k in os.environ}  # where versitygw is
    r = subprocess.run([TOP / "examples/quickstart.sh"], capture_output=True, text=True, timeout=600, cwd=scratch,
                       stdin=subprocess.DEVNULL,
                       env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", **keep, **env})
    assert r.returncode == 0, r.stdout[-6000:] + r.stderr[-3000:]
    assert "DIFFERENT" not in r.stdout and "(status " not in r.stdout
    assert "\nequal\n" in r.stdout and "1000|1000000" in r.stdout
    return r.stdout


def test_versitygw(scratch):
    out = quickstart(scratch, QUICKSTART_MIB="20")
    assert "versitygw on http://127.0.0.1:" in out and "PutObject" in out


def test_file_volume(scratch):
    assert "a File volume instead" in quickstart(scratch, QUICKSTART_MIB="5", QUICKSTART_VOLUME="file")


@pytest.mark.parametrize("kind", ["versitygw", "radosgw"])
def test_a_bucket_of_ones_own(request, scratch, kind):
    server = request.getfixturevalue(kind)
    bucket = server.make_bucket("own")
    out = quickstart(scratch, QUICKSTART_MIB="20", S3SHIM_BUCKET=bucket, **server.env)
    assert f"yours: s3://{bucket}/quickstart-" in out
    left = server.client().list_objects_v2(Bucket=bucket).get("Contents", [])
    assert left == [], "it removes what it made"
