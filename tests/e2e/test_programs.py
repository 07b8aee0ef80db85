"""Unmodified programs on a mount, the witness looking at what is there afterwards: on a File volume, on versitygw and on
radosgw alike."""
import hashlib
import json
import os
import shutil
import sqlite3

import pytest


@pytest.mark.sanitized
def test_echo_and_cat(volume):
    r = volume.sh('echo hello >$S3/greeting; cat $S3/greeting')
    assert r.out == "hello\n"
    assert volume.get("greeting") == b"hello\n"


@pytest.mark.sanitized
def test_append_by_redirection(volume):
    volume.put("log", b"one\n")
    volume.sh('echo two >>$S3/log; echo three >>$S3/log')
    assert volume.get("log") == b"one\ntwo\nthree\n"


@pytest.mark.sanitized
def test_ls(volume):
    volume.put("a", b"12345")
    volume.put("dir/b", b"x")
    volume.put("dir/c", b"x")
    r = volume.sh("ls -l $S3; ls $S3/dir; ls -d $S3/dir/")
    lines = r.out.splitlines()
    assert lines[1].split()[0].startswith("-rw") and lines[1].split()[4] == "5" and lines[1].endswith(" a")
    assert lines[2].startswith("drwx") and lines[2].endswith(" dir")
    assert lines[3:] == ["b", "c", volume.path("dir/")]


def test_ls_of_what_is_not_there(volume):
    r = volume.sh("ls $S3/none", check=False)
    assert r.status == 2 and "No such file or directory" in r.err


@pytest.mark.sanitized
def test_copy_in_and_out(volume):
    data = os.urandom(300_000)
    (volume.scratch / "in").write_bytes(data)
    volume.sh("cp in $S3/copied; cp $S3/copied out; cp $S3/copied $S3/again; cmp $S3/again in")
    assert volume.get("copied") == volume.get("again") == data
    assert (volume.scratch / "out").read_bytes() == data


def test_copy_tree_keeps_times_and_modes(volume):
    volume.sh("""mkdir -p tree/sub; echo a >tree/a; echo b >tree/sub/b; chmod 640 tree/a; touch -d 2020-02-02T02:02:02Z tree/a
cp -a tree $S3/tree; stat -c '%a %Y' $S3/tree/a; diff -r tree $S3/tree""")
    r = volume.sh("stat -c '%a %Y' $S3/tree/a")  # another session: from the bucket
    assert r.out == "640 1580608922\n"
    assert volume.keys() == ["tree/a", "tree/sub/b"]


def test_pipeline(volume):
    volume.put("words", b"".join(b"%d %s\n" % (i, b"even" if i % 2 == 0 else b"odd") for i in range(10_000)))
    r = volume.sh("grep odd $S3/words | sort -rn | sed -n 1,2p; grep -c even $S3/words; wc -l <$S3/words; sort -n $S3/words | "
                  "tail -n1 | tee $S3/last")
    assert r.out.split() == ["9999", "odd", "9997", "odd", "5000", "10000", "9999", "odd"]
    assert volume.get("last") == b"9999 odd\n"


@pytest.mark.sanitized
def test_dd_and_sha256sum(volume):
    data = os.urandom(1 << 20) * 40
    (volume.scratch / "in").write_bytes(data)
    r = volume.sh("dd if=in of=$S3/big bs=1M status=none; sha256sum <$S3/big; dd if=$S3/big bs=64K status=none | sha256sum")
    assert set(r.out.split()) == {hashlib.sha256(data).hexdigest(), "-"}
    assert hashlib.sha256(volume.get("big")).digest() == hashlib.sha256(data).digest()


def test_dd_reads_a_hundred_megabytes_cold(gw):
    data = os.urandom(1 << 20) * 100
    gw.put("big", data)
    r = gw.sh("dd if=$S3/big bs=1M status=none | sha256sum")
    assert r.out.split()[0] == hashlib.sha256(data).hexdigest()
    assert r.stats["bytes_down"] <= len(data) + (1 << 20), "every byte travels once"


def test_dd_in_the_middle(volume):
    volume.put("f", b"a" * 100_000)
    volume.sh("echo -n MIDDLE | dd of=$S3/f bs=1 seek=50000 conv=notrunc status=none; dd if=$S3/f bs=1 skip=49998 count=10 "
              "status=none")
    assert volume.get("f") == b"a" * 50_000 + b"MIDDLE" + b"a" * 49_994


