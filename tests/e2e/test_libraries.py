"""Libraries and programs on a mount that need libraries on a mount: $ORIGIN, run paths, LD_LIBRARY_PATH."""
import subprocess

import pytest


@pytest.fixture(params=["file", "versitygw"])
def mount(request):
    return request.getfixturevalue("files" if request.param == "file" else "gw")


def build(folder, name, source, *options):
    (folder / f"{name}.c").write_text(source)
    subprocess.run(["gcc", "-o", folder / name, folder / f"{name}.c", *options], check=True)
    return folder / name


@pytest.fixture
def tree(mount, tmp_path):
    """lib/libdeep.so <- lib/libdep.so <- lib/libboth.so (by $ORIGIN) <- bin/prog (by $ORIGIN/../lib), bin/plain (by nothing)."""
    lib = ["-shared", "-fPIC", f"-L{tmp_path}"]
    build(tmp_path, "libdeep.so", "int deep(void) { return 30; }", *lib, "-Wl,-soname,libdeep.so")
    build(tmp_path, "libdep.so", "int deep(void); int dep(void) { return deep() + 10; }", *lib, "-ldeep",
          "-Wl,-soname,libdep.so", "-Wl,-rpath,${ORIGIN}")
    build(tmp_path, "libboth.so", "int dep(void); int both(void) { return dep() + 2; }", *lib, "-ldep",
          "-Wl,-soname,libboth.so", "-Wl,-rpath,$ORIGIN")
    source = """
        #include <stdio.h>
        #include <stdlib.h>
        int both(void);
        int main(void) { fflush(stdout); printf("%d %s\\n", both(), getenv("LD_PRELOAD")); fflush(stdout);
                         return system("ls /proc/self/fd | wc -l; exec env true"); }"""
    link = [f"-L{tmp_path}", "-lboth", f"-Wl,-rpath-link,{tmp_path}"]
    build(tmp_path, "prog", source, *link, "-Wl,-rpath,$ORIGIN/../lib")
    build(tmp_path, "plain", source, *link)
    for name in ("libdeep.so", "libdep.so", "libboth.so"):
        mount.put(f"lib/{name}", (tmp_path / name).read_bytes())
    for name in ("prog", "plain"):
        mount.put(f"bin/{name}", (tmp_path / name).read_bytes())
    mount.sh("chmod 755 $S3/bin/*")
    return mount


LOAD = "import ctypes, sys; print(ctypes.CDLL(sys.argv[1]).both())"


def test_dlopen_loads_what_is_needed(tree):
    assert tree.python(LOAD, tree.path("lib/libboth.so")).out == "42\n"
    assert tree.sh(f"cd $S3/lib; /usr/bin/python3 -c '{LOAD}' ./libboth.so").out == "42\n"


def test_dlopen_searches_ld_library_path(tree):
    assert tree.python(LOAD, "libboth.so", env={"LD_LIBRARY_PATH": tree.path("lib")}).out == "42\n"


def test_programs_with_libraries_beside_them(tree):
    """Started by exec and by posix_spawn; nothing is left of it in the program's environment or descriptors."""
    r = tree.sh("""
        $S3/bin/prog; cd $S3/bin; ./prog; PATH=$S3/bin:$PATH; prog
        LD_LIBRARY_PATH=$S3/lib plain; true | xargs prog
        /usr/bin/python3 -c 'import os; os.waitpid(os.posix_spawn("./prog", ["prog"], os.environ), 0)'
        ls /proc/self/fd | wc -l; ls -d /proc/self/fd/ > /dev/null; /usr/bin/env sh -c "echo $LD_PRELOAD"
        """)
    lines = r.out.splitlines()
    assert [line.split()[0] for line in lines[:12:2]] == ["42"] * 6, r
    assert all("/proc/" not in line for line in lines) and r.err == "", r
    assert len(set(lines[1:12:2])) == 1 and int(lines[1]) <= 5, r
