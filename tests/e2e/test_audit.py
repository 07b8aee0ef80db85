"""The audit log: a line for each request, compared with the server's own access log; one for each file that was closed; what a
full disk does."""
import json
import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.sanitized


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def of(log, event):
    return [line for line in log if line["event"] == event]


WORK = """
! cat $S3/none
mkdir $S3/d; echo hello >$S3/d/f; cat $S3/d/f $S3/big >/dev/null; ls -l $S3/d; mv $S3/d/f $S3/d/g
cp $S3/big $S3/d/big; head -c 20000000 /dev/zero >$S3/d/parts; rm -r $S3/d
"""


def test_every_request_is_there(gw):
    gw.put("big", os.urandom(3 << 20))
    audit = gw.scratch / "audit.json"
    mark = gw.server.mark()
    r = gw.sh(WORK, options=["--audit", audit])
    served = gw.server.requests(mark, detail=True)
    log = lines(audit)
    requests = of(log, "request")

    def key(operation, bucket, name, status):  # the server's log has no prefixes of listings, and 200 for all of its kind
        return operation, bucket, "" if operation in ("ListObjectsV2", "DeleteObjects") else name, 200 if status < 300 else status

    assert sorted(key(*s) for s in served) == sorted(key(q["operation"], q["bucket"], q["key"], q["status"]) for q in requests)
    assert len(requests) == r.stats["requests"]["total"] and not of(log, "refused")
    assert {line["session"] for line in log} == {re.search(r"session (\w{16}) begins", r.log)[1]}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]) for line in log)
    assert [line["time"] for line in log] == sorted(line["time"] for line in log)  # taken as they are written
    got = [q for q in requests if q["operation"] == "GetObject" and q["key"] == "big"]
    assert sum(q["received"] for q in got) >= 3 << 20 and {q["etag"] for q in got} == {gw.head("big")["ETag"]}
    assert sum(q["received"] for q in requests if q["operation"] == "GetObject" and q["status"] < 300) == r.stats["bytes_down"]
    assert sum(q["sent"] for q in requests if q["operation"] in ("PutObject", "UploadPart")) == r.stats["bytes_up"]
    missing, = [q for q in requests if q["key"] == "none" and q["operation"] == "GetObject"]
    assert (missing["status"], missing["error"], missing["received"] > 0) == (404, "NoSuchKey", True)
    copy, = [q for q in requests if q["operation"] == "CopyObject" and q["key"] == "d/g"]
    assert copy["source_bucket"] == gw.bucket and copy["source_key"] == "d/f" and copy["etag"]
    assert audit.stat().st_mode & 0o7777 == 0o600


def test_every_file_is_there(gw):
    gw.put("small", b"x" * 100)
    gw.put("d/big", b"x" * (1 << 20))
    audit = gw.scratch / "audit.json"
    gw.python("""
import os
open('/s3/small').read()
open('/s3/d/big', 'rb').read(10)
with open('/s3/d/new', 'wb') as f: f.write(b'y' * 5000)
fd = os.open('/s3/gone', os.O_WRONLY | os.O_CREAT); os.unlink('/s3/gone'); os.close(fd)
""", options=["--audit", audit])
    closed = {f["path"]: f for f in of(lines(audit), "close")}
    assert {p: (f["mode"], f["size"], f["error"]) for p, f in closed.items()} == {
        "/s3/small": ("read", 100, ""), "/s3/d/big": ("read", 1 << 20, ""), "/s3/d/new": ("write", 5000, ""), "/s3/gone": ("write", 0, "")}
    assert closed["/s3/d/new"]["etag"] == gw.head("d/new")["ETag"] and closed["/s3/d/new"]["key"] == "d/new"
    assert closed["/s3/d/big"]["granted"] >= 10 and closed["/s3/d/new"]["claimed"] <= 5000


def test_names_of_any_kind(gw):
    names = ['quote"back\\slash', "new\nline", "tab\tand\x7f", "caf\u00e9 \u65e5\u672c", "{\"a\": 1}", "\u2028", "%41&?#"]
    for i, name in enumerate(names):
        gw.put(name, b"x" * i)
    audit = gw.scratch / "audit.json"
    gw.python("import os\nfor n in sorted(os.listdir('/s3')): open('/s3/' + n).read()", options=["--audit", audit])
    log = lines(audit)
    assert {f["key"] for f in of(log, "close")} == set(names)
    assert {q["key"] for q in of(log, "request") if q["operation"] == "GetObject"} == set(names)
    assert {f["path"] for f in of(log, "close")} == {"/s3/" + n for n in names}


