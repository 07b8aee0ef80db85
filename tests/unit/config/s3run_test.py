#!/usr/bin/env python3
"""s3run's contract: statuses, sentences, signals, the program's environment. Usage: s3run_test.py S3RUN STATIC [test...]

The broker is fake_broker.py, so every outcome can be had; the library is any shared object, since no mount is touched.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
S3RUN, STATIC = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
LIBRARY = "/lib/x86_64-linux-gnu/libutil.so.1"


def wait_for(condition):
    for _ in range(3000):  # the machine may be busy
        if condition():
            return True
        time.sleep(0.01)
    return False


def state(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]


class Run(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.env = {"PATH": "/usr/bin:/bin", "HOME": self.dir.name, "XDG_RUNTIME_DIR": self.dir.name}
        for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        # A test sets LD_PRELOAD for s3run itself, whose own runtime then comes second in a sanitizer's build.
        self.env["ASAN_OPTIONS"] = self.env.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"

    def tearDown(self):
        self.dir.cleanup()

    def start(self, *program, options=(), plan=None, **more):
        env = dict(self.env, FAKE_BROKER=json.dumps(plan or {}), **more.pop("env", {}))
        args = [S3RUN, "--library", LIBRARY, "--broker", HERE + "/fake_broker.py", "--bucket", "b", *options, "--"]
        return subprocess.Popen(args + list(program), env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **more)

    def run_(self, *program, **more):
        p = self.start(*program, **more)
        out, err = p.communicate(timeout=60)
        return p.returncode, out, err

    # statuses

    def test_the_programs_own_status_and_nothing_said(self):
        self.assertEqual(self.run_("sh", "-c", "echo x; exit 7"), (7, "x\n", ""))

    def test_not_found_is_127(self):
        self.assertEqual(self.run_("no-such-program"), (127, "", "s3run: 'no-such-program': No such file or directory\n"))

    def test_not_executable_is_126(self):
        self.assertEqual(self.run_("/etc/passwd"), (126, "", "s3run: '/etc/passwd': Permission denied\n"))

    def test_static_is_126_and_says_what_to_do(self):
        code, _, err = self.run_(STATIC)
        self.assertEqual(code, 126)
        self.assertIn(f"'{STATIC}' is statically linked", err)
        self.assertIn("--no-require-preload", err)

    def test_static_runs_when_told_to(self):
        self.assertEqual(self.run_(STATIC, options=["--no-require-preload"]), (0, "", ""))

    def test_broker_that_refuses_is_125_with_its_sentence(self):
        self.assertEqual(self.run_("true", plan={"refuse": "bucket 'b' is not there"}),
                         (125, "", "s3run: bucket 'b' is not there\n"))

    def test_broker_that_dies_at_start_is_125(self):
        code, _, err = self.run_("true", plan={"die": "hello"})
        self.assertEqual(code, 125)
        self.assertIn("has ended with status 3 before it was ready", err)

    def test_missing_library_is_125(self):
        code, _, err = self.run_("true", options=["--library", "/nonexistent/libs3shim.so"])
        self.assertEqual((code, err), (125, "s3run: library '/nonexistent/libs3shim.so': No such file or directory\n"))

    def test_failed_upload_is_74(self):
        code, _, err = self.run_("true", plan={"failures": [["s3://b/k", "PUT: 403 AccessDenied"]]})
        self.assertEqual((code, err), (74, "s3run: s3://b/k was not uploaded: PUT: 403 AccessDenied\n"))

    def test_failed_upload_of_a_failed_program_keeps_its_status(self):
        code, _, err = self.run_("false", plan={"failures": [["s3://b/k", "x"]]})
        self.assertEqual((code, err), (1, "s3run: s3://b/k was not uploaded: x\n"))

    def test_broker_that_dies_in_the_drain_is_74(self):
        code, _, err = self.run_("true", plan={"die": "drain"})
        self.assertEqual(code, 74)
        self.assertIn("s3ctl recover", err)

    def test_broker_that_was_stopped_and_finished_is_no_failure(self):
        self.assertEqual(self.run_("true", plan={"die": "drain", "status": 0}), (0, "", ""))

    # what the program and the broker get

    def test_environment_of_the_program(self):
        code, out, _ = self.run_("env", env={"LD_PRELOAD": "/lib/x86_64-linux-gnu/libdl.so.2", "S3SHIM_STATE": "old"},
                                 options=["--mount", "/a=s3://b", "--mount", "/w=file:/srv"])
        env = dict(line.split("=", 1) for line in out.splitlines())
        self.assertEqual(code, 0)
        self.assertEqual(env["LD_PRELOAD"], "/lib/x86_64-linux-gnu/libdl.so.2:" + LIBRARY)
        self.assertEqual(env["S3SHIM_ROUTES"], "/a:/w:/s3")
        self.assertTrue(env["S3SHIM_SOCKET"].startswith(self.dir.name + "/s3shim/run-"))
        self.assertNotIn("S3SHIM_STATE", env)

    def test_broker_gets_the_options_and_no_preload(self):
        seen = self.dir.name + "/seen"
        self.run_("true", options=["--region", "r"], env={"FAKE_BROKER_SEEN": seen, "LD_PRELOAD": "/x/libs3shim.so"})
        with open(seen) as f:
            got = json.load(f)
        self.assertIn("--region", got["args"])
        self.assertIsNone(got["preload"])

    def test_without_a_program_it_is_the_shell(self):
        self.assertEqual(self.run_(env={"SHELL": "/bin/false"})[0], 1)

    def test_program_below_a_mount_is_started_by_a_preloaded_shell(self):
        code, _, err = self.run_("/s3/tool")
        self.assertEqual(code, 127)
        self.assertNotIn("s3run: '", err)  # not looked at by s3run: the shell, which sees the mount, says it

    def test_stats(self):
        path = self.dir.name + "/stats"
        self.assertEqual(self.run_("true", options=["--stats", path])[0], 0)
        with open(path) as f:
            stats = json.load(f)
        self.assertEqual(stats["bytes_up"], 7)
        self.assertGreater(stats["run_seconds"], 0)
        _, _, err = self.run_("true", options=["--stats=-"])
        self.assertEqual(json.loads(err)["requests"]["total"], 3)

    def test_manual_names_every_option(self):
        out = subprocess.run([S3RUN, "--help"], capture_output=True, text=True, env=self.env, check=True).stdout
        with open(HERE + "/../../../docs/s3run.1") as f:
            manual = f.read()
        options = [line.split()[0] for line in out.splitlines() if line.startswith("  --")]
        self.assertGreater(len(options), 30)
        self.assertEqual([o for o in options if "Fl " + o[1:] not in manual], [])

    # signals

    def child(self, p):
        path = f"/proc/{p.pid}/task/{p.pid}/children"

        def find():
            with open(path) as f:
                for pid in f.read().split():
                    with open(f"/proc/{pid}/cmdline") as c:
                        line = c.read()  # empty in the middle of an exec, the broker's too
                        if line and "fake_broker" not in line and os.readlink(f"/proc/{pid}/exe") != S3RUN:
                            return int(pid)
            return 0

        self.assertTrue(wait_for(find))
        return find()

    def test_dies_by_the_programs_signal(self):
        self.assertEqual(self.run_("sh", "-c", "kill -SEGV $$")[0], -signal.SIGSEGV)

    def test_forwards(self):
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
            p = self.start("sleep", "60")
            self.child(p)
            p.send_signal(sig)
            p.communicate(timeout=60)
            self.assertEqual(p.returncode, -sig)

    def test_stops_and_continues_with_the_program(self):
        p = self.start("sleep", "60", preexec_fn=lambda: os.setpgid(0, 0))
        child = self.child(p)
        p.send_signal(signal.SIGTSTP)
        self.assertTrue(wait_for(lambda: state(p.pid) == "T" and state(child) == "T"))
        p.send_signal(signal.SIGCONT)
        self.assertTrue(wait_for(lambda: state(p.pid) != "T" and state(child) != "T"))
        p.terminate()
        p.communicate(timeout=60)
        self.assertEqual(p.returncode, -signal.SIGTERM)

    def test_second_sigterm_gives_the_drain_up(self):
        p = self.start("true", plan={"drain": 60})
        time.sleep(0.5)
        p.terminate()
        self.assertIn("uploads are being finished", p.stderr.readline())
        p.terminate()
        _, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 74)
        self.assertIn("s3ctl recover", err)

    def test_ignored_sigchld_does_no_harm(self):
        code, _, _ = self.run_("sh", "-c", "exit 5", preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        self.assertEqual(code, 5)

    def test_nothing_is_left_behind(self):
        self.run_("true")
        self.assertEqual([n for n in os.listdir(self.dir.name + "/s3shim") if n.endswith(".sock")], [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