@pytest.mark.sanitized
def test_python(volume):
    volume.put("d/one.json", json.dumps({"n": 1}).encode())
    r = volume.python("""
import json, os, shutil, sys
top = sys.argv[1]
with open(f"{top}/d/one.json") as f:
    n = json.load(f)["n"]
with open(f"{top}/d/two.json", "w") as f:
    json.dump({"n": n + 1}, f)
os.makedirs(f"{top}/d/e/f")
with open(f"{top}/d/e/f/three", "wb") as f:
    f.write(b"3" * 70000)
    f.seek(10)
    f.write(b"x")
for base, dirs, files in sorted(os.walk(top)):
    print(base[len(top):], sorted(dirs), sorted(files))
print(os.path.getsize(f"{top}/d/e/f/three"), os.path.isdir(f"{top}/d"), os.path.exists(f"{top}/none"))
shutil.copytree(f"{top}/d", f"{top}/copy")
shutil.rmtree(f"{top}/d/e")
os.replace(f"{top}/d/two.json", f"{top}/d/one.json")
print(sorted(os.listdir(f"{top}/d")), open(f"{top}/d/one.json").read())
""", volume.point)
    assert r.out.splitlines() == [
        " ['d'] []", "/d ['e'] ['one.json', 'two.json']", "/d/e ['f'] []", "/d/e/f [] ['three']", "70000 True False",
        "['one.json'] {\"n\": 2}",
    ]
    assert volume.keys() == ["copy/e/f/three", "copy/one.json", "copy/two.json", "d/one.json"]
    assert volume.get("copy/e/f/three") == b"3" * 10 + b"x" + b"3" * 69989


@pytest.fixture
def database(tmp_path):
    with sqlite3.connect(tmp_path / "db") as db:
        db.execute("create table t (n integer, s text)")
        db.executemany("insert into t values (?, ?)", ((i, f"row {i}") for i in range(20_000)))
    db.close()
    return (tmp_path / "db").read_bytes()


def test_sqlite_reads(volume, database):
    volume.put("db", database)
    r = volume.run(["sqlite3", volume.path("db"), "select count(*), sum(n), max(s) from t; pragma integrity_check"])
    assert r.out == "20000|199990000|row 9999\nok\n"
    assert volume.get("db") == database


def test_sqlite_writes(volume, database, tmp_path):
    volume.put("db", database)
    volume.run(["sqlite3", volume.path("db"), "update t set s = 'changed' where n < 10; insert into t values (-1, 'new')"])
    (tmp_path / "copy").write_bytes(volume.get("db"))
    with sqlite3.connect(tmp_path / "copy") as db:
        assert db.execute("select count(*) from t where s in ('changed', 'new')").fetchone() == (11,)
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert volume.keys() == ["db"], "the journal is gone"


def test_tar(volume):
    volume.sh("""mkdir -p tree/a/b; for i in 1 2 3 4 5; do seq $i >tree/a/b/f$i; done; : >tree/empty
tar -C $S3 -xf <(tar -cf - tree); tar -cf $S3/t.tar -C $S3 tree; tar -tf $S3/t.tar | sort; diff -r tree $S3/tree
tar -czf $S3/t.tgz tree; mkdir out; tar -xzf $S3/t.tgz -C out; diff -r tree out/tree""")
    assert [k for k in volume.keys() if k.startswith("tree")] == [f"tree/a/b/f{i}" for i in range(1, 6)] + ["tree/empty"]


@pytest.mark.sanitized
def test_move(volume):
    for k in ("f", "d/x", "d/y/z"):
        volume.put(k, k.encode())
    volume.sh("mv $S3/f $S3/g; mv $S3/d $S3/e; mkdir $S3/new; mv $S3/g $S3/new/; ls $S3/d && exit 1; cat $S3/e/y/z")
    assert volume.keys() == ["e/x", "e/y/z", "new/g"]
    assert volume.get("e/y/z") == b"d/y/z" and volume.get("new/g") == b"f"


def test_move_across_the_border(volume):
    volume.put("down", b"from the mount")
    (volume.scratch / "up").write_bytes(b"from the disk")
    volume.sh("mv $S3/down .; mv up $S3/; ls -A $S3")
    assert volume.keys() == ["up"] and volume.get("up") == b"from the disk"
    assert (volume.scratch / "down").read_bytes() == b"from the mount"


@pytest.mark.sanitized
def test_remove_tree(volume):
    for i in range(30):
        volume.put(f"d/{i % 3}/f{i}", b"x")
    volume.put("keep", b"x")
    volume.sh("rm -r $S3/d; ls $S3")
    assert volume.keys() == ["keep"]


def test_find_and_edit(volume):
    volume.put("src/a.c", b"int old_name;\n")
    volume.put("src/b.c", b"extern int old_name;\n")
    r = volume.sh("sed -i s/old_name/new_name/ $S3/src/*.c; find $S3 -name '*.c' -type f -size -2k | sort; "
                  "grep -rl new_name $S3 | wc -l; find $S3 -name b.c -delete")
    assert r.out.split() == [volume.path("src/a.c"), volume.path("src/b.c"), "2"]
    assert volume.keys() == ["src/a.c"] and volume.get("src/a.c") == b"int new_name;\n"


