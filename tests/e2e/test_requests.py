"""Requests a cold session sends, counted twice: at the server, from its own access log, and in the broker's debug log.
The session's own HeadBucket is left out of both."""
import os
import time

import pytest

pytestmark = pytest.mark.sanitized


def total(requests):
    return sum(requests.values())


def counted(server, mark):
    return {k: v for k, v in server.requests(mark).items() if k not in ("HeadBucket", "total")}


@pytest.fixture
def cost(s3):
    """cost(argv): what running it in a session of its own cost, by operation."""

    def measure(script, setup=lambda: None, check=True):
        setup()
        mark = s3.server.mark()
        r = s3.run(["/usr/bin/python3", "-S", "-c", f"import os\n{script}"], check=check)
        at_server = counted(s3.server, mark)
        for _ in range(100):  # radosgw's threads write their lines when they come to it
            if total(at_server) >= total(r.requests):
                break
            time.sleep(0.05)
            at_server = counted(s3.server, mark)
        assert at_server == dict(r.requests), "server and broker count alike"
        # What the program has to do to see the same by s3run --stats.
        assert {k: v for k, v in r.stats["requests"].items() if k not in ("HeadBucket", "total") and v} == at_server
        return at_server

    return measure


def test_read_4_kib(s3, cost):
    s3.put("d/f", b"x" * 4096)
    assert cost("fd = os.open('/s3/d/f', os.O_RDONLY); assert len(os.read(fd, 9999)) == 4096; os.close(fd)") == {"GetObject": 1}


def test_read_with_its_directory_full(s3, cost):
    for i in range(5):
        s3.put(f"d/f{i}", b"x" * 100)
    assert cost("for i in range(5):\n  os.read(os.open(f'/s3/d/f{i}', 0), 100)") == {"GetObject": 5}


def test_open_missing(s3, cost):
    counts = cost("try: os.open('/s3/none', os.O_RDONLY)\nexcept FileNotFoundError: pass\nelse: raise SystemExit(1)")
    assert total(counts) <= 2


def test_stat(s3, cost):
    s3.put("d/f", b"x" * 10)
    counts = cost("assert os.stat('/s3/d/f').st_size == 10")
    assert total(counts) <= 2


def test_stat_again_is_free(s3, cost):
    s3.put("d/f", b"x" * 10)
    assert total(cost("for i in range(20): os.stat('/s3/d/f')")) <= 2


def test_list_a_thousand_names(s3, cost):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: s3.put(f"d/f{i:04}", b"x"), range(1000)))
    assert cost("assert len(os.listdir('/s3/d')) == 1000") == {"ListObjectsV2": 1}
    assert cost("os.stat('/s3/d'); assert len(os.listdir('/s3/d')) == 1000") == {"HeadObject": 1, "ListObjectsV2": 1}


def test_create_in_a_cold_folder(s3, cost):
    s3.put("d/other", b"x")
    counts = cost("fd = os.open('/s3/d/new', os.O_WRONLY | os.O_CREAT); os.write(fd, b'x' * 4096); os.close(fd)")
    assert counts == {"ListObjectsV2": 1, "PutObject": 1}
    assert s3.get("d/new") == b"x" * 4096


def test_create_in_a_known_folder(s3, cost):
    s3.put("d/other", b"x")
    counts = cost("""
for i in range(10):
    fd = os.open(f'/s3/d/new{i}', os.O_WRONLY | os.O_CREAT)
    os.write(fd, b'x' * 4096)
    os.close(fd)""")
    assert counts == {"ListObjectsV2": 1, "PutObject": 10}


def test_rename(s3, cost):
    s3.put("d/old", b"x" * 100)
    counts = cost("os.rename('/s3/d/old', '/s3/d/new')")
    assert counts.get("CopyObject") == 1 and counts.get("DeleteObject") == 1 and total(counts) <= 3
    assert s3.keys() == ["d/new"]


def test_unlink_of_a_listed_file(s3, cost):
    s3.put("d/a", b"x")
    s3.put("d/b", b"x")
    listed = cost("os.listdir('/s3/d')")
    counts = cost("os.listdir('/s3/d'); os.unlink('/s3/d/a')")
    assert counts.get("DeleteObject") == 1
    assert total(counts) - total(listed) == 1
    assert s3.keys() == ["d/b"]


def test_rm_r_in_the_background_is_few_requests(s3):
    for i in range(60):
        s3.put(f"d/f{i}", b"x")
    s3.put("e/kept", b"x")
    r = s3.sh("rm -r $S3/d; ls $S3", options=("--commit", "background", "--ttl", "600s"))
    assert r.out == "e\n"
    assert s3.keys() == ["e/kept"]
    assert r.requests["DeleteObject"] <= 1 and r.requests["DeleteObjects"] <= 5


