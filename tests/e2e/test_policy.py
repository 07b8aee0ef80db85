"""What a mount's policy permits: verbs, buckets and prefixes. The witness is the bucket, and the server's access log: what is
not permitted is never asked for."""
import json
import os

import pytest

pytestmark = pytest.mark.sanitized

TRY = """
import errno, os, sys
def t(name, f):
    try: r = f()
    except OSError as e: r = errno.errorcode[e.errno]
    else: r = 'ok' if r is None or isinstance(r, int) else r
    print(name, r)
def rd(p):
    with open(p, 'rb') as f: return f.read().decode()
def wr(p, how='w'):
    with open(p, how) as f: f.write('new')
M = sys.argv[1]
"""

EACH = TRY + """
t('read', lambda: rd(M + '/d/f'))
t('readdir', lambda: ','.join(sorted(os.listdir(M + '/d'))))
t('stat', lambda: str(os.stat(M + '/d/f').st_size))
t('stat folder', lambda: os.stat(M + '/d') and None)
t('create', lambda: wr(M + '/d/n'))
t('replace', lambda: wr(M + '/d/g'))
t('append', lambda: wr(M + '/d/h', 'a'))
t('truncate', lambda: os.truncate(M + '/d/t', 1))
t('mkdir', lambda: os.mkdir(M + '/d/sub'))
t('chmod', lambda: os.chmod(M + '/d/c', 0o600))
t('utime', lambda: os.utime(M + '/d/c', (5, 5)))
t('symlink', lambda: os.symlink('f', M + '/d/l'))
t('rename', lambda: os.rename(M + '/d/r', M + '/d/r2'))
t('unlink', lambda: os.unlink(M + '/d/u'))
t('rmdir', lambda: os.rmdir(M + '/d/empty'))
t('access r', lambda: str(os.access(M + '/d/f', os.R_OK)))
t('access w', lambda: str(os.access(M + '/d/f', os.W_OK)))
"""
BEFORE = ["f", "g", "h", "t", "c", "r", "u"]


def prepare(volume):
    for name in BEFORE:
        volume.put(f"d/{name}", b"0123456789")
    if volume.kind == "s3":
        volume.put("d/empty/", b"")
    else:
        (volume.root / "d/empty").mkdir()


def results(r):
    return dict(line.rsplit(" ", 1) for line in r.out.splitlines())


@pytest.fixture(params=["file", "versitygw"])
def place(request, scratch):
    """A File volume or versitygw: one server's word is enough for what is never asked for."""
    return request.getfixturevalue("files" if request.param == "file" else "gw")


def attempt(volume, verbs, *options):
    prepare(volume)
    return results(volume.python(EACH, volume.point, options=["--allow", verbs, *options]))


def test_all_verbs(place):
    assert set(attempt(place, "read,write,list,delete").values()) == {
        "0123456789", "c,empty,f,g,h,r,t,u", "10", "ok", "True"}


def test_read_and_list(place):
    got = attempt(place, "read,list")
    assert got.pop("read") == "0123456789" and got.pop("readdir") == "c,empty,f,g,h,r,t,u" and got.pop("stat") == "10"
    assert got.pop("stat folder") == "ok" and got.pop("access r") == "True" and got.pop("access w") == "False"
    assert set(got.values()) == {"EACCES"}, got
    assert sorted(place.keys()) == sorted(f"d/{n}" for n in BEFORE)
    assert place.get("d/g") == b"0123456789"


def test_what_is_not_there(gw):
    """As on a disk: a folder that may not be written to is looked into first, a disk that is read-only is not."""
    script = TRY + "t('rm', lambda: os.unlink('/s3/none'))\nt('mv', lambda: os.rename('/s3/none', '/s3/n'))"
    for options, expected in (["--allow", "read,list"], "ENOENT"), (["--read-only"], "EROFS"):
        assert set(results(gw.python(script, gw.point, options=options)).values()) == {expected}


