"""Objects and local files at a path each: --assets, "assets", s3ctl stage."""
import json
import os
import socket
import stat
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from conftest import BUILD
from servers import die_with_parent

pytestmark = pytest.mark.sanitized


class Assets:
    """Runs programs that see assets and nothing else of the bucket."""

    def __init__(self, gw, folder):
        self.gw, self.folder, self.list = gw, folder, []

    def add(self, key, name=None, **more):
        """An asset of the bucket; returns its target, in a folder that exists."""
        target = str(self.folder / (name or key.rpartition("/")[2]))
        self.list.append({"source": f"s3://{self.gw.bucket}/{key}", "target": target, **more})
        return target

    def file(self):
        path = self.folder / "assets.json"
        path.write_text(json.dumps({"assets": self.list}))
        return path

    def run(self, argv, check=True, options=(), **kw):
        gw = self.gw
        gw.mount_options = lambda: ["--assets", self.file()]
        return gw.run(argv, check=check, options=options, **kw)

    def fails(self, status, text, options=(), **kw):
        r = self.run(["echo", "ran"], check=False, options=options, **kw)
        assert r.status == status and text in r.err and r.stdout == b"", r
        return r


@pytest.fixture
def assets(gw, tmp_path):
    return Assets(gw, tmp_path)


def test_an_object_at_a_path(assets):
    assets.gw.put("datasets/tp2/x.csv", b"a,b\n1,2\n" * 100_000)
    assets.gw.put("datasets/tp2/secret.csv", b"no asset")
    target = assets.add("datasets/tp2/x.csv")
    (assets.folder / "beside").write_bytes(b"host\n")
    r = assets.run(["sh", "-ec", f"cd {assets.folder}; head -c 8 {target}; cat x.csv | cksum; cat beside; ls; stat -c '%F %s' x.csv"])
    assert r.out.splitlines()[:2] == ["a,b", "1,2"]
    assert r.out.splitlines()[-4:] == ["assets.json", "beside", "x.csv", "regular file 800000"]
    assert "host" in r.out.splitlines() and not os.path.exists(target)
    assert r.requests["GetObject"] >= 1 and r.requests["HeadObject"] >= 1


def test_nothing_is_read_before_it_is_asked_for(assets):
    assets.gw.put("k", bytes(5 << 20))
    target = assets.add("k")
    assert assets.run(["stat", target]).requests["GetObject"] == 0
    r = assets.run(["/usr/bin/python3", "-c", f"import os; os.pread(os.open('{target}', 0), 10, 4 << 20)"])
    assert r.stats["bytes_down"] < 2 << 20


def test_nothing_else_of_the_bucket_is_there(assets):
    assets.gw.put("d/k", b"x")
    assets.gw.put("d/other", b"content-of-another")
    target = assets.add("d/k")
    r = assets.run(["sh", "-c", f"cat {target}/../other {target}/other {assets.folder}/other /s3/d/other; ls {target}/"], check=False)
    assert b"content-of-another" not in r.stdout


def test_an_asset_is_read_only(assets):
    assets.gw.put("k", b"x")
    target = assets.add("k")
    r = assets.run(["/usr/bin/python3", "-c", """
import errno, os, sys
t = sys.argv[1]
for call in (lambda: open(t, "w"), lambda: os.truncate(t, 0), lambda: os.unlink(t), lambda: os.rename(t, t + "2"),
             lambda: os.mkdir(t), lambda: os.rmdir(t), lambda: open(t + "/below"), lambda: os.listdir(t), lambda: os.chdir(t)):
    try:
        call()
        print("?")
    except OSError as e:
        print(errno.errorcode[e.errno])
""", target])
    assert r.out.split() == ["EROFS", "EROFS", "EROFS", "EXDEV", "EEXIST", "EROFS", "ENOTDIR", "ENOTDIR", "ENOTDIR"]
    assert assets.gw.get("k") == b"x"


def test_a_writable_asset_is_a_copy(assets):
    assets.gw.put("k", b"from s3\n")
    target = assets.add("k", read_only=False)
    r = assets.run(["sh", "-ec", f"cat {target}; echo more >> {target}; cat {target}"])
    assert r.out == "from s3\nfrom s3\nmore\n" and assets.gw.get("k") == b"from s3\n"
    assert not list((assets.gw.scratch / "cache").glob("s3shim-assets-*"))