def test_compressors_and_checks(volume):
    volume.put("f", b"compress me " * 5000)
    r = volume.sh("gzip -k $S3/f; gzip -t $S3/f.gz; zcat $S3/f.gz | cmp - $S3/f; md5sum $S3/f >$S3/sums; md5sum -c $S3/sums; "
                  "head -c 5 $S3/f; tail -c 4 $S3/f; od -An -tx1 -N2 $S3/f.gz; rm $S3/f.gz")
    assert r.out == f"{volume.path('f')}: OK\ncompr me  1f 8b\n"


def test_names_beyond_ascii(volume):
    names = ["mit Leerzeichen", "ünïcödé", "100%+1", "a&b=c?d#e", "quote'\"", "plus+plus", "~tilde", "星"]
    volume.python("""
import os, sys
top, *names = sys.argv[1:]
for n in names:
    with open(os.path.join(top, n), "w") as f:
        f.write(n)
print(sorted(os.listdir(top)) == sorted(names), all(open(os.path.join(top, n)).read() == n for n in names))
""", volume.point, *names)
    assert sorted(volume.keys()) == sorted(names)
    for n in names:
        assert volume.get(n) == n.encode()


def test_current_directory(volume):
    volume.put("a/b/f", b"here")
    r = volume.sh("cd $S3/a; cat b/f; pwd; cd b; cat ../b/f; (cd ..; ls); echo new >g; cd /; cat ${S3#/}/a/b/g", check=True)
    assert r.out == f"here{volume.path('a')}\nhereb\nnew\n"
    assert volume.get("a/b/g") == b"new\n"


def test_script_and_program_on_the_mount(volume):
    volume.put("hello.sh", b"#!/bin/sh\necho hello from $0 $1\n")
    r = volume.sh("sh $S3/hello.sh x; chmod +x $S3/hello.sh; $S3/hello.sh y; cp /bin/echo $S3/echo; chmod 755 $S3/echo; "
                  "$S3/echo by a program of the mount")
    assert [line.split()[-1] for line in r.out.splitlines()] == ["x", "y", "mount"]


def test_empty_file_and_folder(volume):
    r = volume.sh(": >$S3/empty; mkdir $S3/folder; stat -c %s $S3/empty; cat $S3/empty; ls -A $S3/folder; rmdir $S3/folder; "
                  "test ! -e $S3/folder")
    assert r.out == "0\n"
    assert volume.keys() == ["empty"] and volume.get("empty") == b""


def test_thousand_files_under_parallel_writers(volume):
    volume.sh("mkdir $S3/d; seq 200 | xargs -P8 -I{} sh -c 'echo content {} >$0/d/f{}' $S3; ls $S3/d | wc -l")
    assert sorted(volume.keys()) == sorted(f"d/f{i}" for i in range(1, 201))
    assert volume.get("d/f137") == b"content 137\n"


def test_two_programs_see_each_other(volume):
    r = volume.sh("(echo one; sleep 0.3; echo two) >$S3/f & sleep 0.1; cat $S3/f; wait; cat $S3/f")
    assert r.out == "one\none\ntwo\n"


def test_lock_between_programs(volume):
    r = volume.sh("exec 9>$S3/lock; flock 9; flock -n $S3/lock true && echo got it twice || echo held; flock -u 9; "
                  "flock -n $S3/lock echo free")
    assert r.out == "held\nfree\n"


def test_dnotify_is_refused(volume):
    """Natively it is a success; a kernel without it says EINVAL, and so does a mount."""
    r = volume.python(f"""
import errno, fcntl, os
os.makedirs('{volume.path("d")}')
for name in ('d', 'f'):
    fd = os.open('{volume.path()}/' + name, os.O_RDONLY | (os.O_CREAT if name == 'f' else os.O_DIRECTORY))
    try:
        fcntl.fcntl(fd, fcntl.F_NOTIFY, fcntl.DN_CREATE)
    except OSError as e:
        print(errno.errorcode[e.errno])
""")
    assert r.out == "EINVAL\nENOTDIR\n"


def test_under_valgrind(files):
    """It changes the argument registers of system calls, which the kernel does not."""
    if not shutil.which("valgrind"):
        pytest.skip("no valgrind here")
    files.put("f", b"content")
    r = files.run(["valgrind", "-q", "--error-exitcode=9", "cat", files.path("f")])
    assert (r.out, r.err) == ("content", "")
