"""What becomes of files in the bucket: objects, parts, conditions, metadata."""
import base64
import hashlib
import os
import zlib

import pytest
from botocore.exceptions import ClientError


@pytest.mark.sanitized
def test_small_file_is_one_put(s3):
    r = s3.sh("echo x >$S3/f")
    assert r.requests["PutObject"] == 1 and r.requests["CreateMultipartUpload"] == 0


@pytest.mark.sanitized
def test_large_file_is_multipart(s3):
    data = os.urandom(1 << 20) * 45
    (s3.scratch / "in").write_bytes(data)
    r = s3.sh("cp in $S3/big")
    assert r.requests["CreateMultipartUpload"] == r.requests["CompleteMultipartUpload"] == 1 and r.requests["UploadPart"] >= 5
    assert r.stats["bytes_up"] == len(data), "every byte travels once"
    assert hashlib.sha256(s3.get("big")).digest() == hashlib.sha256(data).digest()
    assert "-" in s3.head("big")["ETag"]
    assert s3.uploads() == []


def test_a_file_larger_than_what_may_be_dirty(gw):
    gw.sh("dd if=/dev/urandom of=in bs=1M count=70 2>/dev/null; dd if=in of=$S3/big bs=1M 2>/dev/null; cp in $S3/copy",
          options=["--dirty-max", "8MiB"])
    data = (gw.scratch / "in").read_bytes()
    assert gw.get("big") == data and gw.get("copy") == data
    assert gw.uploads() == []


