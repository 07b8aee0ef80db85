"""The cache that sessions share: what one has read, the next takes from the cache folder, or the cache file, if the server
still has that version. What came from the server, its own access log and the broker's counters say."""
import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from conftest import BUILD
from servers import die_with_parent

MIB = 1 << 20
BIG = os.urandom(MIB) * 20
READ = "import sys\nsys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"


@pytest.fixture(params=["folder", "file"])
def cache(request, gw):
    """The options that ask for it, in each of its two places."""
    file = ["--cloud-cache-file", gw.scratch / "shared"] if request.param == "file" else []
    return ["--max-cloud-cache-size", "64M", *file]


FOLDER = ["--max-cloud-cache-size", "64M"]


def asked(mount, mark):
    """Operations at the server since `mark`, without the sessions' own HeadBucket."""
    return [op for op, bucket, *_ in mount.server.requests(mark, detail=True) if bucket == mount.bucket and op != "HeadBucket"]


def read(gw, key, options, **kw):
    """What a session of its own reads of it, and what that cost: (result, operations at the server)."""
    mark = gw.server.mark()
    r = gw.run(["/usr/bin/python3", "-S", "-c", READ, gw.path(key)], options=options, **kw)
    return r, asked(gw, mark)


def entries(gw):
    return [p for p in (gw.scratch / "cache/objects").iterdir() if len(p.name) == 64]


def on_disk(gw):
    paths = [gw.scratch / "shared", *(gw.scratch / "cache/objects").glob("*")]
    return sum(p.stat().st_blocks * 512 for p in paths if p.exists())


def test_a_second_session_fetches_no_byte(gw, cache):
    gw.put("d/big", BIG)
    first, _ = read(gw, "d/big", cache)
    assert first.stdout == BIG and first.stats["shared_cache_stored_bytes"] == len(BIG)
    second, at_server = read(gw, "d/big", cache)
    assert second.stdout == BIG
    assert at_server == ["HeadObject"]
    assert second.stats["bytes_down"] == 0 and second.stats["shared_cache_bytes"] == len(BIG)
    assert second.stats["shared_cache_hits"] == 1 and second.stats["shared_cache_stored_bytes"] == 0


def test_nothing_is_kept_unless_asked_for(gw):
    gw.put("k", b"x" * 1000)
    r, _ = read(gw, "k", [])
    assert r.stats["shared_cache_stored_bytes"] == 0 and os.listdir(gw.scratch / "cache") == []


def test_a_replaced_object_is_fetched_anew(gw, cache):
    gw.put("k", b"old" * 100_000)
    read(gw, "k", cache)
    gw.put("k", b"new" * 100_000)
    r, at_server = read(gw, "k", cache)
    assert r.stdout == b"new" * 100_000 and at_server[0] == "HeadObject" and "GetObject" in at_server
    r, at_server = read(gw, "k", cache)
    assert r.stdout == b"new" * 100_000 and at_server == ["HeadObject"]
    gw.client.delete_object(Bucket=gw.bucket, Key="k")
    r, _ = read(gw, "k", cache, check=False)
    assert r.status == 1 and "FileNotFoundError" in r.err


def damage(path):
    """A bit of each 64 KiB that is data."""
    with open(path, "r+b") as f:
        size, at = os.fstat(f.fileno()).st_size, 2 * MIB if path.stat().st_size >= 64 * MIB else 40_000
        while at < size:
            try:
                at = max(at, os.lseek(f.fileno(), at, os.SEEK_DATA))
            except OSError:
                break
            byte = os.pread(f.fileno(), 1, at)[0]
            os.pwrite(f.fileno(), bytes([byte ^ 4]), at)
            at += 65536


def test_damaged_content_is_fetched_anew(gw, cache):
    gw.put("k", BIG)
    read(gw, "k", cache)
    damage(gw.scratch / "shared" if len(cache) > 2 else entries(gw)[0])
    r, at_server = read(gw, "k", cache)
    assert r.stdout == BIG and r.stats["shared_cache_thrown_away"] == 1 and "GetObject" in at_server
    r, at_server = read(gw, "k", cache)
    assert r.stdout == BIG and r.stats["shared_cache_thrown_away"] == 0 and at_server == ["HeadObject"]


