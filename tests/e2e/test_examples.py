"""examples/: each run whole, as a person would run it."""
import json
import os
import signal
import subprocess
import time

import pytest

from conftest import BUILD, TOP
from servers import die_with_parent

GRADING = TOP / "examples/grading"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_example(scratch, script, *args, timeout=120, **env):
    """An example of this build, in a process group of its own: its server ends with it, however it ends."""
    keep = {k: os.environ[k] for k in ("HOME", "XDG_CACHE_HOME") if k in os.environ}  # where versitygw is
    p = subprocess.Popen([TOP / "examples" / script, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=scratch,
                         stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=die_with_parent,
                         env={"PATH": PATH, **keep, "S3SHIM_BUILD": str(BUILD), **env})
    try:
        out, err = p.communicate(timeout=timeout)
    finally:
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert p.returncode == 0, out[-6000:] + err[-3000:]
    return out, err


@pytest.fixture(scope="module")
def needs_bwrap():
    r = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, env={"PATH": PATH})
    if r.returncode:
        pytest.skip(f"no user namespaces here: {r.stderr}")


# The autograder

class Grading:
    """An assignment of one's own, graded against a bucket."""

    def __init__(self, gw, folder):
        self.gw, self.folder = gw, folder
        self.assignment = json.loads((GRADING / "assignment/assignment.json").read_text())
        self.key = "datasets/tp2/RESTAURANTES.CSV"
        self.assignment["assets"][0]["source"] = f"s3://{gw.bucket}/{self.key}"
        self.target = self.assignment["assets"][0]["target"]
        self.data = (GRADING / "assignment/RESTAURANTES.CSV").read_bytes()
        gw.put(self.key, self.data)
        gw.put("datasets/tp2/ANSWERS.CSV", b"these-are-the-answers\n")
        self.results_file = folder / "results/results.json"

    def start(self, submission, *options, path=PATH, **env):
        """`submission`: a folder, or the text of its solution.py."""
        (self.folder / "assignment").mkdir(exist_ok=True)
        (self.folder / "assignment/assignment.json").write_text(json.dumps(self.assignment))
        if isinstance(submission, str):
            at = self.folder / "submission"
            at.mkdir(exist_ok=True)
            (at / "solution.py").write_text(submission)
            submission = at
        return subprocess.Popen(["/usr/bin/python3", GRADING / "autograder.py", "--s3run", BUILD / "s3run", "--assignment",
                                 self.folder / "assignment", "--submission", submission, "--results", self.results_file, *options],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                preexec_fn=die_with_parent, env={**self.gw.base_env(), "PATH": path, **env})

    def finish(self, p):
        out, err = p.communicate(timeout=120)
        return p.returncode, json.loads(self.results_file.read_text()), out + err

    def grade(self, submission, *options, **kw):
        return self.finish(self.start(submission, *options, **kw))

    def fault(self, status, submission, *options, **kw):
        """Not the student's: no score, the status of what failed."""
        r, results, said = self.grade(submission, *options, **kw)
        self.is_fault(status, r, results)
        return results["extra_data"], said

    @staticmethod
    def is_fault(status, r, results):
        assert r == status and "tests" not in results and "score" not in results, results
        assert results["extra_data"]["fault"] == "infrastructure" and results["extra_data"]["status"] == status


@pytest.fixture
def grading(gw, tmp_path):
    return Grading(gw, tmp_path)


def scores(results):
    return [t["score"] for t in results["tests"]]


def test_grading_demo(scratch, needs_bwrap):
    out, _ = run_example(scratch, "grading/demo.sh")
    assert out.count("status 0\n") == 3 and out.count("status 66\n") == 1
    assert '"output": "Don Julio\\n"' in out and '"sentence": "an asset is not there"' in out


@pytest.mark.parametrize("sandbox", ["bwrap", "none"])
def test_a_good_submission(grading, sandbox, needs_bwrap):
    status, results, _ = grading.grade(GRADING / "submissions/good", "--sandbox", sandbox)
    assert status == 0 and scores(results) == [2, 4, 4], results
    assert results["extra_data"] == {"sandbox": sandbox, "fault": None}
    assert not os.path.exists(grading.target)


