"""Quotas of a session. The witness is the bucket: what was accepted before a quota ended is there, and nothing beyond it."""
import json
import os

import pytest

pytestmark = pytest.mark.sanitized

TRY = """
import errno, os, sys, time
def t(name, f):
    try: r = f()
    except OSError as e: r = errno.errorcode[e.errno]
    else: r = 'ok' if r is None else r
    print(name, r)
def wr(p, data, how='wb', chunk=1 << 20):
    fd = os.open(p, os.O_WRONLY | os.O_CREAT | {'wb': os.O_TRUNC, 'ab': os.O_APPEND, 'r+b': 0}[how])
    done = 0
    try:
        while done < len(data):
            done += os.write(fd, data[done:done + chunk])
    except OSError as e:
        print('wrote', p, done, errno.errorcode[e.errno])
    finally:
        os.close(fd)
def rd(p):
    with open(p, 'rb') as f: return len(f.read())
"""


def results(r):
    return dict(line.rsplit(" ", 1) for line in r.out.splitlines())


def ended(r, what):
    """In the log, at s3run's end, and in the statistics."""
    sentence, = [s for s in r.stats["ended"] if f"quota of {what} " in s]
    assert f"s3run: {sentence}" in r.err and f"warn quota: {sentence}" in r.log, r
    return True


def test_written_ends_in_the_middle_of_a_file(gw):
    """What write(2) took is in the bucket; what it refused is not."""
    r = gw.python(TRY + """
wr('/s3/a', b'a' * (3 << 20))
wr('/s3/b', b'b' * (20 << 20), chunk=100_000)
t('c', lambda: wr('/s3/c', b'c' * 100_000))
t('read', lambda: rd('/s3/b'))
""", options=["--quota-written", "10M"])
    assert r.status == 0 and ended(r, "bytes written")
    wrote = [line.split() for line in r.out.splitlines() if line.startswith("wrote")]
    assert wrote[0][1] == "/s3/b" and wrote[0][3] == "EDQUOT" and wrote[1][1:] == ["/s3/c", "0", "EDQUOT"]
    assert gw.get("a") == b"a" * (3 << 20)
    assert gw.get("b") == b"b" * int(wrote[0][2])
    assert (10 << 20) - (3 << 20) - 100_000 < int(wrote[0][2]) <= 7 << 20
    assert gw.get("c") == b"" and f"read {wrote[0][2]}" in r.out
    assert r.stats["bytes_up"] <= 10 << 20


def test_written_by_many_at_once(gw):
    """No race gets beyond it, and what fits with room to spare is not refused."""
    r = gw.sh("""
for i in 1 2 3 4 5 6; do dd if=/dev/zero of=$S3/f$i bs=10000 count=100 status=none & done; wait
for i in 7 8 9; do (dd if=/dev/zero of=$S3/f$i bs=10000 count=100 status=none || true) 2>/dev/null & done; wait
""", options=["--quota-written", "8000000"])
    sizes = [len(gw.get(f"f{i}")) for i in range(1, 10)]
    assert sizes[:6] == [1000000] * 6 and all(size % 10000 == 0 for size in sizes) and sum(sizes[6:]) < 3000000
    assert sum(sizes) == r.stats["bytes_up"] <= 8000000 and ended(r, "bytes written")


def test_written_by_append(gw):
    gw.put("log", b"x" * 1000)
    r = gw.python(TRY + "wr('/s3/log', b'y' * 100_000, 'ab', chunk=1000)", options=["--quota-written", "50000"])
    data = gw.get("log")
    accepted = int(r.out.split()[2])
    assert r.status == 0 and "EDQUOT" in r.out and data == b"x" * 1000 + b"y" * accepted and len(data) <= 51000


def test_written_over_what_is_there(gw):
    """A small change of a file that goes as one PUT costs the PUT."""
    gw.put("f", b"x" * 1_000_000)
    r = gw.python(TRY + """
for i in range(3): wr('/s3/f', b'x' * 10, 'r+b')
for i in range(5): wr('/s3/f', b'%d' % i * 10, 'r+b')
""", options=["--quota-written", "3500000"])
    assert r.out.count("EDQUOT") == 2 and r.stats["bytes_up"] == 3_000_000
    assert gw.get("f") == b"2" * 10 + b"x" * 999_990


def test_written_beyond_by_stdio_is_kept(gw):
    """libc's own writes are counted when the file is closed: what is refused there is kept for s3ctl recover."""
    r = gw.run(["/usr/bin/awk", 'BEGIN { for (i = 0; i < 70000000 / 1000; i++) printf "%1000s", "x" >"/s3/f"; exit(close("/s3/f") != 0) }'],
               options=["--quota-written", "1M"], check=False)
    assert "s3://%s/f was not uploaded: the session's quota of bytes written" % gw.bucket in r.err, r
    assert "its data is kept in" in r.err and gw.keys() == [] and gw.uploads() == [] and ended(r, "bytes written")
    kept = r.err.split("its data is kept in '")[1].split("'")[0]
    assert os.path.getsize(kept) == 70_000_000


def test_read(gw):
    for i in range(10):
        gw.put(f"f{i}", b"x" * 100_000)
    r = gw.python(TRY + "for i in range(10): t(i, lambda: rd(f'/s3/f{i}'))", options=["--quota-read", "450000"])
    got = list(results(r).values())
    assert got == ["100000"] * 4 + ["EDQUOT"] * 6 and r.stats["bytes_down"] <= 450_000 and ended(r, "bytes read from the server")