def test_a_local_source(assets):
    source = assets.folder / "source"
    source.write_bytes(b"local\n")
    target = str(assets.folder / "target")
    assets.list += [{"source": str(source), "target": target},
                    {"source": str(source), "target": target + "-w", "read_only": False}]
    r = assets.run(["sh", "-ec", f"cat {target}; echo y > {target}-w; cat {target}-w; ! echo z > {target}"])
    assert r.out == "local\ny\n" and source.read_bytes() == b"local\n"


def test_assets_of_the_configuration_beside_a_mount(assets):
    gw = assets.gw
    gw.put("k", b"hello")
    target = assets.add("k")
    config = assets.folder / "config.json"
    config.write_text(json.dumps({"bucketName": gw.bucket, "assets": assets.list, "assetBuckets": gw.bucket}))
    gw.mount_options = lambda: ["--config", config]
    assert gw.run(["sh", "-c", f"cat {target} /s3/k"]).out == "hellohello"


def test_what_changed_since_the_preflight_is_stale(assets):
    gw = assets.gw
    for key in ("a", "b", "gone"):
        gw.put(key, b"old!!")
    a, b, gone = assets.add("a"), assets.add("b"), assets.add("gone")
    p = gw.start(["true"])  # for the environment
    gw.finish(p)
    script = f"cat {a}; echo ready; read go; cat {a}; cat {b}; stat {b}; cat {gone}; stat {gone}; test -e {gone} || exit 7"
    gw.mount_options = lambda: ["--assets", assets.file()]
    p = gw.start(["sh", "-c", script])
    while p.stdout.readline() != b"old!!ready\n":
        pass
    gw.put("b", b"new..")
    gw.client.delete_object(Bucket=gw.bucket, Key="gone")
    r = gw.finish(p, b"go\n")
    assert r.err.count("Stale file handle") >= 3 and "No such file" not in r.err and "new" not in r.out and r.status == 7, r
    assert r.stats["faults"] >= 3 and r.stats["denied"] == 0


def test_an_object_with_a_time_of_its_own(assets):
    assets.gw.put("k", b"hello", Metadata={"file-mtime": "1234567890123456789ns", "file-permissions": "0100640"})
    target = assets.add("k")
    assert assets.run(["sh", "-c", f"stat -c %Y {target}; cat {target}"]).out == "1234567890\nhello"


def test_every_failure_is_told_at_once(assets):
    gw = assets.gw
    gw.put("ok", b"12345")
    gw.put("big", bytes(2000))
    assets.add("ok")
    assets.add("missing")
    assets.add("big")
    assets.list += [{"source": "s3://no-such-bucket-here/k", "target": "/tmp/s3shim-a"},
                    {"source": "ftp://x/y", "target": "/tmp/s3shim-b"},
                    {"source": "/nowhere/at/all", "target": "/tmp/s3shim-c"},
                    {"source": f"s3://{gw.bucket}/ok", "target": "relative"}]
    runs = [assets.fails(66, "asset 1", ["--asset-max-bytes", "1000"]) for _ in range(2)]
    lines = runs[0].err.splitlines()
    assert runs[0].err == runs[1].err, "the same text each time"
    assert [line.split("'")[0] + line.split("': ")[1].split(":")[0] for line in lines] == [
        "s3run: asset 1 not found", "s3run: asset 2 too large", "s3run: asset 3 not found", "s3run: asset 4 malformed",
        "s3run: asset 5 not found", "s3run: asset 6 malformed"], lines
    report = assets.folder / "report.json"
    r = assets.run(["echo", "ran"], check=False, options=["--asset-max-bytes", "1000", "--report", report])
    assert r.status == 66 and r.err == "" and r.stdout == b""
    told = json.loads(report.read_text())
    assert told["status"] == 66
    assert [a["class"] for a in told["assets"]] == ["ok", "not_found", "too_large", "not_found", "malformed", "not_found",
                                                    "malformed"]
    assert told["assets"][0]["etag"] == gw.head("ok")["ETag"] and told["assets"][0]["size"] == 5
    assert told["assets"][1]["request_id"] and told["assets"][1]["source"].endswith("/missing")


