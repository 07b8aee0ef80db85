#!/usr/bin/python3
# less in a terminal, tail -f following what another process appends, tail -F over a rename, watch by polling
# packages: less coreutils python3
import os, pty, select, subprocess, time
open("f", "w").write("".join(f"line {i}\n" for i in range(1, 2001)))
def screen(argv, keys):
    pid, fd = pty.fork()
    if not pid:
        os.environ.update(TERM="vt100", LESSHISTFILE="-", LINES="10", COLUMNS="40"); os.execvp(argv[0], argv)
    out = b""
    for k in keys:
        while select.select([fd], [], [], 1)[0]:
            try:
                out += os.read(fd, 4096)
            except OSError:
                break
        os.write(fd, k)
    try:
        while chunk := os.read(fd, 4096):
            out += chunk
    except OSError:
        pass
    os.waitpid(pid, 0)
    return out
out = screen(["less", "f"], [b"/line 1234\n", b"G", b"q"])
print(b"line 1234" in out, b"line 2000" in out, b"line 700" in out)
def follow(argv, act, wanted):
    p = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    fd, got = p.stdout.fileno(), b""
    def until(text):
        nonlocal got
        while text not in got and select.select([fd], [], [], 60)[0]:
            got += os.read(fd, 4096)
    until(b"line 2000\n")
    for step, text in zip(act, wanted):
        step(); until(text)
    p.kill(); p.wait()
    return got.decode().split("\n")[-4:]
append = lambda text: lambda: subprocess.run(["sh", "-c", f"echo {text} >>f"])
print(follow(["tail", "-n1", "-f", "f"], [append("one"), append("two")], [b"one\n", b"two\n"]))
open("f", "a").write("line 2000\n")
def rotate():
    os.rename("f", "f.1"); open("f", "w").write("new file\n")
print(follow(["tail", "-n1", "-F", "f"], [rotate, append("three")], [b"new file\n", b"three\n"]))
print(subprocess.run(["sh", "-c", "tail -n +1999 f.1 | head -n 1; tail -c 6 f; tail -q -n1 f f.1; head -n -1 f"], capture_output=True, text=True).stdout)
