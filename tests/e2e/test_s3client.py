"""The S3 client by itself (tests/support/s3call.c), with boto3 as the witness."""
import hashlib
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import BUILD
from servers import die_with_parent

pytestmark = pytest.mark.sanitized
S3CALL = BUILD / "tests/s3call"
MIB = 1 << 20


class Caller:
    def __init__(self, s3, folder):
        self.s3, self.folder = s3, folder

    def __call__(self, *args, ok=True, env=None, bucket=None, endpoint=None, **settings):
        """Run s3call and return its object; settings become S3CALL_*."""
        extra = {f"S3CALL_{k.upper()}": str(v) for k, v in settings.items()}
        r = subprocess.run([S3CALL, endpoint or self.s3.server.endpoint, bucket or self.s3.bucket, *map(str, args)],
                           env={**os.environ, **self.s3.env, **extra, **(env or {})}, capture_output=True, timeout=60,
                           preexec_fn=die_with_parent)
        assert b"Sanitizer" not in r.stderr and b"runtime error" not in r.stderr, r.stderr.decode()
        assert r.returncode == (0 if ok else 1), (r.stdout, r.stderr)
        return json.loads(r.stdout)

    def file(self, data, name="file"):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def got(self, *args, **kw):
        path = self.folder / "out"
        result = self("get", args[0], path, *args[1:], **kw)
        return path.read_bytes(), result


@pytest.fixture
def call(s3, tmp_path):
    return Caller(s3, tmp_path)


def data_of(size, seed=1):
    return hashlib.shake_128(str(seed).encode()).digest(size)


def requests(result):
    return {k: v for k, v in result["counters"]["requests"].items() if k != "total"}


@pytest.mark.parametrize("size", [0, 1, 65536, 128 * 1024, 300_001, 9 * MIB])
@pytest.mark.parametrize("how", ["put", "put-memory"])
def test_put(call, size, how):
    data = data_of(size)
    result = call(how, "a/b", call.file(data))
    assert call.s3.get("a/b") == data
    assert result["etag"] == call.s3.head("a/b")["ETag"]
    assert "ContentEncoding" not in call.s3.head("a/b")
    assert requests(result) == {"PutObject": 1}


def test_metadata(call):
    call("put-memory", "k", call.file(b"x"), "file-mtime=1ns", "a=b c")
    assert call.s3.head("k")["Metadata"] == {"file-mtime": "1ns", "a": "b c"}
    assert call("head", "k")["meta"] == {"file-mtime": "1ns", "a": "b c"}


@pytest.mark.parametrize("off,length", [(0, 0), (0, 10), (5, 100), (99_990, 100), (17, 0)])
def test_get(call, off, length):
    data = data_of(100_000)
    call.s3.put("k", data)
    got, result = call.got("k", off, length)
    assert got == (data[off:off + length] if length else data[off:])
    assert result["size"] == len(data) and result["etag"] == call.s3.head("k")["ETag"]
    assert result["headers_seen"] == 1 and requests(result) == {"GetObject": 1}


def test_get_in_parallel(call):
    data = data_of(20 * MIB + 3)
    call.s3.put("big", data)
    result = call("get-parallel", "big", call.folder / "out", 2 * MIB)
    assert (call.folder / "out").read_bytes() == data
    assert requests(result) == {"HeadObject": 1, "GetObject": 11}
    assert result["counters"]["bytes_down"] == len(data)


def test_beyond_the_end(call):
    call.s3.put("k", b"abc")
    call.s3.put("empty", b"")
    assert call("get", "k", call.folder / "out", 3, 10, ok=False)["errno"] == 34
    result = call("get", "empty", call.folder / "out", 0, 65536, ok=False)
    assert result["errno"] == 34 and result["size"] == 0


def test_missing(call):
    for args in (("head", "nope"), ("get", "nope", call.folder / "out")):
        result = call(*args, ok=False)
        assert result["errno"] == 2 and "nope" in result["error"]
    call("delete", "nope")


KEYS = ["we ird/\u00fc+%2F a&b?x=1#z~!*()'.txt", 'quo"te<x>', "tab\tnew\nline", "a b+c", "-/x", "%41"]


def test_strange_keys(call):
    for key in KEYS:
        call("put", key, call.file(key.encode()))
        assert call.s3.get(key) == key.encode()
        assert call.got(key)[0] == key.encode()
    assert sorted(e["key"] for e in call("list", "")["entries"]) == sorted(KEYS)
    for key in KEYS:
        call("copy", key, key + "-2")
        assert call.s3.get(key + "-2") == key.encode()


def test_list(call):
    keys = [f"d/{i:03}" for i in range(25)] + ["d/sub/x", "d/sub/y", "d-/z", "e"]
    for key in keys:
        call.s3.put(key, b"12345")
    result = call("list", "d/", "/", 10)
    entries = result["entries"]
    assert sorted(e["key"] for e in entries if not e["is_prefix"]) == keys[:25]
    assert [e["key"] for e in entries if e["is_prefix"]] == ["d/sub/"]
    assert all(e["size"] == 5 and e["etag"] for e in entries if not e["is_prefix"])
    assert result["pages"] == 3 and requests(result) == {"ListObjectsV2": 3}
    head = call("head", "e")
    assert head["mtime_ns"] == call("list", "e")["entries"][0]["mtime_ns"]


