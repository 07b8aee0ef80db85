"""libs3shim.so as a file: what it exports, what it needs, where it loads."""
import re
import subprocess
from pathlib import Path

import pytest
from conftest import BUILD, LIBRARY, TOP

MUSL = Path("/lib/ld-musl-x86_64.so.1")


def output(*argv):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True).stdout


def dynamic_symbols(library, which):
    return {line.split()[-1] for line in output("nm", "-D", which, "--without-symbol-versions", library).splitlines()}


def hooks():
    return re.findall(r"^HOOK\(\w+, (\w+)\)", (TOP / "shim/hooks.def").read_text(), re.M)


def undefined():
    """What the library must find in libc; weak references may stay unresolved."""
    lines = output("nm", "-D", "--undefined-only", LIBRARY).splitlines()
    return {line.split()[-1] for line in lines if line.split()[-2] == "U"}


def test_exports_are_the_table():
    table = hooks()
    assert len(table) == len(set(table)), "a row twice"
    exported = dynamic_symbols(LIBRARY, "--defined-only")
    assert exported == set(table), (exported - set(table), set(table) - exported)


def test_needs_no_library_and_no_version():
    dynamic = output("readelf", "-dW", LIBRARY)
    assert "NEEDED" not in dynamic and "VERNEED" not in dynamic and "VERDEF" not in dynamic
    assert "BIND_NOW" in dynamic or "NOW" in dynamic
    assert "TEXTREL" not in dynamic


def test_stack_is_not_executable():
    stack = [line for line in output("readelf", "-lW", LIBRARY).splitlines() if "GNU_STACK" in line]
    assert stack and "RWE" not in stack[0]


def test_undefined_symbols_are_in_glibc_2_28():
    """A symbol's default version tells when it came. (What moved into libc.so from libpthread or libdl has a new one.)"""
    versions = {}
    for line in output("nm", "-D", "--defined-only", "/lib/x86_64-linux-gnu/libc.so.6").splitlines():
        m = re.match(r".* (\S+)@@GLIBC_([\d.]+)$", line)
        if m:
            versions[m[1]] = tuple(map(int, m[2].split(".")))
    late = {s: versions.get(s) for s in undefined() if s not in versions or versions[s] > (2, 28)}
    assert not late


def test_undefined_symbols_are_in_musl():
    if not MUSL.exists():
        pytest.skip("no musl on this machine")
    missing = undefined() - dynamic_symbols(MUSL, "--defined-only")
    assert not missing


@pytest.mark.parametrize("program", ["access", "access.musl"])
def test_loads(tmp_path, program):
    """Into a glibc and a musl program that touches no mount: same output, nothing said."""
    probe = BUILD / "tests/probe" / program
    if not probe.exists():
        pytest.skip("no musl-gcc on this machine")
    runs = []
    for name, env in (("plain", {}), ("preloaded", {"LD_PRELOAD": str(LIBRARY)})):
        (tmp_path / name).mkdir()
        r = subprocess.run([probe, tmp_path / name], env=env, capture_output=True, text=True)
        runs.append((r.returncode, r.stdout, r.stderr))
    assert runs[0] == runs[1]
