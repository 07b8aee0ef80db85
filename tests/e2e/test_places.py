"""Where a mount point lies, and the ways that lead to it from outside: listings of its parents, symlinks, `..`."""
import pytest


@pytest.fixture(params=["file", "versitygw"])
def mount(request):
    return request.getfixturevalue("files" if request.param == "file" else "gw")


def test_parent_shows_the_mount_point(mount):
    name = mount.point[1:]
    r = mount.sh(f"""
        ls / | grep -cx {name}
        find / -maxdepth 1 -name {name} -type d
        cd / && echo {name[0]}*l* $(ls -d {name}) | tr ' ' '\\n' | grep -cx {name}
        python3 -c 'import os; print(os.listdir("/").count("{name}"), [e.is_dir() for e in os.scandir("/") if e.name == "{name}"])
fd = os.open("/", os.O_RDONLY); print(os.listdir(fd).count("{name}"), os.listdir(fd).count("{name}"))'
        perl -e 'opendir D, "/"; print scalar(grep {{ $_ eq "{name}" }} readdir D); rewinddir D; print scalar(grep {{ $_ eq "{name}" }} readdir D), "\\n"'
        """, check=False)
    lines = r.out.splitlines()
    assert lines[:2] == ["1", f"/{name}"] and lines[3:] == ["1 [True]", "1 1", "11"], r


def test_folders_above_that_do_not_exist(mount):
    """A mount point two levels below a folder that the kernel does not know."""
    mount.put("f", b"hello")
    what = mount.mount_options()
    option = f"/nowhere/deep/er={what[1].split('=')[1]}" if mount.kind == "file" else f"/nowhere/deep/er=s3://{mount.bucket}"
    mount.mount_options = lambda: ["--mount", option]
    r = mount.sh("""
        ls -d /nowhere; ls /nowhere; find /nowhere -type f
        cd /nowhere && cat deep/er/f && cd deep && pwd && cat er/f && cd ../.. && pwd
        [ -d /nowhere/deep ] && [ ! -e /nowhere/other ] && [ ! -w /nowhere/deep ]
        mkdir /nowhere/new 2>/dev/null || echo refused
        """)
    assert r.out.split() == ["/nowhere", "deep", "/nowhere/deep/er/f", "hello/nowhere/deep", "hello/", "refused"], r


def test_symlinks_from_outside(mount):
    """A link to a folder, to a file, to nothing yet, relative, and one over two."""
    mount.put("d/f", b"hello\n")
    mount.put("d/sub/g", b"deep\n")
    mount.put("other/deep/h", b"")
    mount.put("other/top", b"above\n")
    links = mount.scratch / "links"
    links.mkdir()
    (links / "top").symlink_to(mount.point)
    (links / "d").symlink_to(f"{mount.point}/d")
    (links / "f").symlink_to("d/f")
    (links / "again").symlink_to("../links/top/d")
    (links / "new").symlink_to(f"{mount.point}/new")
    r = mount.sh(f"""
        cd {links}
        cat d/f f again/sub/g top/d/f
        ls d; ls top/d/sub/; stat -c %s,%F f -L; [ -d again/sub ]; [ ! -e d/none ]
        echo made > new; cat $S3/new
        mkdir d/folder; mv d/f d/folder/; ln -s x again/link; readlink d/link; rm again/link
        cp $S3/new top/d/copy; mv copied.$$ d/ 2>/dev/null || echo missing
        echo local > local; mv local d/; cat d/local
        (cd d && pwd -P && ls); truncate -s 2 new; chmod 600 again/copy; sed -i s/deep/edited/ again/sub/g
        python3 -c 'import os; print(os.path.realpath("again/sub/g")); open("d/py","w").write("py")'
        readlink f
        ln -s ../other/deep d/in; cat d/in/../top
        """)
    p = mount.point
    assert r.out.split() == ["hello", "hello", "deep", "hello", "f", "sub", "g", "6,regular", "file", "made", "x",
                             "missing", "local", f"{p}/d", "copy", "folder", "local", "sub", f"{p}/d/sub/g", "d/f", "above"], r
    assert mount.get("new") == b"ma" and mount.get("d/folder/f") == b"hello\n" and mount.get("d/py") == b"py"
    assert mount.get("d/sub/g") == b"edited\n" and mount.get("d/copy") == b"made\n"


def test_running_through_symlinks(mount):
    script = b"#!/bin/sh\necho run $0 $1\n"
    mount.put("bin/tool", script)
    (mount.scratch / "bin").symlink_to(f"{mount.point}/bin")
    r = mount.sh(f"chmod 755 $S3/bin/tool; cd {mount.scratch}; bin/tool a; PATH={mount.scratch}/bin:$PATH; tool b; env tool c")
    assert [line.split()[-1] for line in r.out.splitlines()] == ["a", "b", "c"], r


def test_over_an_existing_folder(files):
    """What lies under the mount point is not seen, by its name or by a link to it."""
    place = files.scratch / "place"
    place.mkdir()
    (place / "hidden").write_text("hidden")
    (files.scratch / "link").symlink_to(place)
    files.put("seen", b"seen")
    files.point = str(place)
    r = files.sh(f"ls $S3; ls {files.scratch}/link; cat {files.scratch}/link/seen; ls {files.scratch} | grep -c place; "
                 f"cd {files.scratch}/link; ls; [ ! -e hidden ]; echo new > new")
    assert r.out.split() == ["seen", "seen", "seen1", "seen"]
    assert files.get("new") == b"new\n" and [p.name for p in place.iterdir()] == ["hidden"]


def test_one_below_another(files):
    inner = files.scratch / "inner"
    inner.mkdir()
    (inner / "i").write_text("inner")
    files.put("o", b"outer")
    files.put("in/shadowed", b"")
    r = files.sh("cat $S3/o $S3/in/i; ls $S3 | tr '\\n' ' '; ls $S3/in; cd $S3/in; cat ../o; cd ..; pwd; "
                 "mv in/i i 2>/dev/null && cat i; find . -type f | sort",
                 options=["--mount", f"{files.point}/in=file:{inner}"])
    assert r.out.split() == ["outerinnerin", "o", "i", "outer/vol", "inner./i", "./o"], r
