"""What s3run finds wrong before the program starts: status 125 (126, 127 for the program), and a sentence that names the
thing. 74 where the program succeeded and an upload did not."""
import os
import subprocess

import pytest
from conftest import S3RUN
from servers import free_ports


def refused(mount, *words, argv=("sh", "-c", "touch started"), status=125, **kw):
    r = mount.run(list(argv), check=False, **kw)
    assert r.status == status, r
    assert not (mount.scratch / "started").exists(), "the program ran"
    assert r.err.startswith("s3run: ") and len(r.err.splitlines()) <= 3, r
    for w in words:
        assert w.lower() in r.err.lower(), r
    return r


def options(mount, *args):
    mount.mount_options = lambda: list(args)
    return mount


def test_no_bucket_named(gw):
    refused(options(gw), "bucket")


def test_bucket_that_is_not_there(s3):
    refused(options(s3, "--bucket", "no-such-bucket-here"), "no-such-bucket-here")


def test_wrong_key(s3):
    s3.env = {**s3.env, "AWS_ACCESS_KEY_ID": "AKNOBODYKNOWSTHIS"}
    refused(s3, "key")


def test_wrong_secret(s3):
    s3.env = {**s3.env, "AWS_SECRET_ACCESS_KEY": "not-the-secret"}
    r = refused(s3, "secret")
    assert "not-the-secret" not in r.err


def test_no_credentials(gw):
    gw.env = {"S3SHIM_ENDPOINT": gw.server.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}
    refused(gw, "credentials")


def test_wrong_region(gw):
    gw.env = {**gw.env, "AWS_REGION": "mars-north-1"}
    r = gw.run(["true"], check=False)
    if r.status == 0:  # found the right one by the server's answer
        return
    assert r.status == 125 and "region" in r.err


def test_unreachable_endpoint(gw):
    port = free_ports(1)[0]
    gw.env = {**gw.env, "S3SHIM_ENDPOINT": f"http://127.0.0.1:{port}"}
    refused(gw, f"127.0.0.1:{port}", timeout=60)


def test_endpoint_that_has_no_name(gw):
    gw.env = {**gw.env, "S3SHIM_ENDPOINT": "http://no-such-host.invalid"}
    refused(gw, "no-such-host.invalid", timeout=60)


def test_endpoint_that_is_none(gw):
    gw.env = {**gw.env, "S3SHIM_ENDPOINT": "ftp://x"}
    refused(gw, "ftp")


def test_missing_library(gw):
    refused(gw, "/none/libs3shim.so", options=["--library", "/none/libs3shim.so"])


def test_missing_broker(gw):
    refused(gw, "/none/s3shimd", options=["--broker", "/none/s3shimd"])


def test_unwritable_cache_folder(gw):
    refused(gw, "/proc/nowhere", options=["--cache-dir", "/proc/nowhere"])


def test_cache_folder_that_is_a_file(gw):
    (gw.scratch / "file").write_text("")
    refused(gw, str(gw.scratch / "file"), options=["--cache-dir", str(gw.scratch / "file")])


@pytest.mark.parametrize("point", ["/", "//", "relative", "/s3/../..", ""])
def test_mount_point(gw, point):
    refused(gw, "mount", options=["--mount", point])


def test_two_mounts_at_one_point(gw):
    refused(options(gw, "--mount", f"/a=s3://{gw.bucket}", "--mount", "/a=file:/tmp"), "/a")


def test_file_volume_of_a_missing_folder(gw):
    refused(options(gw, "--mount", "/a=file:/no/such/folder"), "/no/such/folder")


def test_unknown_option(gw):
    refused(gw, "--frobnicate", options=["--frobnicate"])


def test_unknown_log_level(gw):
    refused(gw, "loud", options=["--log-level", "loud"])


def test_unreadable_configuration(gw):
    (gw.scratch / "conf.json").write_text('{"sandboxMapping": {')
    refused(gw, "conf.json", options=["--config", "conf.json"])


def test_program_that_is_not_there(gw):
    refused(gw, "no-such-program", argv=["no-such-program"], status=127)
    refused(gw, "/no/such/program", argv=["/no/such/program"], status=127)


def test_program_that_cannot_be_executed(gw):
    (gw.scratch / "plain").write_text("x")
    refused(gw, "plain", argv=["./plain"], status=126)


def test_static_program(gw):
    (gw.scratch / "p.c").write_text("int main(void) { return 0; }")
    subprocess.run(["gcc", "-static", "-o", "static", "p.c"], cwd=gw.scratch, check=True)
    refused(gw, "static", argv=["./static"], status=126)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a setuid program")
def test_setuid_program(gw):
    subprocess.run("cp /bin/true suid && chmod 4755 suid", shell=True, cwd=gw.scratch, check=True)
    if os.getuid() == 0:  # root's own setuid programs are preloaded: it is somebody else's that are not
        os.chown(gw.scratch / "suid", 65534, 65534)
        os.chmod(gw.scratch / "suid", 0o4755)
    refused(gw, "suid", argv=["./suid"], status=126)


def test_upload_that_fails(gw):
    """The program succeeds, the upload does not: 74, the object, the error, where the data is. The bucket is taken away
    while the file is open."""
    bucket = gw.server.make_bucket("vanishing")
    gw.mount_options = lambda: ["--bucket", bucket]
    p = gw.start(["bash", "-c", "exec 5>/s3/f; echo precious >&5; touch ready; read line; exec 5>&-; exit 0"])
    try:
        while not (gw.scratch / "ready").exists() and p.poll() is None:
            pass
        gw.client.delete_bucket(Bucket=bucket)
    finally:
        r = gw.finish(p, b"go\n")
    assert r.status == 74, r
    assert f"s3://{bucket}/f" in r.err and "NoSuchBucket" in r.err and str(gw.scratch / "cache") in r.err, r
    kept = [f for f in (gw.scratch / "cache").rglob("*") if f.is_file() and f.read_bytes() == b"precious\n"]
    assert kept, "the data is where the sentence says"


def test_program_that_fails_itself_keeps_its_status(gw):
    assert gw.run(["sh", "-c", "cat /s3/none"], check=False).status == 1


def test_s3run_without_anything(scratch):
    r = subprocess.run([S3RUN, "--", "true"], capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(scratch)})
    assert r.returncode == 125 and "--bucket" in r.stderr, r
