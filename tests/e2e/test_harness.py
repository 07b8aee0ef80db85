"""What a harness does to a program, and what still works in there: keys stripped, the socket inside, nothing else needed."""
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest
from conftest import BECOME, BUILD, LIBRARY, OTHER

# Names, pipes, shared offsets, a program on the mount, a mapping, and no key anywhere.
WORK = """
test "$(cat /s3/in)" = hello
ls /s3 | grep -qx in
{ echo one; sh -c 'echo two'; } >/s3/made
mv /s3/made /s3/out
cp /bin/echo /s3/tool
chmod 755 /s3/tool
test "$(/s3/tool run)" = run
/usr/bin/python3 -c 'import mmap; f = open("/s3/in", "rb"); assert mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:] == b"hello"'
if env | grep -E '^AWS_|127.0.0.1'; then exit 1; fi
echo done
"""


@pytest.fixture
def parts():
    """The products where every user finds them; the build folder may be somebody's own."""
    with tempfile.TemporaryDirectory(prefix="s3t-parts-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        for name in ("s3run", "s3shimd", "libs3shim.so"):
            shutil.copy(BUILD / name, place)
        yield Path(place)


@pytest.fixture
def library(parts):
    return parts / LIBRARY.name


class Box:
    """s3run --isolate with a socket of its own, as root or as an ordinary user; wrap() goes around the program."""

    def __init__(self, mount, parts, become):
        self.mount, self.parts, self.become = mount, parts, become
        self.socket = mount.scratch / "run/box"
        if become:
            for path in (mount.scratch, *mount.scratch.rglob("*")):
                os.chown(path, OTHER, OTHER)
        self.root = os.geteuid() == 0 and not become

    def wrapper(self, name):
        """What `name` puts around the program; natively that must work here, or the test does not."""
        own = [] if self.root else ["--user", "--map-root-user"]
        hide = ["unshare", *own, "--mount", "sh", "-c"]
        small = ["bwrap", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--ro-bind", "/usr", "/usr"]
        for link in ("bin", "sbin", "lib", "lib64"):
            small += ["--symlink", f"usr/{link}", f"/{link}"]
        small += ["--tmpfs", "/tmp", "--ro-bind", self.parts, self.parts, "--ro-bind-try", self.socket, self.socket]
        wrapper = {
            "new-network": ["unshare", *own, "--net"],
            "bwrap": [*small, "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/", "--chdir", "/"],
            "bwrap-without-proc": [*small, "--dev", "/dev", "--remount-ro", "/", "--chdir", "/"],
            "no-new-privileges": ["setpriv", "--no-new-privs"],
            "nproc-64": ["prlimit", "--nproc=64"],
            "address-space-128M": ["prlimit", f"--as={128 << 20}"],
            "noexec-tmp": [*hide, 'mount -t tmpfs -o noexec none /tmp && exec "$@"', "box"],
            "no-proc": [*hide, 'mount -t tmpfs none /proc && exec "$@"', "box"],
        }[name]
        if not shutil.which(wrapper[0]):
            pytest.skip(f"no {wrapper[0]} here; see tests/support/install.sh")
        line = [str(w) for w in [*self.become, *wrapper, "sh", "-c", "/bin/true && /bin/true"]]
        native = subprocess.run(line, env=self.mount.base_env(), cwd="/", capture_output=True, text=True, timeout=60)
        if native.returncode:
            pytest.skip(f"not on this machine: {native.stderr.strip()}")
        return wrapper

    def run(self, argv, options=(), **kw):
        """As Mount.run()."""
        line = ["--isolate", "--socket", self.socket, "--library", self.parts / "libs3shim.so",
                "--broker", self.parts / "s3shimd", *options]
        original = self.mount.s3run

        def s3run(*args, **named):
            made = original(*args, **named)
            return [*self.become, str(self.parts / "s3run"), *made[1:]]

        self.mount.s3run = s3run
        try:
            return self.mount.run(argv, options=line, **kw)
        finally:
            self.mount.s3run = original


@pytest.fixture(params=["root", "ordinary"])
def box(request, gw, parts):
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("not root here: the ordinary user it is")
        return Box(gw, parts, [])
    return Box(gw, parts, BECOME if os.geteuid() == 0 else [])


BOXES = ["new-network", "bwrap", "bwrap-without-proc", "no-new-privileges", "nproc-64", "address-space-128M", "noexec-tmp",
         "no-proc"]


@pytest.mark.parametrize("name", BOXES)
def test_a_program_works_in(box, name):
    box.mount.put("in", b"hello")
    r = box.run([*box.wrapper(name), "sh", "-euc", WORK])
    assert r.out == "done\n" and r.err == ""
    assert box.mount.get("out") == b"one\ntwo\n"


def test_another_user_is_let_in_where_that_is_said(gw, library, as_other):
    gw.put("f", b"for all")
    options = ["--isolate", "--library", library]
    script = ["sh", "-c", "id -u; cat /s3/f; echo mine >/s3/new; stat -c %u /s3/new"]
    r = gw.run(as_other(script), options=[*options, "--allow-other"])
    assert r.out == "1234\nfor all1234\n"
    assert gw.get("new") == b"mine\n" and gw.head("new")["Metadata"]["file-owner"] == "1234"
    r = gw.run(as_other(["cat", "/s3/f"]), options=options, check=False)
    assert r.status != 0 and r.stdout == b""


def test_who_is_not_let_in_is_turned_away_whatever_the_sockets_mode(gw, parts, as_other):
    """A harness may have carried the socket to a place with other rights."""
    socket = parts / "session"
    connect = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{socket}'); print(s.recv(1))"
    inner = " ".join(as_other(["/usr/bin/python3", "-c", f'"{connect}"']))
    r = gw.run(["sh", "-c", f"chmod 666 {socket}; {inner}; cat /s3/none"], check=False,
               options=["--socket", socket, "--library", parts / LIBRARY.name])
    assert r.out == "b''\n" and f"of user {OTHER} is refused" in r.log and "/s3/none: No such file" in r.err


def test_several_users_in_one_session(gw, library, as_other):
    """Root and another at once: each is who the kernel says he is."""
    gw.put("secret", b"not for him", Metadata={"file-owner": "0", "file-group": "0", "file-permissions": "0600"})
    inner = " ".join(as_other(["sh", "-c", "'cat /s3/secret; echo $?; echo his >/s3/his'"]))
    r = gw.run(["sh", "-c", f"cat /s3/secret; {inner} 2>&1; echo ours >/s3/ours; cat /s3/his"],
               options=["--library", library, "--allow-other"])
    assert r.out.startswith("not for him") and "Permission denied" in r.out and r.out.endswith("1\nhis\n")
    owners = [gw.head(k)["Metadata"]["file-owner"] for k in ("ours", "his")]
    assert owners == ["0", "1234"]


def test_a_user_without_an_inotify_instance_left(box):
    """He has 128, which as many sessions use up: the broker looks for itself then, also after a writer that is killed."""
    box.mount.put("in", b"hello")
    none = 'echo 0 >/proc/sys/user/max_inotify_instances && exec "$@"'
    line = ["unshare", "--user", "--map-root-user", "sh", "-c", none, "none"]
    if subprocess.run([*box.become, *line, "true"], capture_output=True).returncode:
        pytest.skip("no user namespaces here")
    box.become = [*box.become, *line]
    r = box.run(["sh", "-euc", f"{WORK}sh -c 'echo written >/s3/killed; exec 3>/s3/held; echo x >&3; kill -9 $$' || true"])
    assert r.out == "done\n" and "sweeping instead" in r.log
    assert (box.mount.get("out"), box.mount.get("killed"), box.mount.get("held")) == (b"one\ntwo\n", b"written\n", b"x\n")


LIMIT = 10 << 20

LIMITED = f"""
import hashlib, os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
print(hashlib.md5(open("/s3/large", "rb").read()).hexdigest())
with open("/s3/out", "wb", buffering=0) as f:
    chunk, written = b"x" * (1 << 20), 0
    try:
        while True:
            written += f.write(chunk)
    except OSError as e:
        print(e.strerror, written == {LIMIT})
"""


def test_a_limit_on_file_sizes_is_for_what_is_written(box):
    """20 MB are read, though the limit is half of that; what is written ends at the limit, and is uploaded."""
    data = os.urandom(20 << 20)
    box.mount.put("large", data)
    r = box.run(["prlimit", f"--fsize={LIMIT}", "/usr/bin/python3", "-c", LIMITED])
    assert r.out == f"{hashlib.md5(data).hexdigest()}\nFile too large True\n" and r.err == ""
    assert box.mount.head("out")["ContentLength"] == LIMIT


@pytest.mark.parametrize("name", ["bwrap", "no-new-privileges", "new-network"])
def test_a_musl_program_works_in(box, name):
    probe = BUILD / "tests/probe/readwrite.musl"
    if not probe.exists():
        pytest.skip("no musl-gcc on this machine")
    probe = shutil.copy(probe, box.parts)
    native = box.mount.scratch / "native"
    native.mkdir()
    expected = subprocess.run([probe, native], capture_output=True, timeout=60)
    r = box.run([*box.wrapper(name), probe, "/s3"], check=False)
    assert (r.status, r.out, r.err) == (expected.returncode, expected.stdout.decode(), expected.stderr.decode()), r


@pytest.mark.parametrize("how", ["prctl", "seccomp", "kill"])
def test_a_connection_is_inherited_by_programs_that_may_not_make_one(box, how):
    """A filter without socket(), installed by a program that never touched a mount; `kill`: trying would be the end."""
    box.mount.put("in", b"hello")
    no_socket = shutil.copy(BUILD / "tests/no_socket", box.parts)
    assert subprocess.run([no_socket, how, "/usr/bin/python3", "-c", "import socket; socket.socket()"],
                          capture_output=True).returncode != 0
    r = box.run([no_socket, how, "sh", "-euc", WORK])
    assert r.out == "done\n" and r.err == ""
    assert box.mount.get("out") == b"one\ntwo\n"


SPAWNS = """
import os, subprocess, threading
assert open("/s3/in").read() == "hello"
def child(i):
    made = subprocess.run(["sh", "-c", f"cat /s3/in; echo {i} >/s3/made-{i}"], capture_output=True, close_fds=bool(i % 2))
    assert (made.returncode, made.stdout, made.stderr) == (0, b"hello", b""), made
threads = [threading.Thread(target=child, args=(i,)) for i in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
pid = os.posix_spawn("/bin/cat", ["cat", "/s3/in"], os.environ)
assert os.waitpid(pid, 0)[1] == 0
try:
    os.execv("/no/such/program", ["x"])
except OSError:
    pass
os.execv("/bin/sh", ["sh", "-c", "cat /s3/in /s3/made-7; ls /s3 | wc -l"])
"""


def test_inherited_connections_go_to_children_of_every_kind(gw):
    """Threads, fork and exec, posix_spawn, an exec that fails; nobody is left with another's connection."""
    gw.put("in", b"hello")
    r = gw.run([BUILD / "tests/no_socket", "kill", "/usr/bin/python3", "-c", SPAWNS])
    assert r.out == "hellohello7\n9\n" and r.err == ""
    assert sorted(gw.keys()) == ["in", *(f"made-{i}" for i in range(8))]


def refusing(*numbers):
    """A seccomp filter (seccomp(2)) for x86-64's numbers: these calls end the process."""
    code = [(0x20, 0, 0, 0)]  # load the number
    for n in numbers:
        code += [(0x15, 0, 1, n), (0x06, 0, 0, 0x80000000)]
    return b"".join(struct.pack("=HBBI", *row) for row in [*code, (0x06, 0, 0, 0x7FFF0000)])


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the filter has x86-64's numbers")
def test_bwrap_with_a_filter(box, tmp_path):
    """bwrap itself is preloaded: what it starts behind its filter inherits a connection."""
    box.mount.put("in", b"hello")
    wrapper = box.wrapper("bwrap")
    (tmp_path / "filter").write_bytes(refusing(41, 42, 53))
    with open(tmp_path / "filter", "rb") as f:
        r = box.run([wrapper[0], "--seccomp", str(f.fileno()), *wrapper[1:], "sh", "-euc", WORK], pass_fds=[f.fileno()])
    assert r.out == "done\n" and r.err == ""
