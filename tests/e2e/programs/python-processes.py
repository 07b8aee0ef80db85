#!/usr/bin/python3
# python: subprocess, multiprocessing by fork and spawn over one mapped file, modules and byte code from the mount, locks
# packages: python3 libpython3-stdlib
# core
# differs: pkg/__pycache__/*
import fcntl, importlib, mmap, multiprocessing, os, subprocess, sys, tempfile, threading
W = os.getcwd()

def fill(i):
    with open("shared", "r+b") as f, mmap.mmap(f.fileno(), 0) as m:
        m[i * 100:(i + 1) * 100] = bytes([65 + i]) * 100
    return os.getpid() != os.getppid()

def append(i):
    for n in range(50):
        with open("log", "a") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            f.write(f"{i} {n}\n")

def count(_):
    for n in range(30):
        with open("counter", "r+") as f:
            fcntl.lockf(f, fcntl.LOCK_EX)
            v = int(f.read() or 0); f.seek(0); f.write(str(v + 1)); f.flush(); fcntl.lockf(f, fcntl.LOCK_UN)

if __name__ == "__main__":
    sys.dont_write_bytecode = False
    os.mkdir("pkg"); open("pkg/__init__.py", "w").write("from . import inner\nVALUE = inner.x * 2\n"); open("pkg/inner.py", "w").write("x = 21\n")
    sys.path.insert(0, W); importlib.invalidate_caches(); import pkg
    print(pkg.VALUE, pkg.__file__, sorted(os.listdir("pkg/__pycache__")))
    print(subprocess.run([sys.executable, "-c", "import pkg; print(pkg.VALUE)"], capture_output=True, text=True, env={"PYTHONPATH": W}).stdout)
    open("shared", "wb").write(bytes(800)); open("counter", "w").write("0")
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(all(pool.map(fill, range(8))), pool.map(append, range(4)), pool.map(count, range(4)))
    print(open("shared").read()[::100], len(open("log").readlines()), open("counter").read())
    with open("out", "w") as f:
        subprocess.run("echo from shell; ls; echo err >&2", shell=True, stdout=f, stderr=subprocess.STDOUT, cwd="pkg")
    print(open("out").read().split())
    with open("out") as f:
        print(subprocess.run(["wc", "-l"], stdin=f, capture_output=True).stdout)
    p = subprocess.Popen(["tee", "teed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True, start_new_session=True)
    print(p.communicate(b"through a pipe\n"), open("teed").read())
    fd = os.open("inherited", os.O_RDWR | os.O_CREAT); os.set_inheritable(fd, True)
    subprocess.run(["sh", "-c", f"echo by child >&{fd}"], pass_fds=[fd]); print(os.lseek(fd, 0, os.SEEK_CUR), os.pread(fd, 20, 0))
    threads = [threading.Thread(target=lambda i=i: open(f"t{i}", "w").write(str(i) * 1000)) for i in range(12)]
    [t.start() for t in threads]; [t.join() for t in threads]; print(sum(os.path.getsize(f"t{i}") for i in range(12)))
    pid = os.fork()
    if not pid:
        os.chdir("pkg"); print(os.getcwd(), flush=True); os.execlp("cat", "cat", "inner.py")
    os.waitpid(pid, 0)
    os.posix_spawn("/bin/cat", ["cat"], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "teed", os.O_RDONLY, 0)]); os.wait()
    print(os.popen("cat log | wc -l").read(), os.system("test -s shared"))
    os.remove("log")
