"""Programs that go through a folder in its order: what they need is asked for before they do, and nothing twice."""
from concurrent.futures import ThreadPoolExecutor

import pytest

pytestmark = pytest.mark.sanitized

PATIENT = ("--ttl", "600s")  # a slow machine must not change a count


def put_many(s3, keys, body=lambda key: key.encode()):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put(key, body(key)), keys))


def test_tar_is_a_get_a_file(s3):
    put_many(s3, [f"d/f{i:02}" for i in range(40)])
    r = s3.sh("tar -C $S3 -cf - d | tar -xOf - | md5sum; cat $S3/d/* | md5sum", options=PATIENT)
    sums = r.out.split()
    assert sums[0] == sums[2]
    assert r.requests["GetObject"] <= 82 and r.requests["HeadObject"] <= 12 and r.requests["ListObjectsV2"] <= 6
    assert r.stats["ahead_bytes"] > 0 and r.stats["ahead_wasted"] == 0


def test_cp_out_goes_by_inode_numbers(s3):
    put_many(s3, [f"d/f{i:02}" for i in range(40)])
    r = s3.sh(f"cp -r $S3/d {s3.scratch}/out; diff -r $S3/d {s3.scratch}/out", options=PATIENT)
    assert r.stats["ahead_bytes"] > 0
    assert r.requests["GetObject"] <= 85 and r.requests["HeadObject"] <= 85 and r.requests["ListObjectsV2"] <= 6


def test_files_in_no_order_are_fetched_alone(gw):
    put_many(gw, [f"d/f{i:02}" for i in range(40)])
    r = gw.sh("ls $S3/d; for i in 31 07 22 15 03 38; do cat $S3/d/f$i; done", options=PATIENT)
    assert r.requests["GetObject"] == 6 and r.stats["ahead_bytes"] == 0


def test_what_is_not_read_is_bounded_and_counted(gw):
    put_many(gw, [f"d/f{i:02}" for i in range(60)], lambda key: b"x" * 1000)
    r = gw.sh("ls $S3/d; cat $S3/d/f0[0-4]; sleep 0.3; cat $S3/d/f55", options=PATIENT)
    assert 0 < r.stats["ahead_wasted"] <= 16 * 1000


def test_a_change_in_between_is_seen(s3):
    put_many(s3, [f"d/f{i:02}" for i in range(20)])
    r = s3.sh("ls $S3/d >/dev/null; cat $S3/d/f0[0-3] >/dev/null; echo new >$S3/d/f05; rm $S3/d/f06; cat $S3/d/f04; cat $S3/d/f05;"
              " ! cat $S3/d/f06", options=PATIENT)
    assert r.out == "d/f04new\n"


def test_pages_of_a_large_folder(gw):
    put_many(gw, [f"d/f{i:04}" for i in range(2100)], lambda key: b"")
    r = gw.sh("ls -U $S3/d | sort | md5sum; ls -U $S3/d | wc -l", options=(*PATIENT, "--attributes", "list"))
    assert r.out.split()[2] == "2100"
    assert r.requests["ListObjectsV2"] <= 7 and r.requests["HeadObject"] <= 1


def test_ls_l_of_a_large_folder_asks_each_name_once(gw):
    put_many(gw, [f"d/f{i:04}" for i in range(1100)], lambda key: b"x")
    r = gw.sh("ls -lU $S3/d | wc -l", options=PATIENT)
    assert r.out.strip() == "1101"
    assert r.requests["ListObjectsV2"] <= 4 and r.requests["HeadObject"] <= 1105


def test_find_lists_each_folder_once(gw):
    put_many(gw, [f"t/a{i}/b{j}/f" for i in range(6) for j in range(4)], lambda key: b"")
    r = gw.sh("find $S3/t -name f | wc -l", options=PATIENT)
    assert r.out.strip() == "24"
    assert r.requests["ListObjectsV2"] <= 1 + 6 + 24 + 2


def test_a_symlink_is_found_by_its_type(s3):
    s3.put("d/file", b"target")
    s3.put("d/link", b"file", Metadata={"file-permissions": "0120777"})
    r = s3.sh("find $S3/d -type l; find $S3/d -type f; python3 -c 'import os,sys; print(sorted((e.name, e.is_symlink()) for e in os.scandir(sys.argv[1])))' $S3/d")
    assert r.out.split("\n")[:2] == ["/s3/d/link", "/s3/d/file"]
    assert "[('file', False), ('link', True)]" in r.out


def test_creating_in_a_folder_of_ones_own_is_a_put_each(s3):
    s3.put("other", b"x")
    r = s3.sh("mkdir $S3/new; for i in 1 2 3 4 5; do echo $i >$S3/new/$i; done", options=PATIENT)
    assert r.requests["PutObject"] == 6 and r.requests["ListObjectsV2"] + r.requests["HeadObject"] <= 4


def test_a_folder_that_is_open_goes_along_with_its_rename(s3):
    put_many(s3, ["d/a", "d/b"])
    r = s3.python("import os\nfd = os.open('/s3/d', os.O_RDONLY)\nos.rename('/s3/d', '/s3/e')\n"
                  "print(sorted(os.listdir(fd)), os.fstat(fd).st_ino == os.stat('/s3/e').st_ino)")
    assert r.out == "['a', 'b'] True\n"