def test_the_result_is_gradescopes(grading, needs_bwrap):
    _, results, _ = grading.grade(GRADING / "submissions/wrong")
    visibilities = {"visible", "hidden", "after_due_date", "after_published"}
    assert set(results) == {"execution_time", "stdout_visibility", "tests", "extra_data"}
    assert results["stdout_visibility"] in visibilities and results["execution_time"] > 0
    for t in results["tests"]:
        assert 0 <= t["score"] <= t["max_score"] and t["visibility"] in visibilities and t["status"] in ("passed", "failed")
        assert isinstance(t["name"], str) and isinstance(t["number"], str) and isinstance(t["output"], str)


def test_a_wrong_submission(grading, needs_bwrap):
    """One of its tests ends with 66, which is also a status of s3run's."""
    status, results, _ = grading.grade(GRADING / "submissions/wrong")
    assert status == 0 and scores(results) == [0, 4, 0] and results["extra_data"]["fault"] is None
    assert "status 66" in results["tests"][2]["output"]


def test_a_hostile_submission_finds_nothing(grading, needs_bwrap):
    status, results, said = grading.grade(GRADING / "submissions/hostile")
    assert status == 0 and scores(results) == [0, 0, 0], results
    assert [t["output"].splitlines()[0] for t in results["tests"]] == ["nothing"] * 3
    text = json.dumps(results) + said
    for secret in (grading.gw.server.secret_key, grading.gw.server.access_key, grading.gw.server.endpoint, "these-are-the-answers"):
        assert secret not in text
    assert grading.gw.get(grading.key) == grading.data


def test_without_the_sandbox_it_finds_the_network(grading):
    """So it does look; keys and other objects are no more to be had than inside."""
    _, results, _ = grading.grade(GRADING / "submissions/hostile", "--sandbox", "none")
    output = results["tests"][0]["output"]
    assert "the network: 127.0.0.1" in output
    assert "these-are-the-answers" not in output and grading.gw.server.secret_key not in output


def test_assets_are_there_before_setup(grading, needs_bwrap):
    grading.assignment["setup"] = [["sh", "-ec", f"cksum < {grading.target} > sum"]]
    _, results, _ = grading.grade("print(open('sum').read())")
    expected = subprocess.run(["cksum"], input=grading.data, capture_output=True).stdout.decode()
    assert results["tests"][0]["output"].startswith(expected.rstrip())


def test_setup_that_fails_is_the_students(grading, needs_bwrap):
    status, results, _ = grading.grade("not python at all")
    assert status == 0 and scores(results) == [0, 0, 0] and "py_compile" in results["tests"][0]["output"]


def test_programs_without_end(grading, needs_bwrap):
    grading.assignment["limits"] = {"seconds": 1, "file_mb": 1}
    grading.assignment["setup"] = []
    status, results, _ = grading.grade("""
import sys, time
if sys.argv[1] == "count":
    time.sleep(1000)
while True:
    print("x" * 1000)
""")
    assert status == 0 and scores(results) == [0, 0, 0]
    assert "was stopped after 1 s" in results["tests"][0]["output"] and len(results["tests"][1]["output"]) < 60_000


def test_faults_of_the_infrastructure(grading, needs_bwrap):
    """Each told by s3run before the submission runs, by a status of its own."""
    good = GRADING / "submissions/good"
    extra, _ = grading.fault(77, good, AWS_SECRET_ACCESS_KEY="wrong")
    assert not extra["retry"] and extra["report"]["assets"][0]["class"] == "denied"
    assert grading.fault(77, good, ASSET_S3_ALLOWED_BUCKETS="others")[0]["report"]["assets"][0]["class"] == "not_allowed"
    assert grading.fault(73, good, ASSET_S3_MAX_BYTES="10")[0]["report"]["status"] == 73
    extra, _ = grading.fault(69, good, S3SHIM_ENDPOINT="http://127.0.0.1:1")
    assert extra["retry"] and extra["sentence"] == "the store cannot be reached"
    grading.fault(125, good, S3SHIM_PARALLEL="no-number")
    grading.fault(127, good, "--s3run", "/nowhere/s3run")
    for source, status in ((f"s3://{grading.gw.bucket}/missing", 66), ("s3://b/..", 65)):
        grading.assignment["assets"][0]["source"] = source
        grading.fault(status, good)
    grading.assignment["assets"][0]["readonly"] = True
    grading.fault(78, good)


