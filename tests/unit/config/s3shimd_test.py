#!/usr/bin/env python3
"""s3shimd as a process, and s3ctl, on a File volume. Usage: s3shimd_test.py S3SHIMD S3CTL [test...]"""
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

S3SHIMD, S3CTL = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def wait_for(condition):
    for _ in range(500):
        if condition():
            return True
        time.sleep(0.01)
    return False


class Daemon(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory()
        self.dir = self.tmp.name
        os.mkdir(self.dir + "/srv")
        self.socket = self.dir + "/x.sock"
        self.env = {"PATH": "/usr/bin:/bin", "HOME": self.dir, "XDG_RUNTIME_DIR": self.dir,
                    "XDG_STATE_HOME": self.dir + "/state", "S3SHIM_MOUNT": "/work=file:" + self.dir + "/srv"}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.children = []

    def tearDown(self):
        for p in self.children:
            if p.poll() is None:
                p.kill()
            p.communicate()
        self.tmp.cleanup()

    def start(self, *args, ready=True, **more):
        """Return: the process, and what it wrote to --ready-fd before it closed it."""
        r, w = os.pipe()
        options = ["--ready-fd", str(w)] if ready else []
        p = subprocess.Popen([S3SHIMD, *args, *options], env=dict(self.env, **more.pop("env", {})), pass_fds=[w],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
        self.children.append(p)
        os.close(w)
        said = os.read(r, 16)
        os.close(r)
        return p, said

    def log(self, name):
        with open(f"{self.dir}/state/s3shim/{name}.log") as f:
            return f.read()

    def ctl(self, *args):
        p = subprocess.run([S3CTL, *args], env=self.env, capture_output=True, text=True, timeout=60)
        return p.returncode, p.stdout, p.stderr

    def test_bare_ends_by_itself_and_says_nothing(self):
        p, said = self.start("--bare", self.socket, "--idle-ms", "200")
        self.assertEqual(said, b"1")
        self.assertEqual(stat.S_IMODE(os.stat(self.socket).st_mode), 0o600)
        out, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, out, err), (0, "", ""))
        self.assertFalse(os.path.exists(self.socket))
        self.assertIn("has ended", self.log("x"))

    def test_bare_only_one_serves(self):
        first, _ = self.start("--bare", self.socket, "--idle-ms", "60000")
        second, said = self.start("--bare", self.socket)
        self.assertEqual(said, b"1")
        self.assertEqual(second.wait(timeout=60), 0)
        self.assertIsNone(first.poll())

    def test_bare_replaces_a_stale_socket(self):
        s = socket.socket(socket.AF_UNIX)
        s.bind(self.socket)
        s.close()
        _, said = self.start("--bare", self.socket, "--idle-ms", "60000")
        self.assertEqual(said, b"1")

    def test_bare_failure_is_in_the_log_alone(self):
        p, said = self.start("--bare", self.socket, env={"S3SHIM_MOUNT": "/=s3://b"})
        out, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, said, out, err), (125, b"", "", ""))
        self.assertIn("a mount point cannot be '/'", self.log("x"))

    def test_hard_limit_on_file_size_is_refused(self):
        p, said = self.start("--bare", self.socket,
                             preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        self.assertEqual((p.wait(timeout=60), said), (125, b""))
        self.assertIn("RLIMIT_FSIZE", self.log("x"))

    def test_soft_limits_are_raised(self):
        p, _ = self.start("--bare", self.socket, "--idle-ms", "60000",
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                (1 << 20, resource.RLIM_INFINITY)))
        self.assertEqual(resource.prlimit(p.pid, resource.RLIMIT_FSIZE)[0], resource.RLIM_INFINITY)
        soft, hard = resource.prlimit(p.pid, resource.RLIMIT_NOFILE)
        self.assertEqual(soft, hard)

    def test_holds_nothing_of_who_started_it(self):
        r, w = os.pipe()
        p = subprocess.Popen([S3SHIMD, "--bare", self.socket, "--idle-ms", "60000"], env=self.env, pass_fds=[w])
        self.children.append(p)
        os.close(w)
        self.assertEqual(os.read(r, 1), b"")
        os.close(r)
        self.assertTrue(wait_for(lambda: os.path.exists(self.socket)))
        self.assertEqual(os.getsid(p.pid), p.pid)

    def test_standalone_ends_by_sigterm(self):
        p, said = self.start("--socket", self.socket)
        self.assertEqual(said, b"1")
        p.send_signal(signal.SIGHUP)
        time.sleep(0.1)
        self.assertIsNone(p.poll())
        p.terminate()
        self.assertEqual(p.wait(timeout=60), 0)

    def test_standalone_failure_is_said(self):
        p, _ = self.start("--socket", self.socket, "--ttl=soon")
        _, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, err), (125, "s3shimd: --ttl 'soon' is not a time such as 500ms or 30s\n"))

    def test_nobody_could_reach_it(self):
        p, _ = self.start()
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 125)
        self.assertIn("give --socket PATH", err)

    def test_status(self):
        os.mkdir(self.dir + "/s3shim", 0o700)
        path = self.dir + "/s3shim/a.sock"
        self.start("--socket", path)
        code, out, _ = self.ctl("status")
        self.assertEqual(code, 0)
        self.assertTrue(out.startswith(path + "\n"))
        self.assertIn("mount: /work", out)
        code, out, _ = self.ctl("status", "--json", "--socket", path)
        sessions = json.loads(out)
        self.assertEqual(sessions[0]["status"]["mounts"][0]["mount"], "/work")

    def test_status_without_sessions(self):
        self.assertEqual(self.ctl("status"), (0, f"no sessions in '{self.dir}/s3shim'\n", ""))
        self.assertEqual(self.ctl("status", "--json")[1], "[]\n")

    def test_status_of_a_socket_that_is_not_there(self):
        code, _, err = self.ctl("status", "--socket", "/nonexistent")
        self.assertEqual((code, err), (1, "s3ctl: no broker answers at '/nonexistent': No such file or directory\n"))

    def test_recover_of_an_empty_folder(self):
        self.assertEqual(self.ctl("recover", "--cache-dir", self.dir), (0, "nothing to recover\n", ""))
        self.assertEqual(self.ctl("recover", "--cache-dir", self.dir, "--json")[1], "[]\n")

    def test_unknown_command(self):
        code, _, err = self.ctl("statsu")
        self.assertEqual(code, 2)
        self.assertTrue(err.startswith("s3ctl: unknown command 'statsu'; did you mean 'status'?\n"))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