COPIES = {
    "cp": "cp $S3/big $S3/copy",
    "cp over a file": "echo old >$S3/copy; cp $S3/big $S3/copy",
    "cp -p": "cp -p $S3/big $S3/copy",
    "sendfile": "python3 -c 'import shutil; shutil.copyfile(\"/s3/big\", \"/s3/copy\")'",
    "copy_file_range": "python3 -c 'import os; os.copy_file_range(os.open(\"/s3/big\", 0), os.open(\"/s3/copy\", 65), 1 << 30)'",
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_within_a_bucket_do_not_travel(s3, how):
    data = os.urandom(1 << 20) * 30
    s3.put("big", data)
    r = s3.sh(COPIES[how])
    assert s3.get("copy") == data
    assert r.stats["bytes_up"] < 1000 and r.stats["bytes_down"] < 1 << 20, r.stats
    assert s3.uploads() == []


def test_move_between_mounts_of_one_bucket(s3):
    data = os.urandom(1 << 20) * 20
    s3.put("big", data)
    r = s3.sh("mv $S3/big /other/moved; cmp -n 100 /other/moved /other/moved", options=["--mount", f"/other=s3://{s3.bucket}/else"])
    assert s3.keys() == ["else/moved"] and s3.get("else/moved") == data
    assert r.stats["bytes_up"] < 1000 and r.stats["bytes_down"] < 1 << 20, r.stats


@pytest.mark.parametrize("checksum", ["crc64nvme", "crc32"])
@pytest.mark.parametrize("size", [1000, 30_000_001])
def test_the_store_has_a_checksum_of_the_whole_object(gw, checksum, size):
    data = os.urandom(1 << 20) * 29
    (gw.scratch / "in").write_bytes(data[:size])
    size = min(size, len(data))
    gw.sh("cp in $S3/f", options=["--checksum", checksum])
    headers = gw.client.head_object(Bucket=gw.bucket, Key="f", ChecksumMode="ENABLED")["ResponseMetadata"]["HTTPHeaders"]
    assert headers.get("x-amz-checksum-type", "FULL_OBJECT") == "FULL_OBJECT"
    value = base64.b64decode(headers[f"x-amz-checksum-{checksum}"])
    assert len(value) == (4 if checksum == "crc32" else 8)
    if checksum == "crc32":
        assert int.from_bytes(value, "big") == zlib.crc32(data[:size])
    assert gw.get("f") == data[:size]


def test_content_type_by_name(s3):
    s3.sh("echo x >$S3/page.html; head -c 20000000 /dev/zero >$S3/big.json; cp $S3/page.html $S3/copy.txt; echo y >>$S3/page.html")
    assert [s3.head(k)["ContentType"] for k in ("page.html", "big.json", "copy.txt")] == ["text/html", "application/json", "text/plain"]


def test_append_to_a_large_object_sends_the_tail_only(s3):
    data = os.urandom(1 << 20) * 40
    s3.put("big", data)
    r = s3.sh("echo tail >>$S3/big")
    assert s3.get("big") == data + b"tail\n"
    assert r.stats["bytes_up"] < 20 << 20 and r.stats["bytes_down"] < 20 << 20
    assert s3.uploads() == []


def test_change_in_the_middle_of_a_large_object(s3):
    data = bytearray(os.urandom(1 << 20) * 40)
    s3.put("big", bytes(data))
    s3.python("import os\nfd = os.open('/s3/big', os.O_RDWR)\nos.pwrite(fd, b'CHANGED', 20_000_001)\nos.close(fd)")
    data[20_000_001:20_000_008] = b"CHANGED"
    assert hashlib.sha256(s3.get("big")).digest() == hashlib.sha256(data).digest()
    assert s3.uploads() == []


def test_truncated_large_object(s3):
    data = os.urandom(1 << 20) * 30
    s3.put("big", data)
    s3.sh("truncate -s 12345678 $S3/big; stat -c %s $S3/big")
    assert s3.get("big") == data[:12345678]
    s3.sh("truncate -s 20000000 $S3/big")
    assert s3.get("big") == data[:12345678] + b"\0" * (20000000 - 12345678)


def test_written_at_random(s3):
    s3.python("""
import os, random
random.seed(7)
f = bytearray(3_000_000)
fd = os.open('/s3/f', os.O_RDWR | os.O_CREAT)
for i in range(300):
    off, n = random.randrange(2_900_000), random.randrange(1, 90_000)
    block = random.randbytes(n)
    f[off:off + n] = block
    os.pwrite(fd, block, off)
end = os.fstat(fd).st_size
assert os.pread(fd, end, 0) == f[:end]
os.close(fd)
open('expected', 'wb').write(f[:end])
""")
    assert s3.get("f") == (s3.scratch / "expected").read_bytes()


def test_unlinked_while_open_is_not_uploaded(s3):
    s3.python("import os\nf = open('/s3/f', 'wb')\nf.write(b'x' * 100)\nos.unlink('/s3/f')\nf.close()")
    assert s3.keys() == []


def test_renamed_while_open_lands_under_its_new_name(s3):
    s3.python("import os\nf = open('/s3/old', 'wb')\nf.write(b'one ')\nf.flush()\nos.rename('/s3/old', '/s3/new')\n"
              "f.write(b'two')\nf.close()")
    assert s3.keys() == ["new"] and s3.get("new") == b"one two"


def test_exclusive_create_loses_against_somebody_else(gw):
    """O_EXCL is If-None-Match at close: who comes second gets EEXIST there, and the first one's object stays."""
    p = gw.start(["/usr/bin/python3", "-c", """
import os
fd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT | os.O_EXCL)
os.write(fd, b'second')
open('ready', 'w').close()
input()
try:
    os.close(fd)
except FileExistsError:
    print('EEXIST')
"""])
    while not (gw.scratch / "ready").exists() and p.poll() is None:
        pass
    gw.put("f", b"first")
    r = gw.finish(p, b"\n")
    assert r.out == "EEXIST\n" and gw.get("f") == b"first"


def test_object_changed_by_somebody_else_while_written(gw):
    """A commit over a known version is If-Match: who loses gets ESTALE, the data is kept, the other's object stays."""
    gw.put("f", b"version 1")
    p = gw.start(["/usr/bin/python3", "-c", """
import errno, os
fd = os.open('/s3/f', os.O_RDWR)
os.pwrite(fd, b'MINE', 0)
open('ready', 'w').close()
input()
try:
    os.close(fd)
except OSError as e:
    print(errno.errorcode[e.errno])
"""])
    while not (gw.scratch / "ready").exists() and p.poll() is None:
        pass
    gw.put("f", b"version 2")
    r = gw.finish(p, b"\n")
    assert r.out == "ESTALE\n" and gw.get("f") == b"version 2"
    assert r.status == 74 and f"s3://{gw.bucket}/f" in r.err


def test_object_changed_by_somebody_else_while_read(s3):
    """Never a mix of two versions: ESTALE at the next range that must be fetched."""
    s3.put("f", b"1" * (40 << 20))
    p = s3.start(["/usr/bin/python3", "-c", """
import errno, os
fd = os.open('/s3/f', os.O_RDONLY)
assert os.pread(fd, 10, 0) == b'1' * 10
open('ready', 'w').close()
input()
try:
    got = os.pread(fd, 10, 39 << 20)
    print('whole' if got == b'1' * 10 else 'mixed')
except OSError as e:
    print(errno.errorcode[e.errno])
"""])
    while not (s3.scratch / "ready").exists() and p.poll() is None:
        pass
    s3.put("f", b"2" * (40 << 20))
    assert s3.finish(p, b"\n").out in ("ESTALE\n", "whole\n")


def test_metadata_is_kept(s3):
    s3.put("f", b"x", ContentType="text/x-special", Metadata={"mine": "kept", "file-permissions": "0640"})
    s3.sh("mv $S3/f $S3/g; chmod 600 $S3/g; echo more >>$S3/g")
    head = s3.head("g")
    assert head["ContentType"] == "text/x-special" and head["Metadata"]["mine"] == "kept"
    assert s3.sh("stat -c %a $S3/g").out == "600\n"


def test_mode_and_time_in_the_metadata(s3):
    s3.sh("echo x >$S3/f; chmod 750 $S3/f; touch -d @1500000000 $S3/f")
    meta = s3.head("f")["Metadata"]
    assert meta["file-permissions"].endswith("750") and int(meta["file-mtime"].rstrip("ns")[:10]) == 1500000000


def test_folders_stay_when_their_last_file_goes(gw):
    gw.put("d/e/a", b"x")
    gw.put("g/h/a", b"x")
    gw.sh("mv $S3/d/e/a $S3/b; stat $S3/d/e $S3/d; rm $S3/g/h/a; stat $S3/g/h $S3/g", options=["--ttl", "0s"])


def test_mode_that_is_set_behind_a_commit(s3):
    s3.python("import os\nfd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT, 0o755)\nos.fsync(fd)\nos.fchmod(fd, 0o640)")
    assert s3.head("f")["Metadata"]["file-permissions"].endswith("640")


def test_fsync_commits(gw, eventually):
    p = gw.start(["/usr/bin/python3", "-c", """
import os
fd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'durable')
os.fsync(fd)
open('ready', 'w').close()
input()
os.write(fd, b' and more')
"""])
    eventually((gw.scratch / "ready").exists)
    assert gw.get("f") == b"durable"
    gw.finish(p, b"\n")
    assert gw.get("f") == b"durable and more"


SYNCS = {
    "fsync": "os.fsync(fd)",
    "fdatasync": "os.fdatasync(fd)",
    "sync": "os.sync()",
    "syncfs": "assert ctypes.CDLL(None).syncfs(fd) == 0",
    "msync": "m = mmap.mmap(fd, 5)\nm[:5] = word\nm.flush()\nm.close()",
    "O_SYNC": "g = os.open('/s3/f', os.O_WRONLY | os.O_SYNC)\nos.write(g, word)",
    "O_DSYNC": "h = os.open('/s3/f', os.O_WRONLY | os.O_DSYNC)\nos.pwrite(h, word, 0)",
    "RWF_DSYNC": "os.pwritev(fd, [word], 0, os.RWF_DSYNC)",
}


def test_what_commits_while_the_file_is_open(s3, eventually):
    script = "import ctypes, mmap, os, time\nfd = os.open('/s3/f', os.O_RDWR | os.O_CREAT)\n"
    for i, (name, call) in enumerate(SYNCS.items()):
        script += (f"word = b'{i:5}'\nos.pwrite(fd, word, 0)\n{call}\nopen('did-{name}', 'w').close()\n"
                   f"while not os.path.exists('seen-{name}'): time.sleep(0.01)\n")
    p = s3.start(["/usr/bin/python3", "-c", script])
    for i, name in enumerate(SYNCS):
        eventually((s3.scratch / f"did-{name}").exists)
        assert s3.get("f") == f"{i:5}".encode(), name
        (s3.scratch / f"seen-{name}").touch()
    assert s3.finish(p, b"").status == 0


def test_exclusive_create_is_seen_at_once(gw, eventually):
    """--excl open: a lock file between sessions."""
    lock = "import os, sys\ntry: fd = os.open('/s3/lock', os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400)\nexcept FileExistsError: sys.exit(17)\n"
    p = gw.start(["/usr/bin/python3", "-c", lock + "open('ready', 'w').close()\ninput()\nos.write(fd, b'mine')"], options=["--excl", "open"])
    eventually((gw.scratch / "ready").exists)
    assert gw.get("lock") == b""
    assert gw.run(["/usr/bin/python3", "-c", lock], options=["--excl", "open"], check=False).status == 17
    gw.put("other", b"")
    assert gw.finish(p, b"\n").status == 0
    assert gw.get("lock") == b"mine"


def test_close_waits_for_the_upload(s3):
    s3.python("import os\nfd = os.open('/s3/f', os.O_WRONLY | os.O_CREAT)\nos.write(fd, b'x' * 1000)\nos.close(fd)\n"
              "import subprocess\n")
    assert s3.get("f") == b"x" * 1000


def test_close_returns_when_the_object_is_there(gw, eventually):
    p = gw.start(["bash", "-c", "echo x >/s3/f; touch ready; read line"])
    eventually((gw.scratch / "ready").exists)
    assert gw.get("f") == b"x\n"
    gw.finish(p, b"\n")


def test_directories(s3):
    s3.put("a/b/c/f", b"x")
    s3.client.put_object(Bucket=s3.bucket, Key="marked/", Body=b"")
    r = s3.sh("ls $S3; ls -d $S3/a/b; ls -A $S3/marked; mkdir $S3/made; rmdir $S3/marked; "
              "rmdir $S3/a 2>/dev/null || echo not empty; rm $S3/a/b/c/f; ls -d $S3/a/b/c")
    assert r.out.splitlines() == ["a", "marked", s3.path("a/b"), "not empty", s3.path("a/b/c")]
    assert s3.keys() == [] and "made/" in s3.all_keys() and "marked/" not in s3.all_keys()


def test_names_made_in_a_folder_that_is_open(gw):
    """The open's own listing, which proved that the folder is there, is old by then."""
    gw.put("sub/x", b"1")
    r = gw.python("""
import os, time
os.listdir('/s3/sub')
time.sleep(1.3)  # what is known of it is asked for again
fd = os.open('/s3/sub', os.O_RDONLY)
os.close(os.open('y', os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
os.mkdir('z', dir_fd=fd)
os.symlink('x', 'l', dir_fd=fd)
os.rename('/s3/sub/x', '/s3/sub/w')
print(*sorted(os.listdir(fd)))
""")
    assert r.out == "l w y z\n"


def test_object_that_is_also_a_prefix(s3):
    """`k` beside `k/c`: the object wins, its name is shown once. (versitygw cannot hold both.)"""
    s3.put("k", b"object")
    try:
        s3.put("k/c", b"below")
    except ClientError:
        assert s3.server.name == "versitygw"
        return
    assert s3.sh("ls $S3; cat $S3/k; test ! -d $S3/k").out == "k\nobject"


def test_keys_that_are_no_paths_are_hidden(radosgw, scratch):
    from conftest import S3Mount

    m = S3Mount(scratch, radosgw, "strange-keys")
    for key in ("ok", "a//b", "./x", "../y", "d/../z"):
        m.put(key, b"x")
    names = m.sh("find $S3 | sort").out.split()
    assert m.path("ok") in names and not any(n.endswith(("/b", "/x", "/y", "/z")) for n in names)


def test_listing_of_more_than_one_page(radosgw, scratch):
    from concurrent.futures import ThreadPoolExecutor
    from conftest import S3Mount

    m = S3Mount(scratch, radosgw, "pages")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: m.put(f"d/f{i}", b""), range(1234)))
    assert m.sh("ls $S3/d | wc -l; ls $S3/d | sort -u | wc -l").out == "1234\n1234\n"