def test_the_report_of_success(assets):
    assets.gw.put("k", b"12345")
    target = assets.add("k")
    report = assets.folder / "report.json"
    assert assets.run(["cat", target], options=["--report", report]).out == "12345"
    told = json.loads(report.read_text())
    assert told["status"] == 0 and told["assets"][0]["etag"] == assets.gw.head("k")["ETag"]


@pytest.mark.parametrize("uri", ["s3://", "s3://b", "s3://bkt/", "s3://bkt/a/../b", "s3://bkt/a%2", "s3://bkt/a?x", "s3://bkt/a#x",
                                 "s3://me@bkt/a", "s3://bkt/a%00b", "s3://bkt/a%0ab", "s3://bkt//a", "s3://B_T/a", "http://h/k"])
def test_malformed_sources(assets, uri):
    assets.list.append({"source": uri, "target": "/tmp/s3shim-x"})
    assets.fails(65, "malformed")


def test_a_key_with_escapes(assets):
    assets.gw.put("we ird/a?b#c%.csv", b"hello")
    assets.list.append({"source": f"s3://{assets.gw.bucket}/we%20ird/a%3Fb%23c%25.csv", "target": str(assets.folder / "t")})
    assert assets.run(["cat", assets.folder / "t"]).out == "hello"


def test_allow_lists(assets):
    gw = assets.gw
    gw.put("datasets/tp2/x", b"hello")
    target = assets.add("datasets/tp2/x")
    for env in ({"ASSET_S3_ALLOWED_BUCKETS": f"other, {gw.bucket}"}, {"ASSET_S3_ALLOWED_PREFIXES": "x,datasets"},
                {"ASSET_S3_ALLOWED_PREFIXES": f"{gw.bucket}/datasets/tp2"}):
        assert assets.run(["cat", target], env=env).out == "hello"
    for env in ({"ASSET_S3_ALLOWED_BUCKETS": gw.bucket[:-1]}, {"ASSET_S3_ALLOWED_PREFIXES": "data,datasets/tp"},
                {"ASSET_S3_ALLOWED_PREFIXES": f"{gw.bucket}/other"}):
        r = assets.fails(77, "not allowed", env=env)
        assert not r.requests


def test_nobody_answers(assets):
    assets.add("k")
    r = assets.fails(69, "unreachable", ["--endpoint", "http://127.0.0.1:1"])
    assert "asset 0" in r.err


def test_no_answer_in_time(assets):
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []
        threading.Thread(target=lambda: held.append(server.accept()), daemon=True).start()
        assets.add("k")
        assets.fails(75, "timed out", ["--endpoint", f"http://127.0.0.1:{server.getsockname()[1]}"],
                     env={"ASSET_S3_TIMEOUT_SECONDS": "1"})


def test_wrong_keys_are_denied(assets):
    assets.add("k")
    assets.fails(77, "access denied", env={"AWS_SECRET_ACCESS_KEY": "wrong"})


def test_a_file_of_assets_that_is_wrong(assets):
    assets.list = [{"source": "s3://bkt/k", "target": "/tmp/x", "readonly": True}]
    assets.fails(78, "unknown key 'readonly'")
    report = assets.folder / "report.json"
    r = assets.run(["true"], check=False, options=["--report", report])
    assert r.status == 78 and r.err == "" and json.loads(report.read_text())["status"] == 78
    assets.file = lambda: "/nowhere.json"
    assets.fails(78, "/nowhere.json")


def test_a_hundred_assets(assets):
    for i in range(100):
        assets.gw.put(f"many/{i}", b"%d" % i)
        assets.add(f"many/{i}", f"file-{i}")
    r = assets.run(["sh", "-c", f"cd {assets.folder}; cat file-7 file-99; ls | grep -c file-"])
    assert r.out == "799100\n"

# staged