def test_read_in_the_middle_of_a_file(gw):
    data = os.urandom(30 << 20)
    gw.put("f", data)
    r = gw.python("""
import errno, os, sys
fd = os.open('/s3/f', os.O_RDONLY)
try:
    while True:
        got = os.read(fd, 100_000)
        if not got: break
        os.write(1, got)
except OSError as e:
    sys.exit(0 if e.errno == errno.EDQUOT else 2)
""", options=["--quota-read", "8M"])
    assert 0 < len(r.stdout) <= 8 << 20 and data.startswith(r.stdout) and r.stats["bytes_down"] <= 8 << 20


def test_objects(gw):
    gw.put("there", b"x")
    r = gw.python(TRY + """
t('file', lambda: wr('/s3/a', b'a'))
t('folder', lambda: os.mkdir('/s3/d'))
t('replaced', lambda: wr('/s3/a', b'aa'))
t('failed', lambda: os.mkdir('/s3/d'))
t('moved', lambda: os.rename('/s3/there', '/s3/d/there'))
t('link', lambda: os.symlink('a', '/s3/l'))
t('file 2', lambda: wr('/s3/b', b'b'))
t('folder 2', lambda: os.mkdir('/s3/e'))
t('link 2', lambda: os.symlink('a', '/s3/m'))
t('old', lambda: wr('/s3/a', b'aaa'))
""", options=["--quota-objects", "3"])
    assert results(r) == {"file": "ok", "folder": "ok", "replaced": "ok", "failed": "EEXIST", "moved": "ok", "link": "ok",
                          "file 2": "EDQUOT", "folder 2": "EDQUOT", "link 2": "EDQUOT", "old": "ok"}
    assert gw.all_keys() == ["a", "d/", "d/there", "l"] and gw.get("a") == b"aaa" and ended(r, "objects created")


def test_object_size(gw):
    gw.put("big", b"x" * 3000)
    r = gw.python(TRY + """
wr('/s3/a', b'a' * 5000, chunk=300)
t('truncate', lambda: os.truncate('/s3/a', 2001))
t('truncate 2', lambda: os.truncate('/s3/a', 1999))
fd = os.open('/s3/b', os.O_WRONLY | os.O_CREAT)
t('fallocate', lambda: os.posix_fallocate(fd, 0, 5000))
t('pwrite', lambda: os.pwrite(fd, b'x', 1 << 40))
os.close(fd)
t('read', lambda: rd('/s3/big'))
""", options=["--quota-object-size", "2000"])
    assert "wrote /s3/a 1800 EFBIG" in r.out
    got = results(r)
    assert got["truncate"] == got["fallocate"] == got["pwrite"] == "EFBIG" and got["truncate 2"] == "ok" and got["read"] == "3000"
    assert gw.head("a")["ContentLength"] == 1999 and gw.get("b") == b"" and ended(r, "size of one object")


def test_requests(gw):
    for i in range(20):
        gw.put(f"f{i}", b"x")
    mark = gw.server.mark()
    r = gw.python(TRY + """
fd = os.open('/s3/new', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'accepted')
for i in range(20): t(i, lambda: rd(f'/s3/f{i}'))
t('more', lambda: os.write(fd, b'x' * (20 << 20)))
t('another', lambda: wr('/s3/another', b'x'))
os.close(fd)
""", options=["--quota-requests", "10"])
    got = results(r)
    assert list(got.values()).count("EDQUOT") >= 12 and ended(r, "requests")
    assert gw.get("new") == b"accepted", "what was accepted before is uploaded"
    assert gw.server.requests(mark)["total"] <= 11, "the ten, and the upload of what was accepted"


def test_time(gw):
    gw.put("f", b"x")
    r = gw.python(TRY + """
fd = os.open('/s3/new', os.O_WRONLY | os.O_CREAT)
os.write(fd, b'accepted')
t('before', lambda: rd('/s3/f'))
for _ in range(600):
    try: os.stat('/s3/f')
    except OSError: break
    time.sleep(.1)
for name, f in (('stat', lambda: os.stat('/s3/f')), ('read', lambda: rd('/s3/f')), ('ls', lambda: os.listdir('/s3')),
                ('new', lambda: wr('/s3/b', b'')), ('rm', lambda: os.unlink('/s3/f'))):
    t(name, f)
os.close(fd)
""", options=["--quota-time", "5s"])
    got = results(r)
    assert got.pop("before") == "1" and set(got.values()) == {"ETIMEDOUT"}, r
    assert gw.get("new") == b"accepted" and gw.keys() == ["f", "new"] and ended(r, "time")


def test_status_and_configuration(gw, eventually):
    import subprocess
    from conftest import BUILD

    config = {"quotaWritten": "1M", "quotaObjects": 5, "quotaTime": "1h", "quotaRead": 1000}
    (gw.scratch / "conf.json").write_text(json.dumps(config))
    p = gw.start(["bash", "-c", "echo x >/s3/f; touch ready; read line"], ["--config", gw.scratch / "conf.json"])
    eventually((gw.scratch / "ready").exists, seconds=60)
    out = subprocess.run([BUILD / "s3ctl", "status", "--json"], capture_output=True, env=gw.base_env(), check=True).stdout
    text = json.dumps(json.loads(out))
    assert '"written": {"used": 2, "limit": 1048576}' in text and '"objects": {"used": 1, "limit": 5}' in text, text
    assert gw.finish(p, b"\n").status == 0
    for options in (["--quota-objects", "0"], ["--quota-written", "0"], ["--quota-read", "lots"]):
        r = gw.run(["true"], options=options, check=False)
        assert r.status == 125 and "is not a" in r.err
