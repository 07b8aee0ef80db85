#!/usr/bin/python3
# nano in a terminal: a new file, then the same with a backup, keys typed through a pty
# packages: nano python3
import os, pty, select, sys, time
def edit(argv, keys):
    pid, fd = pty.fork()
    if not pid:
        os.environ["TERM"] = "vt100"; os.execvp(argv[0], argv)
    def drain(seconds):
        seen, end = b"", time.monotonic() + seconds
        while time.monotonic() < end and not seen.endswith(b"\0"):
            if select.select([fd], [], [], 0.2)[0]:
                try:
                    seen += os.read(fd, 4096)
                except OSError:
                    return False
            elif seen:
                return True
        return True
    drain(30)
    for k in keys:
        os.write(fd, k)
        if not drain(2):
            break
    while drain(30):
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(edit(["nano", "-I", "new"], [b"hello from nano", b"\x0f", b"\r", b"\x18"]), open("new").read())
print(edit(["nano", "-I", "-B", "new"], [b"more ", b"\x0f", b"\r", b"\x18"]), open("new").read(), sorted(os.listdir(".")))
