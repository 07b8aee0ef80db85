#!/usr/bin/python3
"""A small autograder whose data sets lie in S3. Python's standard library, s3run, bubblewrap; nothing else.

    autograder.py [--assignment DIR] [--submission DIR] [--results FILE] [--sandbox bwrap|none] [--s3run FILE]

The defaults are Gradescope's places: /autograder/source/assignment, /autograder/submission and
/autograder/results/results.json, so that its run_autograder is one line. Keys, endpoint and the ASSET_S3_ limits come from
the environment or ~/.aws, as for s3run; the submission sees none of them.

    main()      reads the assignment and starts             s3run --isolate --assets ... -- autograder.py --session
    session()   runs each command of the submission in      bwrap, no network, no capability, a cleaned environment,
                                                            the library, the broker's socket, and the assets at their paths

s3run checks every asset before anything runs, so a setup command finds them in place. The program that s3run runs is
session(), which ends with 0 whatever the submission did: every other status is the infrastructure's fault, never the
student's, and so is a failed test while the store failed. Then results.json has no score, extra_data says what happened
("retry": try again, it may pass), and the status of autograder.py is s3run's; graded is 0, whatever the score.

assignment.json:

    assets   as s3run --assets takes them: source s3://bucket/key, target, read_only
    setup    commands to run once, before the tests, in the sandbox; one that fails fails every test
    limits   seconds (of each command, 10), file_mb (of a file that it writes, 10), memory_mb (1024), store_seconds (that the
             store may be silent before the command is told; half of seconds)
    tests    name, command, stdin, expected_stdout, max_score, visibility; what is printed must be what is expected, but
             for white space at the end

Without user namespaces bwrap cannot run: that is said, and --sandbox none runs submissions without it. They have the network
then and the files of their user, who is nobody where the grader is root, else the grader's: for a container that holds one
submission and no key in a file.
"""
import argparse
import ctypes
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FAULTS = {  # of s3run, see its manual
    65: "an asset is malformed",
    66: "an asset is not there",
    69: "the store cannot be reached",
    73: "an asset is too large",
    74: "something that was written could not be uploaded, or the broker was lost",
    75: "the store failed, or was too slow",
    77: "an asset may not be read",
    78: "the assets' configuration is wrong",
    125: "the session could not be started",
    126: "the session's program could not be run",
    127: "the session's program was not found",
}
RETRY = {69, 74, 75}
NO_SANDBOX = 71  # EX_OSERR
STORE_FAILED = 75  # EX_TEMPFAIL
OUTPUT_MAX = 20_000
PR_SET_DUMPABLE = 4
NOBODY = 65534