def stage(assets, *more, check=True, env=None):
    gw = assets.gw
    root = assets.folder / "root"
    root.mkdir(exist_ok=True)
    r = subprocess.run([BUILD / "s3ctl", "stage", assets.file(), "--root", root, *more], capture_output=True, text=True,
                       env={**gw.base_env(), **(env or {})}, timeout=60, preexec_fn=die_with_parent)
    assert not check or r.returncode == 0, r
    return root, r


def inside(root, target):
    return root / target.lstrip("/")


def test_staged_files_are_there(assets):
    gw = assets.gw
    gw.put("a/k", b"object" * 100_000)
    gw.put("empty", b"")
    (assets.folder / "local").write_bytes(b"local")
    assets.list = [{"source": f"s3://{gw.bucket}/a/k", "target": "/data/deep/k"},
                   {"source": f"s3://{gw.bucket}/empty", "target": "/data/empty", "read_only": False},
                   {"source": str(assets.folder / "local"), "target": "/top"}]
    root, r = stage(assets)
    assert r.stderr == "" and inside(root, "/data/deep/k").read_bytes() == b"object" * 100_000
    assert inside(root, "/data/empty").read_bytes() == b"" and (root / "top").read_bytes() == b"local"
    modes = [stat.S_IMODE(inside(root, a["target"]).stat().st_mode) for a in assets.list]
    assert modes == [0o444, 0o644, 0o444]
    assert sorted(p.name for p in root.rglob("*")) == ["data", "deep", "empty", "k", "top"]


def test_staging_goes_through_no_symlink_out_of_the_root(assets):
    gw = assets.gw
    gw.put("k", b"data")
    outside = assets.folder / "outside"
    outside.mkdir()
    root = assets.folder / "root"
    root.mkdir()
    (root / "up").symlink_to("../../../../.." + str(outside))
    (root / "abs").symlink_to(outside)
    (root / "file").symlink_to(outside / "victim")
    (outside / "victim").write_bytes(b"untouched")
    assets.list = [{"source": f"s3://{gw.bucket}/k", "target": "/file"}]
    stage(assets)
    assert (root / "file").read_bytes() == b"data" and not (root / "file").is_symlink()
    for name in ("up", "abs"):
        assets.list = [{"source": f"s3://{gw.bucket}/k", "target": f"/{name}/x"}]
        stage(assets, check=False)
    assert [p.name for p in outside.iterdir()] == ["victim"] and (outside / "victim").read_bytes() == b"untouched"


def test_a_failure_places_nothing(assets):
    gw = assets.gw
    gw.put("k", b"new")
    root = assets.folder / "root"
    root.mkdir()
    (root / "x").write_bytes(b"old")
    assets.list = [{"source": f"s3://{gw.bucket}/k", "target": "/x"}, {"source": f"s3://{gw.bucket}/none", "target": "/y"}]
    _, r = stage(assets, check=False)
    assert r.returncode == 66 and "asset 1" in r.stderr and (root / "x").read_bytes() == b"old"
    assert [p.name for p in root.iterdir()] == ["x"]
    report = assets.folder / "report"
    _, r = stage(assets, "--report", report, check=False)
    assert r.returncode == 66 and r.stderr == "" and json.loads(report.read_text())["status"] == 66
    (root / "dir").mkdir()
    assets.list = [{"source": f"s3://{gw.bucket}/k", "target": "/x"}, {"source": f"s3://{gw.bucket}/k", "target": "/x/y"}]
    _, r = stage(assets, check=False)
    assert r.returncode == 78 and (root / "x").read_bytes() == b"old"
    assert sorted(p.name for p in root.iterdir()) == ["dir", "x"]


def test_a_version(s3, tmp_path):
    """The one that is named, though another is the newest."""
    assets, gw = Assets(s3, tmp_path), s3
    try:
        gw.client.put_bucket_versioning(Bucket=gw.bucket, VersioningConfiguration={"Status": "Enabled"})
        first = gw.client.put_object(Bucket=gw.bucket, Key="k", Body=b"first")["VersionId"]
    except (ClientError, KeyError):
        pytest.skip("this server keeps no versions")
    gw.put("k", b"second")
    target = assets.add("k", version_id=first)
    assert assets.run(["cat", target]).out == "first"