@pytest.mark.parametrize("checksum", ["crc64nvme", "crc32", "crc32c", "whenRequired"])
def test_multipart(call, checksum):
    data = data_of(12 * MIB + 7)
    result = call("mpu", "big", call.file(data), 5 * MIB, checksum=checksum)
    assert call.s3.get("big") == data
    assert result["etag"] == call.s3.head("big")["ETag"]
    assert requests(result) == {"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}
    assert call.got("big", checksum=checksum)[0] == data


def test_multipart_of_copies(call):
    data = data_of(12 * MIB + 7)
    call("mpu", "big", call.file(data), 5 * MIB)
    call("mpu-copy", "big", "other", 6 * MIB)
    assert call.got("other")[0] == data and call.s3.get("other") == data


def test_aborted_upload_leaves_nothing(call):
    call("mpu-abort", "k")
    assert call.s3.uploads() == [] and call("mpu-list")["entries"] == []


def test_copy(call):
    call.s3.put("a", b"data", Metadata={"x": "1"}, ContentType="text/x-a")
    assert call("copy", "a", "b")["etag"] == call.s3.head("b")["ETag"]
    assert call.s3.head("b")["Metadata"] == {"x": "1"} and call.s3.head("b")["ContentType"] == "text/x-a"
    call("copy", "a", "c", "y=2")
    assert call.s3.head("c")["Metadata"] == {"y": "2"}


def test_delete_many(call):
    keys = [f"k{i}" for i in range(30)] + ["a&b<c>"]
    for key in keys:
        call.s3.put(key, b"x")
    result = call("delete-many", *keys, "never-was")
    assert call.s3.keys() == [] and result["delete_failed"] == 0
    assert requests(result) == {"DeleteObjects": 1}


def test_conditions(call):
    path = call.file(b"new")
    call("put", "k", path, "IF-NONE-MATCH:*")
    assert call("put", "k", path, "IF-NONE-MATCH:*", ok=False)["errno"] == 17
    etag = call("head", "k")["etag"]
    call("put", "k", call.file(b"newer"), etag)
    result = call("put", "k", path, etag, ok=False)
    assert result["errno"] == 116 and "changed" in result["error"]
    assert call.s3.get("k") == b"newer"
    assert call("get", "k", call.folder / "out", 0, 2, etag, ok=False)["errno"] == 116


def test_wrong_secret(call):
    for args in (("head-bucket",), ("list", ""), ("get", "k", call.folder / "out"), ("put", "k", call.file(b"x"))):
        result = call(*args, ok=False, env={"AWS_SECRET_ACCESS_KEY": "NotThisOne"})
        assert result["errno"] == 13 and "check AWS_SECRET_ACCESS_KEY" in result["error"]
        assert "NotThisOne" not in result["error"]


def test_wrong_key(call):
    result = call("head-bucket", ok=False, env={"AWS_ACCESS_KEY_ID": "NOBODY"})
    assert result["errno"] == 13 and "'NOBODY'" in result["error"]


def test_wrong_bucket(call):
    result = call("head-bucket", ok=False, bucket="no-such-bucket-here")
    assert result["errno"] == 2 and "no-such-bucket-here" in result["error"] and "check its name" in result["error"]


def test_unreachable(call):
    result = call("head-bucket", ok=False, endpoint="http://127.0.0.1:1", attempts=2)
    assert result["errno"] == 5 and "127.0.0.1:1" in result["error"] and "check the endpoint" in result["error"]
    assert requests(result) == {"HeadBucket": 2}


def test_wrong_region_is_found_out(gw, tmp_path):
    call = Caller(gw, tmp_path)
    gw.put("k", b"data")
    assert call.got("k", env={"AWS_REGION": "eu-west-1"})[0] == b"data"


def test_cancel_while_the_server_is_silent(call):
    call.s3.put("k", b"x")
    call.s3.server.pause()
    try:
        result = call("get", "k", call.folder / "out", ok=False, cancel_ms=300)
    finally:
        call.s3.server.resume()
    assert result["errno"] == 125


def test_deadline_while_the_server_is_silent(call):
    call.s3.server.pause()
    try:
        result = call("head", "k", ok=False, deadline_ms=500)
    finally:
        call.s3.server.resume()
    assert result["errno"] == 110


def test_a_server_that_comes_back(gw, tmp_path):
    call = Caller(gw, tmp_path)
    gw.put("k", b"data")
    gw.server.kill()
    with ThreadPoolExecutor(1) as pool:  # the server belongs to the thread that starts it
        answer = pool.submit(call.got, "k", attempts=12)
        time.sleep(0.3)
        gw.server.start_again()
        data, result = answer.result()
    assert data == b"data" and result["counters"]["retries"] >= 1
