"""What cannot be preloaded is found before it starts, through `#!`, `env` and PATH too."""
import os
import shutil
import subprocess

import pytest


@pytest.fixture
def static(files):
    source = files.scratch / "s.c"
    source.write_text("int main(void) { return 0; }\n")
    (files.scratch / "bin").mkdir()
    out = files.scratch / "bin/static-tool"
    if subprocess.run(["gcc", "-static", "-o", out, source], capture_output=True).returncode:
        pytest.skip("no static libc on this machine")
    return out


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
def test_static(files, static, way):
    if way == "PATH":
        program = "static-tool"
    elif way == "script of a script":
        inner = files.scratch / "bin/inner"
        inner.write_text(f"#!{static}\n")
        inner.chmod(0o755)
        program = script(files, inner)
    else:
        program = script(files, {"#!": static, "env": "/usr/bin/env static-tool",
                                 "env -S": "/usr/bin/env -S A=b static-tool -x"}[way])
    refused(files, program, static, "statically linked")


def test_other_architecture(files):
    (files.scratch / "bin").mkdir()
    foreign = files.scratch / "bin/foreign"
    shutil.copy("/bin/true", foreign)
    with open(foreign, "r+b") as f:
        f.seek(18)  # e_machine
        f.write((243).to_bytes(2, "little"))  # RISC-V
    refused(files, "foreign", foreign, "another architecture")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to make a file of another user's")
def test_setuid_through_a_script(files):
    (files.scratch / "bin").mkdir()
    tool = files.scratch / "bin/setuid-tool"
    shutil.copy("/bin/true", tool)
    os.chown(tool, 12345, 12345)
    tool.chmod(0o4755)
    refused(files, script(files, "/usr/bin/env setuid-tool"), tool, "setuid")