def test_a_session_that_touches_nothing(s3, cost):
    assert cost("os.stat('/usr')") == {}


def test_large_sequential_read_fetches_each_byte_once(gw, versitygw):
    gw.put("big", b"x" * (50 << 20))
    r = gw.python("f = open('/s3/big', 'rb', buffering=0)\nwhile f.read(65536): pass")
    assert r.stats["bytes_down"] == 50 << 20
    assert r.requests["GetObject"] <= 16 and set(r.requests) <= {"GetObject", "HeadObject", "ListObjectsV2"}


def test_random_read_fetches_little(gw):
    gw.put("big", b"x" * (50 << 20))
    r = gw.python("import os\nfd = os.open('/s3/big', os.O_RDONLY)\n"
                  "for i in range(20): assert os.pread(fd, 100, (i * 7919 % 50) * 1000000) == b'x' * 100")
    assert r.stats["bytes_down"] < 6 << 20


BIG = 40 << 20


@pytest.fixture
def changed(s3):
    """changed(script): (requests, bytes up, bytes down) of changing an object of BIG bytes, and what it holds then."""

    def measure(script):
        data = os.urandom(1 << 20) * (BIG >> 20)
        s3.put("d/big", data)
        r = s3.run(["/usr/bin/python3", "-S", "-c", f"import os\n{script}"])
        counts = dict(r.requests)
        assert s3.uploads() == []
        return counts, r.stats["bytes_up"], r.stats["bytes_down"], data, s3.get("d/big")

    return measure


LOOK = {"ListObjectsV2", "HeadObject"}  # is it there, what is it: side by side


def only(counts, **want):
    """The requests beside LOOK's are these; of LOOK's there is at most one each."""
    assert all(counts.get(k, 0) <= 1 for k in LOOK), counts
    assert {k: v for k, v in counts.items() if k not in LOOK} == want, counts


def test_append_to_a_large_object(changed):
    """The same for all up to 1 GiB: LIST and HEAD; Create; UploadPartCopy and UploadPart; Complete, in four round trips."""
    counts, up, down, old, new = changed("fd = os.open('/s3/d/big', os.O_WRONLY | os.O_APPEND); os.write(fd, b'!'); os.close(fd)")
    assert new == old + b"!"
    only(counts, CreateMultipartUpload=1, UploadPartCopy=1, UploadPart=1, CompleteMultipartUpload=1)
    assert up + down < 6 << 20


def test_append_to_a_gibibyte(gw):
    """S3SHIM_APPEND_MIB: of how many MiB the object is; made of copies on the server."""
    mib = int(os.environ.get("S3SHIM_APPEND_MIB", "128"))
    where = {"Bucket": gw.bucket, "Key": "d/big"}
    gw.put("piece", b"x" * (64 << 20))
    upload = {**where, "UploadId": gw.client.create_multipart_upload(**where)["UploadId"]}
    parts = [{"PartNumber": n, "ETag": gw.client.upload_part_copy(**upload, PartNumber=n, CopySource=f"{gw.bucket}/piece")
              ["CopyPartResult"]["ETag"]} for n in range(1, mib // 64 + 1)]
    gw.client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    r = gw.python("import os\nfd = os.open('/s3/d/big', os.O_WRONLY | os.O_APPEND)\nos.write(fd, b'!')\nos.close(fd)")
    assert sum(r.requests.values()) <= 6 and r.stats["bytes_up"] + r.stats["bytes_down"] < 6 << 20, r
    assert gw.head("d/big")["ContentLength"] == (mib << 20) + 1
    assert gw.client.get_object(**where, Range="bytes=-3")["Body"].read() == b"xx!"


def test_overwrite_in_the_middle_of_a_large_object(changed):
    counts, up, down, old, new = changed("fd = os.open('/s3/d/big', os.O_WRONLY); os.pwrite(fd, b'!', 20 << 20); os.close(fd)")
    assert new == old[:20 << 20] + b"!" + old[(20 << 20) + 1:]
    counts.pop("GetObject")
    only(counts, CreateMultipartUpload=1, UploadPartCopy=2, UploadPart=1, CompleteMultipartUpload=1)
    assert up <= 5 << 20 and down <= 5 << 20


def test_cut_of_a_large_object(changed):
    counts, up, down, old, new = changed("os.truncate('/s3/d/big', 33_000_001)")
    assert new == old[:33_000_001]
    only(counts, CreateMultipartUpload=1, UploadPartCopy=1, CompleteMultipartUpload=1)
    assert up + down == 0


def test_growth_of_a_large_object(changed):
    counts, up, down, old, new = changed(f"os.truncate('/s3/d/big', {BIG} + 1000)")
    assert new == old + b"\0" * 1000
    only(counts, CreateMultipartUpload=1, UploadPartCopy=1, UploadPart=1, CompleteMultipartUpload=1)
    assert up + down < 6 << 20
