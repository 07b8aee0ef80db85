"""What cannot be preloaded is found before it starts, through `#!`, `env` and PATH too."""
import os
import shutil
import struct
import subprocess

import pytest
from conftest import LIBRARY, S3RUN


def script(files, line):
    path = files.scratch / "script"
    path.write_text(f"#!{line}\n")
    path.chmod(0o755)
    return path


def refused(files, program, culprit, reason):
    path = f"{files.scratch}/bin:/usr/bin:/bin"
    r = files.run([program], check=False, env={"PATH": path})
    assert r.status == 126 and str(culprit) in r.err and reason in r.err and "--no-require-preload" in r.err, r
    r = files.run([program], check=False, env={"PATH": path}, options=["--no-require-preload"])
    assert "preload" not in r.err, "it is tried all the same"


@pytest.mark.parametrize("way", ["PATH", "#!", "env", "env -S", "script of a script"])
def test_static(files, static_tool, way):
    if way == "PATH":
        program = "static-tool"
    elif way == "script of a script":
        inner = files.scratch / "bin/inner"
        inner.write_text(f"#!{static_tool}\n")
        inner.chmod(0o755)
        program = script(files, inner)
    else:
        program = script(files, {"#!": static_tool, "env": "/usr/bin/env static-tool",
                                 "env -S": "/usr/bin/env -S A=b static-tool -x"}[way])
    refused(files, program, static_tool, "statically linked")


@pytest.mark.parametrize("what, at, number", [("RISC-V", 18, 243), ("32 bits", 4, 1), ("big end first", 5, 2)])
def test_other_architecture(files, what, at, number):
    (files.scratch / "bin").mkdir()
    foreign = files.scratch / "bin/foreign"
    shutil.copy("/bin/true", foreign)
    with open(foreign, "r+b") as f:
        f.seek(at)
        f.write(bytes([number]))
    refused(files, "foreign", foreign, "another architecture")


def test_i386(files):
    """A header alone, as `ld -m elf_i386` would begin a program."""
    (files.scratch / "bin").mkdir()
    foreign = files.scratch / "bin/foreign"
    foreign.write_bytes(struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0x8048000, 52, 0, 0, 52, 32, 0, 0, 0, 0))
    foreign.chmod(0o755)
    refused(files, "foreign", foreign, "another architecture")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make a file of another user's")
def test_setuid_through_a_script(files):
    (files.scratch / "bin").mkdir()
    tool = files.scratch / "bin/setuid-tool"
    shutil.copy("/bin/true", tool)
    os.chown(tool, 12345, 12345)
    tool.chmod(0o4755)
    refused(files, script(files, "/usr/bin/env setuid-tool"), tool, "setuid")


NOBODY = 65534
CAP_NET_BIND_SERVICE = struct.pack("<5I", 0x02000000, 1 << 10, 0, 0, 0)  # vfs_cap_data of <linux/capability.h>


def as_nobody(files, argv, **kw):
    """A File volume's folders made another user's, who runs it."""
    if os.geteuid() != 0:
        pytest.skip("needs to become another user")
    for path in (files.scratch, *files.scratch.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    may = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--clear-groups", "test", "-x", S3RUN, "-a", "-r", LIBRARY])
    if may.returncode:
        pytest.skip("another user may not run what was built here")
    return files.run(argv, check=False, user=NOBODY, group=NOBODY, extra_groups=[], **kw)


def test_file_capabilities(files):
    (files.scratch / "bin").mkdir()
    tool = files.scratch / "bin/tool"
    shutil.copy("/bin/true", tool)
    assert as_nobody(files, [tool]).status == 0
    try:
        os.setxattr(tool, "security.capability", CAP_NET_BIND_SERVICE)
    except OSError as e:
        pytest.skip(f"no file capabilities here: {e}")
    r = files.run([tool], check=False, user=NOBODY, group=NOBODY, extra_groups=[])
    assert r.status == 126 and f"'{tool}' has file capabilities" in r.err and "use a copy without them" in r.err, r
    r = files.run([tool], options=["--no-require-preload"], user=NOBODY, group=NOBODY, extra_groups=[])
    assert r.err == ""


def test_a_program_that_may_not_be_read(files):
    (files.scratch / "bin").mkdir()
    tool = files.scratch / "bin/tool"
    shutil.copy("/bin/true", tool)
    as_nobody(files, ["true"])
    os.chown(tool, 0, 0)
    tool.chmod(0o711)
    r = files.run([tool], check=False, user=NOBODY, group=NOBODY, extra_groups=[])
    assert r.status == 126 and f"'{tool}' may not be read" in r.err and "make it readable" in r.err, r


def library_refused(files, library, what_to_do, **kw):
    r = files.run(["true"], check=False, options=["--library", library], **kw)
    assert r.status == 126 and f"library '{library}'" in r.err and what_to_do in r.err, r
    assert "--no-require-preload" in r.err
    assert files.run(["true"], check=False, options=["--library", library, "--no-require-preload"], **kw).status == 0


def test_a_library_that_may_not_be_read(files):
    library = shutil.copy(LIBRARY, files.scratch / "lib.so")
    as_nobody(files, ["true"])
    library.chmod(0)
    library_refused(files, library, "make it readable", user=NOBODY, group=NOBODY, extra_groups=[])


def test_a_library_that_is_none(files):
    library = files.scratch / "lib.so"
    library.write_text("an error page of a proxy")
    library_refused(files, library, "is no shared library for this machine")


def test_a_library_on_a_file_system_without_exec(files):
    """In a name space of mounts of its own, where that may be had."""
    folder = files.scratch / "noexec"
    folder.mkdir()
    mounted = ["unshare", "--mount", "sh", "-c", f'mount -t tmpfs -o noexec none {folder} && cp {LIBRARY} {folder}/lib.so && exec "$@"',
               "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True).returncode:
        pytest.skip("no mounts of one's own here")
    line = files.s3run(["true"], options=["--library", folder / "lib.so"])
    r = subprocess.run([*mounted, *line], capture_output=True, text=True, env=files.base_env())
    assert r.returncode == 126 and f"'{folder}/lib.so' is on a file system mounted noexec; put it elsewhere" in r.stderr, r
