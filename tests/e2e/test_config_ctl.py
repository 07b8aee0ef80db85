"""s3ctl ls, cat, get, put and rm: a session's files for whoever is not preloaded, through the session's policy."""
import json
import os
import subprocess

import pytest
from conftest import BUILD, TIMEOUT


@pytest.fixture
def session(eventually):
    """session(mount, *options): a session of it that lasts as long as the test; returns a function that runs s3ctl."""
    running = []

    def begin(mount, *options):
        p = mount.start(["bash", "-c", "touch ready; read line"], options)
        running.append((mount, p))
        eventually((mount.scratch / "ready").exists, seconds=60)

        def ctl(*args, input=b"", code=0, env=None):
            r = subprocess.run([BUILD / "s3ctl", *args], input=input, capture_output=True, timeout=TIMEOUT, cwd=mount.scratch,
                               env={**mount.base_env(), **(env or {})})
            assert r.returncode == code, r
            return r.stderr.decode() if code else r.stdout

        return ctl

    yield begin
    for mount, p in running:
        assert mount.finish(p, b"go\n").status == 0


def test_files_there_and_back(volume, session):
    data = os.urandom(3_000_001)
    volume.put("d/f", data)
    ctl = session(volume)
    assert ctl("cat", volume.path("d/f"), volume.path("d/f")) == data + data
    ctl("get", volume.path("d/f"), "copy")
    assert (volume.scratch / "copy").read_bytes() == data
    ctl("get", volume.path("d/f"))
    assert (volume.scratch / "f").read_bytes() == data
    ctl("put", "copy", volume.path("d/g"))
    assert volume.get("d/g") == data
    ctl("put", "-", volume.path("d/g"), input=b"shorter")
    assert volume.get("d/g") == b"shorter"
    assert ctl("ls", volume.path("d")) == b"f\ng\n"
    ctl("rm", volume.path("d/f"))
    assert volume.keys() == ["d/g"]
    ctl("rm", "-r", volume.path("d"))
    assert volume.keys() == []


def test_large_files_by_parts(gw, session):
    data = os.urandom(40 << 20)
    (gw.scratch / "big").write_bytes(data)
    ctl = session(gw)
    ctl("put", "big", "/s3/big")
    assert gw.get("big") == data and gw.uploads() == []
    ctl("get", "/s3/big", "back")
    assert (gw.scratch / "back").read_bytes() == data


def test_list(gw, session):
    gw.put("a/f", b"12345")
    gw.put("b", b"x")
    gw.put("we\nird", b"")
    ctl = session(gw)
    assert ctl("ls", "/s3") == b"a\nb\nwe\\x0aird\n"
    assert [line.split()[0] for line in ctl("ls", "-l", "/s3").decode().splitlines()] == ["folder", "file", "file"]
    entry, = json.loads(ctl("ls", "--json", "/s3/a"))
    assert entry["name"] == "f" and entry["type"] == "file" and entry["size"] == 5 and entry["mtime_ns"] > 0
    assert ctl("ls", "/s3/b", "/s3/a") == b"/s3/b\n\n/s3/a:\nf\n"


def test_what_is_not_there(gw, session):
    gw.put("d/f", b"x")
    ctl = session(gw)
    assert ctl("cat", "/s3/nope", code=1) == "s3ctl: '/s3/nope': No such file or directory\n"
    assert ctl("ls", "/s3/nope", code=1) == "s3ctl: '/s3/nope': No such file or directory\n"
    assert ctl("cat", "/s3/d", code=1) == "s3ctl: '/s3/d': Is a directory\n"
    assert ctl("rm", "/s3/d", code=1) == "s3ctl: '/s3/d': Is a directory\n"
    assert ctl("cat", "/etc/passwd", code=1) == "s3ctl: '/etc/passwd' is on no mount of this session\n"
    assert ctl("cat", "/s3/../etc/passwd", code=1) == "s3ctl: '/s3/../etc/passwd' is on no mount of this session\n"
    assert ctl("put", "nope", "/s3/x", code=1) == "s3ctl: 'nope': No such file or directory\n"
    ctl("get", "/s3/nope", "local", code=1)
    assert not [n for n in os.listdir(gw.scratch) if n.startswith("local")]


def test_policy_holds(gw, session):
    gw.put("d/f", b"x")
    ctl = session(gw, "--read-only")
    assert ctl("cat", "/s3/d/f") == b"x"
    for args in (["put", "-", "/s3/g"], ["put", "-", "/s3/d/f"], ["rm", "/s3/d/f"], ["rm", "-r", "/s3/d"]):
        assert "Read-only file system" in ctl(*args, code=1)
    assert gw.keys() == ["d/f"] and gw.get("d/f") == b"x"


def test_prefix_holds(gw, session):
    gw.put("in/f", b"inside")
    gw.put("out", b"outside")
    ctl = session(gw, "--prefix", "in")
    assert ctl("ls", "/s3") == b"f\n"
    for path in ("/s3/../out", "/s3/f/../../out", "/s3//..//out"):
        ctl("cat", path, code=1)


def test_an_upload_that_fails_is_told(gw, session):
    ctl = session(gw)
    gw.client.delete_bucket(Bucket=gw.bucket)
    assert "/s3/g" in ctl("put", "-", "/s3/g", input=b"x", code=1)


def test_which_session(gw, files, session, scratch):
    ctl = session(gw)
    assert ctl("ls", "/s3", env={"XDG_RUNTIME_DIR": str(scratch / "cache")}, code=1).startswith("s3ctl: there is no session")
    socket, = (gw.scratch / "run").rglob("*.sock")
    elsewhere = {"XDG_RUNTIME_DIR": str(scratch / "cache")}
    assert ctl("ls", "--socket", socket, "/s3", env=elsewhere) == b""
    assert ctl("ls", "/s3", env={**elsewhere, "S3SHIM_SOCKET": str(socket)}) == b""
    assert ctl("ls", "--socket=/nonexistent", "/s3", code=1).startswith("s3ctl: no broker answers at '/nonexistent'")


def test_several_mounts_and_links_between_them(gw, session):
    folder = gw.scratch / "folder"
    folder.mkdir()
    (folder / "f").write_bytes(b"local")
    gw.put("f", b"in the bucket")
    gw.mount_options = lambda: ["--mount", f"/one=s3://{gw.bucket}", "--mount", f"/one/two=file:{folder}"]
    os.symlink("/one/f", folder / "link")
    ctl = session(gw)
    assert ctl("cat", "/one/f", "/one/two/f") == b"in the bucketlocal"
    assert ctl("cat", "/one/two/link") == b"in the bucket"


def test_words_that_are_not_understood(tmp_path):
    def said(*args):
        r = subprocess.run([BUILD / "s3ctl", *args], capture_output=True, text=True, env={}, timeout=TIMEOUT)
        return r.returncode, r.stderr.splitlines()[0] if r.stderr else ""

    assert said("lss", "/s3") == (2, "s3ctl: unknown command 'lss'; did you mean 'ls'?")
    assert said("ls", "--jso", "/s3") == (2, "s3ctl: unknown option '--jso'; did you mean '--json'?")
    assert said("cat", "-l", "/s3") == (2, "s3ctl: cat takes no -l")
    assert said("put", "x")[0] == 2 and said()[0] == 2