def test_entries_are_the_owners_and_nobody_elses(gw):
    gw.put("k", b"x" * 1000)
    read(gw, "k", FOLDER)
    entry, = entries(gw)
    assert entry.parent.stat().st_mode & 0o7777 == 0o700 and entry.stat().st_mode & 0o7777 == 0o600
    entry.chmod(0o644)
    r, _ = read(gw, "k", FOLDER)
    assert r.stdout == b"x" * 1000 and r.stats["shared_cache_thrown_away"] == 1 and r.stats["shared_cache_hits"] == 0


def test_the_bound_is_held(gw, cache):
    """The smaller one of a later session, too."""
    cache[1] = "5M"
    for i in range(8):
        gw.put(f"d/{i}", bytes([65 + i]) * (MIB + i))
    for i in range(8):
        r, _ = read(gw, f"d/{i}", cache)
        assert r.stdout == bytes([65 + i]) * (MIB + i)
        assert on_disk(gw) <= 5 * MIB + 65536
    r, at_server = read(gw, "d/7", cache)
    assert at_server == ["HeadObject"]
    cache[1] = "4M"
    read(gw, "d/0", cache)
    assert on_disk(gw) <= 4 * MIB + 65536


def test_metadata_that_changed_under_the_same_etag(gw):
    """As chmod and utimens of another session do it: a copy onto itself."""
    gw.put("k", b"x" * 1000, Metadata={"file-permissions": "0600", "file-mtime": "1000000000000"})
    read(gw, "k", FOLDER)
    etag = gw.head("k")["ETag"]
    gw.client.copy_object(Bucket=gw.bucket, Key="k", CopySource={"Bucket": gw.bucket, "Key": "k"}, MetadataDirective="REPLACE",
                          Metadata={"file-permissions": "0444", "file-mtime": "1234567890000"})
    assert gw.head("k")["ETag"] == etag
    r = gw.python("import os\nfd = os.open('/s3/k', 0)\ns = os.fstat(fd)\nprint(oct(s.st_mode & 0o777), int(s.st_mtime), os.read(fd, 3))",
                  options=FOLDER)
    assert r.out == "0o444 1234567890 b'xxx'\n" and r.requests["GetObject"] == 0


def test_what_was_written_is_there(gw, cache):
    gw.run(["/usr/bin/python3", "-S", "-c", "open('/s3/k', 'wb').write(b'0123456789' * 300_000)"], options=cache)
    r, at_server = read(gw, "k", cache)
    assert r.stdout == gw.get("k") == b"0123456789" * 300_000
    assert r.stats["bytes_down"] == 0 and at_server == ["HeadObject"]


def test_a_file_that_streams_through_a_small_memory(gw, cache):
    """Kept, though it never was here whole; and read from the cache through as little memory."""
    gw.put("k", BIG)
    first, _ = read(gw, "k", [*cache, "--memory", "4M"])
    assert first.stdout == BIG and first.stats["cache_dropped_bytes"] > 0
    second, at_server = read(gw, "k", [*cache, "--memory", "4M"])
    assert second.stdout == BIG and at_server == ["HeadObject"] and second.stats["bytes_down"] == 0


def test_mapped_and_sent_by_the_kernel(gw):
    gw.put("k", BIG)
    read(gw, "k", FOLDER)
    r = gw.python("import hashlib, mmap, os, sys\nfd = os.open('/s3/k', 0)\nprint(hashlib.md5(mmap.mmap(fd, 0, prot=mmap.PROT_READ)).hexdigest())\n"
                  "out = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)\nwhile os.sendfile(out, fd, None, 1 << 20): pass\n",
                  gw.scratch / "copy", options=FOLDER)
    assert r.out.strip() == gw.head("k")["ETag"].strip('"') and r.stats["bytes_down"] == 0
    r = gw.sh(f"cp $S3/k {gw.scratch}/second; cmp $S3/k {gw.scratch}/second; cmp $S3/k {gw.scratch}/copy || true", options=FOLDER)
    assert (gw.scratch / "second").read_bytes() == BIG and r.stats["bytes_down"] == 0


def test_a_change_in_the_middle_fetches_nothing(gw):
    gw.put("k", BIG)
    read(gw, "k", FOLDER)
    r = gw.python("import os\nfd = os.open('/s3/k', os.O_RDWR)\nos.pwrite(fd, b'changed', 6_000_000)\nos.close(fd)", options=FOLDER)
    assert r.stats["bytes_down"] == 0
    assert gw.get("k") == BIG[:6_000_000] + b"changed" + BIG[6_000_007:]