def test_time_that_was_set_survives_an_open_for_writing(s3):
    r = s3.sh("""echo x >$S3/f; touch -m -d 2001-01-01 $S3/f; touch -a -d 2002-02-02 $S3/f; stat -c %Y $S3/f
: >>$S3/f; exec 5<>$S3/f; stat -L -c %Y /dev/fd/5; echo y >&5; stat -c %Y $S3/f""")
    first, second, written = map(int, r.out.split())
    assert first == second == 978307200 and written > first


def test_change_that_a_crc32c_does_not_see(gw):
    """Data with a checksum of itself, as an ext4 superblock, keeps its CRC32C whatever is written."""
    data = bytearray(os.urandom(200_000))
    gw.put("f", bytes(data))
    changed = bytearray(data)
    pattern = (1 | 0x82F63B78 << 1).to_bytes(5, "little")  # a multiple of the polynomial
    changed[1000:1005] = bytes(a ^ b for a, b in zip(changed[1000:1005], pattern))
    (gw.scratch / "changed").write_bytes(changed)
    gw.python("""
import os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
os.read(fd, 200_000)
os.pwrite(fd, open("changed", "rb").read()[1000:1005], 1000)
os.close(fd)
""", gw.path("f"))
    assert gw.get("f") == bytes(changed)


def test_a_refusal_that_is_no_conflict(gw):
    """versitygw cannot replace a name of 255 bytes and calls it a folder; that is no word about conditions."""
    name = "x" * 255
    gw.put(name, b"old")
    try:
        gw.put(name, b"new")
        pytest.skip("this server can")
    except ClientError as e:
        assert e.response["Error"]["Code"] == "ExistingObjectIsDirectory"
    r = gw.python(f"""
import errno, os
try:
    with open('/s3/{name}', 'r+b', buffering=0) as f:
        f.write(b'new')
except OSError as e:
    print(errno.errorcode[e.errno])
with open('/s3/other', 'w') as f:
    f.write('other')
""", check=False)
    assert (r.status, r.out) == (74, "EISDIR\n"), r
    assert "does not take conditions" not in r.log and "by somebody else" not in r.log + r.err
    assert gw.get(name) == b"old" and gw.get("other") == b"other"