class Fault(Exception):
    """The infrastructure's, not the student's: a status and a sentence."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


# The sandbox

def bwrap_works():
    """Return: None, or why not."""
    try:
        r = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    except FileNotFoundError:
        return "it is not installed (Debian: bubblewrap)"
    return (r.stderr.strip() or f"status {r.returncode}") if r.returncode else None


def system_folders():
    """/usr, and /bin, /lib, ... as they are here: links into it, or folders."""
    for name in ("usr", "bin", "sbin", "lib", "lib64"):
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.exists():
            yield from ("--ro-bind", str(path), str(path))


def program_environment():
    """What a command sees: a path, and what s3run set for the library."""
    kept = {k: v for k, v in os.environ.items() if k == "LD_PRELOAD" or k.startswith("S3SHIM_")}
    return {"PATH": "/usr/bin:/bin", "HOME": "/submission", "LANG": "C.UTF-8", **kept}


def in_bwrap(work):
    environment = program_environment()
    library = environment["LD_PRELOAD"].rpartition(":")[2]
    socket = os.path.dirname(environment["S3SHIM_SOCKET"])
    line = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--uid", "65534", "--gid", "65534",
            *system_folders(), "--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try", "/etc/ld.so.cache",
            "/etc/ld.so.cache", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", library, library,
            "--ro-bind", socket, socket, "--bind", str(work), "/submission", "--chdir", "/submission", "--clearenv"]
    for name, value in environment.items():
        line += ["--setenv", name, value]
    return [*line, "--"]


def without_bwrap(work):
    """How to start commands without a sandbox: as nobody, where we can, since root reads every process's environment; with the
    library as he can read it. Called before any command ran: what paths lead to is still what was handed in."""
    environment = program_environment()
    if os.geteuid() != 0:
        return {"env": environment}
    library = shutil.copy(environment["LD_PRELOAD"].rpartition(":")[2], work.parent)
    os.chmod(library, 0o755)
    for path in [work, *work.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return {"env": {**environment, "LD_PRELOAD": library}, "user": NOBODY, "group": NOBODY, "extra_groups": []}


class Sandbox:
    """Where commands of one submission run."""

    def __init__(self, kind, work, limits):
        self.work, self.limits = work, limits
        if kind == "bwrap":
            self.line, self.how = in_bwrap(work), {"env": {"PATH": "/usr/bin:/bin"}}
        else:
            self.line, self.how = [], without_bwrap(work)

    def run(self, command, stdin=""):
        """Return: status (None: out of time), stdout, stderr, cut to OUTPUT_MAX."""
        # In files, not pipes: what it prints without end is a file that grew too large.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            p = subprocess.Popen([*self.line, *command], stdin=given, stdout=out, stderr=err, cwd=self.work, start_new_session=True,
                                 preexec_fn=self._limit, **self.how)
            try:
                status = p.wait(self.limits["seconds"])
            except subprocess.TimeoutExpired:
                status = None
            try:
                os.killpg(p.pid, signal.SIGKILL)  # and whatever it left running
            except ProcessLookupError:
                pass
            p.wait()
            texts = []
            for f in (out, err):
                f.seek(0)
                texts.append(f.read(OUTPUT_MAX).decode(errors="replace"))
            return status, *texts

    def _limit(self):
        mb, limits = 1 << 20, self.limits
        for what, most in ((resource.RLIMIT_CPU, limits["seconds"] + 1), (resource.RLIMIT_FSIZE, limits["file_mb"] * mb),
                           (resource.RLIMIT_AS, limits["memory_mb"] * mb), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(what, (most, most))


def limits_of(assignment):
    limits = {"seconds": 10, "file_mb": 10, "memory_mb": 1024, **assignment.get("limits", {})}
    return {"store_seconds": max(1, limits["seconds"] // 2), **limits}


# The session: the program that s3run runs, outside the sandbox

def how_it_ended(status, limits):
    if status is None:
        return f"was stopped after {limits['seconds']} s"
    return f"ended with status {status}" if status >= 0 else f"died of signal {-status}"


def run_setup(assignment, sandbox):
    """Return: "", or what a student is to read."""
    for command in assignment.get("setup", []):
        status, out, err = sandbox.run(command)
        if status != 0:
            return f"setup: {' '.join(command)} {how_it_ended(status, sandbox.limits)}\n{out}{err}"
    return ""


def run_test(number, test, sandbox, setup_failed):
    passed, output = False, setup_failed
    if not setup_failed:
        status, out, err = sandbox.run(test["command"], test.get("stdin", ""))
        passed = status == 0 and out.rstrip() == test["expected_stdout"].rstrip()
        output = out
        if status != 0:
            output += f"{err}\nThe program {how_it_ended(status, sandbox.limits)}."
        elif not passed:
            output += "\nThis is not what was expected."
    return {"number": str(number), "name": test["name"], "score": test["max_score"] if passed else 0, "max_score": test["max_score"],
            "status": "passed" if passed else "failed", "visibility": test.get("visibility", "visible"), "output": output}


def session(args):
    assignment = json.loads((args.assignment / "assignment.json").read_text())
    work = args.session / "work/submission"
    shutil.copytree(args.submission, work, symlinks=True)
    sandbox = Sandbox(args.sandbox, work, limits_of(assignment))
    setup_failed = run_setup(assignment, sandbox)
    tests = [run_test(n, test, sandbox, setup_failed) for n, test in enumerate(assignment["tests"], 1)]
    (args.session / "private/tests.json").write_text(json.dumps(tests))


# Around it

def read_json(path):
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


def grade(args, folder):
    """Return: tests as results.json has them. Raises Fault, with what is known beside it in .details."""
    why = bwrap_works() if args.sandbox == "bwrap" else None
    if why:
        raise Fault(NO_SANDBOX, f"bwrap cannot run here: {why}; --sandbox none runs submissions without it (see --help)")
    assignment = json.loads((args.assignment / "assignment.json").read_text())
    (folder / "assets.json").write_text(json.dumps({"assets": assignment.get("assets", [])}))
    for name, mode in ((".", 0o711), ("socket", 0o755), ("work", 0o755), ("private", 0o700)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)
    # A store that says nothing is given up before the command that waits for it is: so it is not the student's fault.
    store_seconds = limits_of(assignment)["store_seconds"]
    line = [args.s3run, "--isolate", "--assets", folder / "assets.json", "--report", folder / "report.json",
            "--stats", folder / "stats.json", "--log", folder / "broker.log", "--log-level", "warn",
            "--socket", folder / "socket/s", "--deadline", f"{store_seconds}s", "--", sys.executable, "-I", Path(__file__).resolve(), "--session", folder,
            "--assignment", args.assignment, "--submission", args.submission, "--sandbox", args.sandbox]
    if args.sandbox == "none" and os.geteuid() == 0:
        line.insert(1, "--allow-other")
    try:
        r = subprocess.run([str(a) for a in line], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as e:
        raise Fault(127, f"{args.s3run}: {e.strerror}") from e
    tests, stats = read_json(folder / "private/tests.json"), read_json(folder / "stats.json")
    sentence = None
    if r.returncode:
        sentence = FAULTS.get(r.returncode, f"the grader itself failed (status {r.returncode})")
    elif (stats.get("faults") or stats.get("denied")) and any(t["status"] == "failed" for t in tests):
        sentence = "the store failed while the submission ran"
    if sentence:
        fault = Fault(r.returncode or STORE_FAILED, sentence)
        fault.details = {"report": read_json(folder / "report.json"), "stderr": r.stderr[-2000:],
                         "log": (folder / "broker.log").read_text(errors="replace")[-2000:] if (folder / "broker.log").exists() else ""}
        raise fault
    return tests


def write_results(args, results):
    args.results.parent.mkdir(parents=True, exist_ok=True)
    args.results.write_text(json.dumps(results, indent=2) + "\n")


def main():
    at = Path("/autograder")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assignment", type=Path, default=at / "source/assignment", help="folder of assignment.json")
    parser.add_argument("--submission", type=Path, default=at / "submission", help="folder of what the student handed in")
    parser.add_argument("--results", type=Path, default=at / "results/results.json")
    parser.add_argument("--sandbox", choices=("bwrap", "none"), default="bwrap")
    parser.add_argument("--s3run", default=shutil.which("s3run") or "/usr/bin/s3run")
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.session:
        return session(args)
    # The keys are in our environment: without this, /proc/PID/environ is for every process of our user to read.
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0)
    began = time.monotonic()
    extra = {"sandbox": args.sandbox}
    with tempfile.TemporaryDirectory(prefix="grading-", dir="/var/tmp") as folder:
        try:
            tests = grade(args, Path(folder))
            results = {"tests": tests, "extra_data": {**extra, "fault": None}}
            status = 0
        except Fault as e:
            print(f"autograder: not graded: {e}", file=sys.stderr)
            status = e.status if e.status > 0 else 128 - e.status
            results = {"output": "The autograder could not grade this submission; that is not your fault.",
                       "extra_data": {**extra, "fault": "infrastructure", "status": status, "sentence": str(e),
                                      "retry": status in RETRY, **getattr(e, "details", {})}}
    write_results(args, {"execution_time": round(time.monotonic() - began, 3), "stdout_visibility": "hidden", **results})
    return status


if __name__ == "__main__":
    sys.exit(main())