WAITS = """
import os, sys, time
open({began!r}, "w").close()
while not os.path.exists({go!r}):
    time.sleep(0.02)
print(open("/tmp/RESTAURANTES.CSV").read())
"""


@pytest.mark.parametrize("event", ["replaced", "gone", "silent"])
def test_a_store_that_fails_while_a_submission_runs(grading, scratch, eventually, event):
    """Its tests fail, and not by its fault. Without the sandbox, so that it can wait for us."""
    began, go = scratch / "gates/began", scratch / "gates/go"  # where the submission's user may write, too
    for folder, mode in ((scratch, 0o755), (began.parent, 0o777)):
        folder.mkdir(exist_ok=True)
        folder.chmod(mode)
    grading.assignment["setup"] = []
    del grading.assignment["tests"][1:]
    gw = grading.gw
    grading.assignment["limits"] = {"seconds": 100, "store_seconds": 3}
    p = grading.start(WAITS.format(began=str(began), go=str(go)), "--sandbox", "none")
    eventually(began.exists, 60)
    try:
        if event == "replaced":
            gw.put(grading.key, grading.data + b"more\n")
        elif event == "gone":
            gw.client.delete_object(Bucket=gw.bucket, Key=grading.key)
        else:
            gw.server.pause()
        go.touch()
        status, results, _ = grading.finish(p)
    finally:
        gw.server.resume()
    grading.is_fault(75, status, results)
    assert results["extra_data"]["retry"] and results["extra_data"]["sentence"] == "the store failed while the submission ran"
    assert grading.gw.server.secret_key not in json.dumps(results)


def test_where_bwrap_cannot_run(grading, tmp_path):
    good, bin = GRADING / "submissions/good", tmp_path / "bin"
    bin.mkdir()
    extra, said = grading.fault(71, good, path=str(bin))
    assert "bwrap cannot run here: it is not installed" in said and "--sandbox none" in said and not extra["retry"]
    (bin / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    (bin / "bwrap").chmod(0o755)
    extra, _ = grading.fault(71, good, path=f"{bin}:{PATH}")
    assert "No permissions to create new namespace" in extra["sentence"]
    status, results, _ = grading.grade(good, "--sandbox", "none", path=f"{bin}:{PATH}")
    assert status == 0 and scores(results) == [2, 4, 4]


# The agent's box

def test_agent_sandbox(scratch, needs_bwrap):
    out, err = run_example(scratch, "agent-sandbox/walkthrough.sh")
    assert "NOT SO" not in out and out.count("\nok: ") == 9
    assert out.count("\nthere:  ") == out.count("\nhere:   ") == 8
    in_bucket = out.split("In the bucket")[1]
    assert "==> agents/42/sorted.txt <==\nAnn\nMax\nZoe\n" in in_bucket and '{"done": true}' in in_bucket and "more from outside" in in_bucket
    ended = next(json.loads(line) for line in out.splitlines() if line.startswith('{"session"'))
    assert ended["failed"] == 0 and ended["statistics"]["uploads"] == 3


def test_agent_sandbox_says_where_there_is_no_box(scratch):
    bin = scratch / "bin"
    bin.mkdir()
    (bin / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2; exit 1\n")
    (bin / "bwrap").chmod(0o755)
    r = subprocess.run([TOP / "examples/agent-sandbox/walkthrough.sh"], capture_output=True, text=True, timeout=60,
                       env={"PATH": f"{bin}:{PATH}", "S3SHIM_BUILD": str(BUILD)})
    assert r.returncode == 2 and "no box can be made here: bwrap cannot make a box here: bwrap: No permissions" in r.stderr
