"""Children that the library cannot be loaded into: told once each, by the log and by --stats."""
import os
import shutil

import pytest

def script(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def told(r):
    """{program: why} by --stats, each of which the log tells once."""
    found = {e["program"]: e["why"] for e in r.stats["escaped_programs"]}
    lines = [line for line in r.log.splitlines() if "does not see the mounts" in line]
    assert len(lines) == len(found) == len(r.stats["escaped_programs"]), r
    assert all(f"'{program}' {why}" in "\n".join(lines) for program, why in found.items()), r
    return found


WAYS = {
    "execve": "os.fork() or os.execv(p, [p]); os.wait()",
    "execvp": "os.environ['PATH'] = os.path.dirname(p); os.fork() or os.execvp('static-tool', [p]); os.wait()",
    "fexecve": "os.fork() or os.execve(os.open(p, os.O_RDONLY), [p], os.environ); os.wait()",
    "posix_spawn": "os.waitpid(os.posix_spawn(p, [p], os.environ), 0)",
    "posix_spawnp": "os.environ['PATH'] = os.path.dirname(p); os.waitpid(os.posix_spawnp('static-tool', [p], os.environ), 0)",
    "vfork": "import subprocess; subprocess.run([p])",
    "system": "os.system(p)",
    "popen": "os.popen(p).read()",
}


@pytest.mark.parametrize("way", WAYS)
def test_told_once(files, static_tool, way):
    r = files.python(f"import os, sys; p = sys.argv[1]\nfor i in range(2): {WAYS[way]}", static_tool)
    assert told(r) == {str(static_tool): "is statically linked"}
    assert r.stats["escapes"] == 2


def test_the_interpreter_of_a_script(files, static_tool):
    scripts = [script(files.scratch, "one", f"#!{static_tool}\n"), script(files.scratch, "two", "#!/usr/bin/env static-tool\n")]
    r = files.sh(f"PATH=$PATH:{static_tool.parent}; {scripts[0]} </dev/null; {scripts[1]}")
    assert told(r) == {str(static_tool): "is statically linked"}


def test_others_are_not_told(files, static_tool):
    r = files.sh(f"/bin/true; ls $S3; env true; sh -c 'echo x | cat'; chmod -x {static_tool}; ! {static_tool}; ! {static_tool}.none; ! bash {static_tool}")
    assert told(r) == {} and r.stats["escapes"] == 0


@pytest.mark.parametrize("way", ["execve", "posix_spawn"])
def test_a_static_program_on_the_mount_reads_whole_files(gw, static_tool, way):
    """It inherits a descriptor of what has not arrived."""
    gw.put("data", b"\1" * 3_000_000)
    r = gw.sh(f"cp {static_tool} $S3/tool; chmod +x $S3/tool")
    r = gw.python("""
import os, sys
os.dup2(os.open('/s3/data', os.O_RDONLY), 3)
os.set_inheritable(3, True)
""" + WAYS[way].replace("p, [p]", "'/s3/tool', ['x']"))
    assert r.out == "3000000\n"
    assert told(r) == {"/s3/tool": "is statically linked"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make a file of another user's")
def test_setuid(files):
    copy = shutil.copy("/bin/true", files.scratch / "copy")
    os.chown(copy, 12345, 12345)
    copy.chmod(0o4755)
    assert told(files.run(["sh", "-c", f"{copy}; {copy}"])) == {str(copy): "is setuid"}


def test_another_architecture(files):
    copy = shutil.copy("/bin/true", files.scratch / "copy")
    with open(copy, "r+b") as f:
        f.seek(18)
        f.write((243).to_bytes(2, "little"))
    assert told(files.run(["sh", "-c", f"{copy} 2>/dev/null; true"])) == {str(copy): "is for another architecture than the library"}