def test_read_only_stays_erofs(gw):
    got = attempt(gw, "read,list", "--read-only")
    assert got["create"] == "EROFS" and got["unlink"] == "EROFS" and got["read"] == "0123456789"


def test_no_delete(gw):
    got = attempt(gw, "read,write,list")
    assert {k for k, v in got.items() if v == "EACCES"} == {"rename", "unlink", "rmdir"}
    assert set(gw.keys()) == {f"d/{n}" for n in [*BEFORE, "n", "l"]} and gw.get("d/g") == b"new"


def test_no_read(gw):
    mark = gw.server.mark()
    got = attempt(gw, "write,list,delete")
    assert {k: v for k, v in got.items() if v == "EACCES"} == dict.fromkeys(
        ["read", "append", "truncate", "rename"], "EACCES")
    assert got["access r"] == "False" and got["stat"] == "10"
    assert "GetObject" not in gw.server.requests(mark), "nothing was read from the server"
    assert gw.get("d/g") == b"new" and gw.get("d/h") == b"0123456789" and "d/u" not in gw.keys()


def test_no_list(gw):
    mark = gw.server.mark()
    got = attempt(gw, "read,write,delete")
    assert got["read"] == "0123456789" and got["stat"] == "10" and got["create"] == "ok" and got["unlink"] == "ok"
    assert got["readdir"] in ("EACCES", "ENOENT") and got["stat folder"] == "ENOENT"
    assert "ListObjectsV2" not in gw.server.requests(mark)
    assert gw.get("d/n") == b"new" and "d/u" not in gw.keys()


def test_a_drop_box(gw):
    """write alone: what is there can be neither read nor listed nor replaced by accident."""
    prepare(gw)
    mark = gw.server.mark()
    r = gw.python(TRY + """
t('create', lambda: wr(M + '/d/n'))
t('read', lambda: rd(M + '/d/f'))
t('update', lambda: wr(M + '/d/f', 'r+'))
t('readdir', lambda: os.listdir(M))
t('unlink', lambda: os.unlink(M + '/d/f'))
""", "/s3", options=["--allow", "write"])
    got = results(r)
    assert got.pop("create") == "ok" and set(got.values()) == {"EACCES"}, got
    assert set(gw.server.requests(mark)) <= {"HeadBucket", "HeadObject", "PutObject", "total"}
    assert gw.get("d/n") == b"new" and gw.get("d/f") == b"0123456789"


def test_none(gw):
    prepare(gw)
    mark = gw.server.mark()
    r = gw.python(TRY + "t('read', lambda: rd(M + '/d/f')); t('stat', lambda: os.stat(M + '/d/f')); t('ls', lambda: os.listdir(M))\n"
                  "t('create', lambda: wr(M + '/x'))", "/s3", options=["--default-deny"])
    assert set(results(r).values()) == {"EACCES"}
    assert gw.server.requests(mark) == {"HeadBucket": 1, "total": 1}


PLACES = ["a/b/in", "a/b/c/in", "a/bc/out", "a/out", "x/out", "x/y/in", "out"]