def test_what_was_refused(gw):
    gw.put("a/f", b"x")
    audit = gw.scratch / "audit.json"
    r = gw.sh("cat $S3/a/f; ! rm $S3/a/f; for i in 1 2 3 4 5 6 7 8; do ! cat $S3/a/$i || false; done",
              options=["--audit", audit, "--quota-requests", "5"])
    refused = of(lines(audit), "refused")
    assert {(q["error"], q["key"]) for q in refused} >= {("EDQUOT", "a/8")} and "quota of requests" in refused[-1]["reason"]
    assert len(of(lines(audit), "request")) == 5 == r.stats["requests"]["total"]


def test_no_secret_is_in_it(gw):
    gw.put("f", b"x")
    audit = gw.scratch / "audit.json"
    gw.sh("cat $S3/f; echo y >$S3/g; ! cat $S3/none", options=["--audit", audit])
    text = audit.read_text()
    for secret in (gw.server.secret_key, gw.server.access_key, "Signature", "Authorization", "AWS4"):
        assert secret not in text


def test_rotated_by_size(gw):
    audit = gw.scratch / "audit.json"
    gw.sh("for i in {1..30}; do echo x >$S3/f$i; done", options=["--audit", audit, "--audit-max", "4K", "--audit-keep", "3"])
    names = sorted(p.name for p in gw.scratch.glob("audit.json*"))
    assert names == ["audit.json", "audit.json.1", "audit.json.2", "audit.json.3"]
    assert all(p.stat().st_size <= 4096 and lines(p) for p in gw.scratch.glob("audit.json*"))
    order = [line["time"] for n in reversed(names) for line in lines(gw.scratch / n)]
    assert order == sorted(order)


def full(r):
    sentence, = [s for s in r.stats["ended"] if s.startswith("the audit log")]
    assert f"s3run: {sentence}" in r.err and f"warn audit: {sentence}" in r.log, r
    return sentence


def test_a_full_disk_drops(gw):
    gw.put("f", b"x")
    r = gw.sh("cat $S3/f; echo y >$S3/g; ls $S3", options=["--audit", "/dev/full", "--audit-full", "drop"])
    assert r.out == "xf\ng\n" and gw.get("g") == b"y\n"
    dropped = int(re.search(r"(\d+) lines were dropped", full(r))[1])
    assert dropped >= r.stats["requests"]["total"] and "lines are dropped" in r.log


def test_a_full_disk_stops(gw):
    """No request is sent that the log has no line of; what was written is kept."""
    gw.put("f", b"x")
    mark = gw.server.mark()
    r = gw.sh("! cat $S3/f; ! echo y >$S3/g; ! ls $S3", options=["--audit", "/dev/full"], check=False)
    assert r.stdout == b"" and "the session stopped" in full(r)
    assert gw.server.requests(mark) == {"HeadBucket": 1, "total": 1} and gw.keys() == ["f"]


def test_a_small_disk(gw):
    """A file system of its own: the last lines have room that was set aside."""
    disk = gw.scratch / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1600k", "none", disk], capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs")
    try:
        audit = disk / "audit.json"
        mark = gw.server.mark()
        r = gw.python("""
import os
for i in range(4000):
    try: os.close(os.open(f'/s3/{"n" * 200}{i}', os.O_WRONLY | os.O_CREAT))
    except OSError: break
""", options=["--audit", audit], check=False)
        requests = of(lines(audit), "request")
        assert "the session stopped, 0 lines were dropped" in full(r)
        assert len(requests) == gw.server.requests(mark)["total"] == r.stats["requests"]["total"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_what_is_wrong_with_it(gw):
    for options, sentence in ((["--audit", "/nonexistent/audit"], "the audit log '/nonexistent/audit': No such file"),
                              (["--audit", "/tmp"], "Is a directory"), (["--audit-full", "maybe"], "is not 'stop' or 'drop'")):
        r = gw.run(["true"], options=options, check=False)
        assert r.status == 125 and sentence in r.err, r