def test_several_sessions_at_once(gw, cache):
    """They store and read the same names, and none has a wrong byte."""
    cache[1] = "8M"
    for i in range(12):
        gw.put(f"d/{i}", bytes([65 + i]) * (MIB // 2 + i * 50_000))
    script = ("import sys\nfor n in range(24):\n  i = n * int(sys.argv[1]) % 12\n"
              "  assert open(f'/s3/d/{i}', 'rb').read() == bytes([65 + i]) * ((1 << 19) + i * 50_000), i")
    running = [gw.start(["/usr/bin/python3", "-S", "-c", script, str(k)], options=cache) for k in (1, 5, 7, 11)]
    for p in running:
        r = gw.finish(p)
        assert r.status == 0 and r.stats["shared_cache_thrown_away"] == 0, r
    assert on_disk(gw) <= 8 * MIB + 65536


def test_a_cache_file_that_cannot_be(gw):
    def fails(*options):
        r = gw.run(["true"], options=options, check=False)
        assert r.status == 125, r
        return r.err

    file = gw.scratch / "shared"
    assert "say how large" in fails("--cloud-cache-file", file) and "--max-cloud-cache-size" in fails("--cloud-cache-file", file)
    assert "say less with --max-cloud-cache-size" in fails("--cloud-cache-file", file, "--max-cloud-cache-size", "900T")
    file.write_bytes(b"my diary, which is no cache")
    file.chmod(0o600)
    assert "no cache of s3shim" in fails("--cloud-cache-file", file, "--max-cloud-cache-size", "64M")
    assert file.read_bytes() == b"my diary, which is no cache"


# assets

def assets_file(gw, path, **more):
    gw.scratch.joinpath("assets.json").write_text(json.dumps(
        {"assets": [{"source": f"s3://{gw.bucket}/data/x.csv", "target": str(path), **more}]}))
    return gw.scratch / "assets.json"


@pytest.mark.parametrize("more", [{}, {"read_only": False}], ids=["virtual", "copied"])
def test_an_asset_is_transferred_once(gw, cache, more):
    gw.put("data/x.csv", BIG)
    target = gw.scratch / "x.csv"
    gw.mount_options = lambda: ["--assets", assets_file(gw, target, **more)]
    gw.run(["cat", target], options=cache)
    for _ in range(3):
        mark = gw.server.mark()
        r = gw.run(["cat", target], options=cache)
        assert r.stdout == BIG and r.stats["bytes_down"] == 0
        assert set(asked(gw, mark)) == {"HeadObject"}


def stage(gw, options):
    r = subprocess.run([BUILD / "s3ctl", "stage", assets_file(gw, "/x.csv"), "--root", gw.scratch / "root", "--cache-dir",
                        gw.scratch / "cache", *options], capture_output=True, text=True, env=gw.base_env(), timeout=60,
                       preexec_fn=die_with_parent)
    assert r.returncode == 0, r
    return (gw.scratch / "root/x.csv").read_bytes()


def test_a_staged_asset_is_transferred_once(gw, cache):
    (gw.scratch / "root").mkdir()
    gw.put("data/x.csv", BIG)
    assert stage(gw, cache) == BIG
    mark = gw.server.mark()
    assert stage(gw, cache) == BIG
    assert asked(gw, mark) == ["HeadObject"]
    gw.put("data/x.csv", b"another")
    assert stage(gw, cache) == b"another"
    damage_or_not = gw.scratch / "shared" if len(cache) > 2 else entries(gw)[0]
    with open(damage_or_not, "r+b") as f:
        content = f.read()
        f.seek(content.rindex(b"another"))
        f.write(b"danger!")
    assert stage(gw, cache) == b"another"


def test_an_asset_of_a_version(s3):
    """Each version is an entry of its own, beside the newest."""
    try:
        s3.client.put_bucket_versioning(Bucket=s3.bucket, VersioningConfiguration={"Status": "Enabled"})
        versions = [s3.client.put_object(Bucket=s3.bucket, Key="data/x.csv", Body=body)["VersionId"] for body in (b"first" * 9999, b"second" * 9999)]
    except (ClientError, KeyError):
        pytest.skip("this server keeps no versions")
    target = s3.scratch / "x.csv"
    for transfers in (1, 0):
        for version, body in zip(versions, (b"first", b"second")):
            s3.mount_options = lambda: ["--assets", assets_file(s3, target, version_id=version)]
            r = s3.run(["cat", target], options=FOLDER)
            assert r.stdout == body * 9999 and r.requests["GetObject"] == transfers