def test_prefixes(gw):
    for key in PLACES:
        gw.put(key, key.encode())
    mark = gw.server.mark()
    r = gw.python(TRY + """
for d, n, f in os.walk(M):
    print('walk', os.path.relpath(d, M) + ':' + ','.join(sorted(n) + sorted(f)))
for p in ('a/b/in', 'a/b/c/in', 'a/bc/out', 'a/out', 'x/out', 'x/y/in', 'out', 'a/b/../out', 'a/b/../../out', 'nope', 'a/b/nope'):
    t(p, lambda: rd(M + '/' + p))
t('create above', lambda: wr(M + '/a/n'))
t('mkdir above', lambda: os.mkdir(M + '/n'))
t('mkdir way', lambda: os.mkdir(M + '/a'))
t('chmod way', lambda: os.chmod(M + '/a', 0o700))
t('rmdir way', lambda: os.rmdir(M + '/a'))
t('move way', lambda: os.rename(M + '/a', M + '/x/y/a'))
t('move in over way', lambda: os.rename(M + '/x/y/in', M + '/a'))
t('move out', lambda: os.rename(M + '/a/b/in', M + '/out2'))
t('move in', lambda: os.rename(M + '/out', M + '/a/b/out'))
t('link out', lambda: os.symlink('../out', M + '/a/b/l'))
t('through', lambda: rd(M + '/a/b/l'))
t('create in', lambda: wr(M + '/a/b/n'))
t('move among', lambda: os.rename(M + '/a/b/in', M + '/x/y/moved'))
""", "/s3", options=["--allow-prefixes", f"a/b, s3://{gw.bucket}/x/y,s3://other/out"])
    got = [line.split(" ", 1)[1] for line in r.out.splitlines() if line.startswith("walk")]
    assert got == [".:a,x", "a:b", "a/b:c,in", "a/b/c:in", "x:y", "x/y:in"]
    got = results(r)
    assert got["a/b/in"] == "a/b/in" and got["a/b/c/in"] == "a/b/c/in" and got["x/y/in"] == "x/y/in"
    assert got["a/b/nope"] == "ENOENT" and got["mkdir way"] == "EEXIST"
    assert got["create in"] == got["move among"] == got["link out"] == "ok"
    refused = ["a/bc/out", "a/out", "x/out", "out", "a/b/../out", "a/b/../../out", "nope", "create above", "mkdir above",
               "chmod way", "rmdir way", "move way", "move out", "move in", "through", "move in over way"]
    assert {k: got[k] for k in refused} == dict.fromkeys(refused, "EACCES")
    for op, bucket, key, status in gw.server.requests(mark, detail=True):
        assert op in ("HeadBucket", "ListObjectsV2") or key.startswith(("a/b", "x/y")), (op, key)
    listed = {attempt[2] for attempt in r.attempts if attempt[0] == "ListObjectsV2"}
    assert all(p.startswith(("a/b/", "x/y/")) for p in listed), listed
    assert {k for k in gw.keys() if "out" in k} == {"a/bc/out", "a/out", "x/out", "out"}


def test_buckets(gw):
    other, third = gw.server.make_bucket("other"), gw.server.make_bucket("third")
    for bucket in (gw.bucket, other, third):
        gw.client.put_object(Bucket=bucket, Key="k/f", Body=b"x")
    run = dict(options=["--mount", "/all=s3://", "--allow-buckets", f"{gw.bucket},{other}", "--allow-prefixes", f"s3://{other},k"])
    gw.mount_options = lambda: []
    mark = gw.server.mark()
    r = gw.python(TRY + f"""
print('ls', ','.join(sorted(os.listdir(M))))
print('top', ','.join(os.listdir(M + '/{gw.bucket}')))
t('in', lambda: rd(M + '/{gw.bucket}/k/f'))
t('other', lambda: rd(M + '/{other}/k/f'))
t('third', lambda: rd(M + '/{third}/k/f'))
t('ls third', lambda: os.listdir(M + '/{third}'))
t('copy', lambda: os.rename(M + '/{gw.bucket}/k/f', M + '/{third}/f'))
""", "/all", **run)
    got = results(r)
    assert got["ls"] == ",".join(sorted([gw.bucket, other])) and got["top"] == "k" and got["in"] == got["other"] == "x"
    assert got["third"] == got["ls third"] == got["copy"] == "EACCES"
    assert not [d for d in gw.server.requests(mark, detail=True) if d[1] == third]


def test_a_bucket_beyond_the_session_is_no_mount(gw):
    r = gw.run(["true"], options=["--allow-buckets", "elsewhere"], check=False)
    assert r.status == 125 and "none of the buckets and prefixes that are allowed" in r.err
    r = gw.run(["true"], options=["--prefix", "b", "--allow-prefixes", "a"], check=False)
    assert r.status == 125 and "none of the buckets and prefixes that are allowed" in r.err


