#!/usr/bin/python3
# python: shutil, tempfile, zipfile, mmap, dbm, shelve, pathlib, glob, scandir, fileinput, gzip, codecs, wide seeks
# packages: python3 libpython3-stdlib
# core
# differs: shelf*
import codecs, dbm.dumb, fileinput, filecmp, glob, gzip, io, mmap, os, pathlib, pickle, shelve, shutil, stat, sys, tarfile, tempfile, zipfile
w = pathlib.Path.cwd()
(w / "a/b").mkdir(parents=True)
for i in range(30):
    (w / f"a/f{i:02}").write_text(f"{i}\n" * i)
(w / "a/b/umlaut-ü").write_text("grün", encoding="latin-1")
os.symlink("../f01", "a/b/link")
shutil.copytree("a", "c", symlinks=True); print(filecmp.dircmp("a", "c").diff_files, os.readlink("c/b/link"))
shutil.move("c/b", "moved"); print(sorted(os.listdir("moved")), shutil.disk_usage(".").total > 0)
print(sorted(glob.glob("a/**/*", recursive=True))[-4:], len(list(w.rglob("f*"))))
with os.scandir("a") as entries:
    print(sorted((e.name, e.is_dir(), e.is_symlink(), e.is_file() and e.stat().st_size) for e in entries)[:3])
with tempfile.NamedTemporaryFile(dir=w) as t, tempfile.TemporaryFile(dir=w) as u, tempfile.TemporaryDirectory(dir=w) as d:
    t.write(b"x"); t.flush(); u.write(b"gone" * 1000); u.seek(2); print(os.path.getsize(t.name), u.read(6), os.path.isdir(d), os.fstat(u.fileno()).st_nlink)
with zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for f in sorted(w.glob("a/f*")):
        z.writestr(zipfile.ZipInfo(f.name), f.read_bytes())
with zipfile.ZipFile("z.zip", "a") as z:
    z.writestr(zipfile.ZipInfo("late"), "late")
print(zipfile.ZipFile("z.zip").testzip(), len(zipfile.ZipFile("z.zip").namelist()), zipfile.Path("z.zip", "late").read_text())
with open("m", "w+b") as f:
    f.truncate(100_000)
    with mmap.mmap(f.fileno(), 0) as m:
        m[5000:5005] = b"hello"; m[-3:] = b"end"; m.flush(); print(m.find(b"end"))
    f.seek(5000); print(f.read(5))
with open("m", "rb") as f, mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ, offset=4096) as m:
    print(m[904:909])
with shelve.open("shelf") as s:
    s["k"] = list(range(1000))
with shelve.open("shelf") as s:
    print(len(s["k"]))
with dbm.dumb.open("dumb", "c") as d:
    d["x"] = "y"
with fileinput.input(["a/f03", "a/f04"], inplace=True, backup=".old") as f:
    for line in f:
        print(line.strip() * 2)
print(open("a/f03").read().split())
with gzip.GzipFile("g.gz", "wb", mtime=0) as g:
    g.write(b"zipped" * 9999)
print(len(gzip.open("g.gz").read()), codecs.open("a/b/umlaut-ü", encoding="latin-1").read())
with open("rw", "w+") as f:
    f.write("0123456789" * 2000); f.seek(9_995); f.write("MIDDLE"); f.seek(0, io.SEEK_END); end = f.tell(); f.seek(9_990); print(f.read(15), end)
fd = os.open("raw", os.O_RDWR | os.O_CREAT, 0o600); os.pwrite(fd, b"tail", 50_000); print(os.pread(fd, 3, 49_999), os.lseek(fd, 0, os.SEEK_END)); os.ftruncate(fd, 10); os.fchmod(fd, 0o640); os.close(fd)
os.chmod("rw", 0o600); os.utime("rw", (1, 2)); print(oct(os.stat("rw").st_mode), os.stat("rw").st_mtime, stat.filemode(os.lstat("a/b/link").st_mode))
with tarfile.open("t.tar.xz", "w:xz") as t:
    t.add("moved")
print(sorted(tarfile.open("t.tar.xz").getnames()))
os.remove("t.tar.xz"); pickle.dump({"a": 1}, open("p", "wb")); print(pickle.load(open("p", "rb")))
os.rename("p", "q"); os.replace("q", "rw"); os.makedirs("deep/er"); os.removedirs("deep/er"); shutil.make_archive("made", "zip", "moved"); os.remove("made.zip"); shutil.rmtree("c")
for error in (lambda: os.rmdir("a"), lambda: os.mkdir("a"), lambda: open("none/x", "w"), lambda: os.listdir("rw"), lambda: os.open("a", os.O_WRONLY), lambda: os.rename("a", "a/b/x"), lambda: open("x" * 256, "w")):
    try:
        error()
    except OSError as e:
        print(e.errno, e.strerror)