def test_the_file_and_what_a_mount_says_besides(gw):
    gw.put("a/f", b"x")
    gw.put("b/f", b"x")
    config = {"verbs": ["read", "list", "write"], "allowedPrefixes": ["a", "b"],
              "sandboxMapping": {"": {
                  "/one": {"type": "S3", "bucketName": gw.bucket, "verbs": ["read", "delete"], "allowedPrefixes": "a,c"},
                  "/two": {"type": "S3", "bucketName": gw.bucket, "verbs": "list", "allowedPrefixes": []},
                  "/three": {"type": "S3", "bucketName": gw.bucket}}}}
    (gw.scratch / "conf.json").write_text(json.dumps(config))
    gw.mount_options = lambda: ["--config", gw.scratch / "conf.json"]
    r = gw.run(["true"], check=False)
    assert r.status == 125 and "'/two'" in r.err, r
    del config["sandboxMapping"][""]["/two"]
    (gw.scratch / "conf.json").write_text(json.dumps(config))
    r = gw.python(TRY + """
t('one a', lambda: rd('/one/a/f'))
t('one b', lambda: rd('/one/b/f'))
t('one ls', lambda: os.listdir('/one/a'))
t('one rm', lambda: os.unlink('/one/a/f'))
t('three ls', lambda: ','.join(os.listdir('/three')))
t('three rm', lambda: os.unlink('/three/a/f'))
t('three new', lambda: wr('/three/b/n'))
""", "")
    got = results(r)
    assert got["one a"] == "x" and got["three ls"] == "a,b" and got["three new"] == "ok"
    assert got["one b"] == got["one rm"] == got["three rm"] == "EACCES" and got["one ls"] == "ENOENT", got


def test_what_is_wrong_with_them(gw):
    for options, sentence in ((["--allow", "reed"], "'reed' is not a list of"), (["--allow-buckets", "a/b"], "no bucket's name"),
                              (["--allow-prefixes", "a/../b"], "has a part that is empty")):
        r = gw.run(["true"], options=options, check=False)
        assert r.status == 125 and sentence in r.err, r


def test_assets_obey(gw):
    gw.put("data/x", b"x")
    (gw.scratch / "assets.json").write_text(json.dumps({"assets": [
        {"source": f"s3://{gw.bucket}/data/x", "target": "/tmp/x.csv"}]}))
    gw.mount_options = lambda: ["--assets", gw.scratch / "assets.json"]
    for options, status in ((["--allow", "list"], 77), (["--allow-prefixes", "other"], 77), (["--allow-buckets", "other"], 77),
                            (["--allow", "read", "--default-deny", "--allow-prefixes", "data"], 0)):
        mark = gw.server.mark()
        r = gw.run(["cat", "/tmp/x.csv"], options=options, check=False)
        assert r.status == status, r
        assert status == 0 and r.out == "x" or "policy does not permit" in r.err and gw.server.requests(mark)["total"] == 0


def test_s3ctl_obeys(gw, eventually):
    import subprocess
    from conftest import BUILD

    gw.put("a/f", b"x")
    gw.put("b/f", b"x")
    p = gw.start(["bash", "-c", "touch ready; read line"], ["--allow", "read,list", "--allow-prefixes", "a"])
    eventually((gw.scratch / "ready").exists, seconds=60)

    def ctl(*args):
        r = subprocess.run([BUILD / "s3ctl", *args], input=b"", capture_output=True, cwd=gw.scratch, env=gw.base_env())
        return r.returncode, r.stdout.decode() + r.stderr.decode()

    assert ctl("ls", "/s3") == (0, "a\n") and ctl("cat", "/s3/a/f") == (0, "x")
    for args in (["cat", "/s3/b/f"], ["rm", "/s3/a/f"], ["put", "-", "/s3/a/n"], ["get", "/s3/b/f"], ["ls", "/s3/b"]):
        code, said = ctl(*args)
        assert code == 1 and "Permission denied" in said, (args, said)
    assert gw.finish(p, b"go\n").status == 0
    assert gw.keys() == ["a/f", "b/f"] and not os.path.exists(gw.scratch / "f")
