"""The policies of docs/OPERATIONS.md, taken from the document itself, on servers that enforce them: what must work through a
mount works, what must not is refused with the errno that the document says; boto3 is the witness."""
import json
import re
import subprocess
import tempfile

import pytest
from botocore.exceptions import ClientError

from conftest import BUILD, TOP, S3Mount
from servers import Versitygw

DOCUMENT = (TOP / "docs/OPERATIONS.md").read_text()
BLOCKS = dict(re.findall(r"^```json ([\w-]+)\n(.*?)^```", DOCUMENT, re.M | re.S))

# Everything that a program may want, below the policy's prefix (/s3) and beside it (/all/other); prints how each ended.
PROBE = r"""
import errno, json, os, sys
def write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, flags, 0o666)
    try:
        for at in range(0, len(data), 1 << 20):
            os.write(fd, data[at:at + (1 << 20)])
    finally:
        os.close(fd)
def read(path):
    with open(path, "rb") as f:
        return f.read().decode()
tries = {
    "read": lambda: read("/s3/there"),
    "stat": lambda: os.stat("/s3/there").st_size,
    "list": lambda: sorted(os.listdir("/s3")),
    "list a folder": lambda: sorted(os.listdir("/s3/d")),
    "stat what is missing": lambda: os.stat("/s3/missing"),
    "overwrite": lambda: write("/s3/old", b"new"),
    "append": lambda: write("/s3/log", b"2", os.O_WRONLY | os.O_APPEND),
    "create": lambda: write("/s3/made", b"made"),
    "create a large one": lambda: write("/s3/large", bytes(20 << 20)),
    "make a folder": lambda: os.mkdir("/s3/folder"),
    "rename": lambda: os.rename("/s3/from", "/s3/to"),
    "remove": lambda: os.unlink("/s3/doomed"),
    "read beside": lambda: read("/all/other/there"),
    "list beside": lambda: sorted(os.listdir("/all/other")),
    "write beside": lambda: write("/all/other/new", b"x"),
    "overwrite beside": lambda: write("/all/other/there", b"x"),
    "remove beside": lambda: os.unlink("/all/other/there"),
}
ended = {}
for name, call in tries.items():
    try:
        ended[name] = call() or "ok"
    except OSError as e:
        ended[name] = errno.errorcode[e.errno]
print(json.dumps(ended))
"""

@pytest.fixture(scope="module")
def iam_versitygw():
    with tempfile.TemporaryDirectory(prefix="s3t-iam-") as folder, Versitygw(options=("--iam-dir", folder)) as server:
        yield server


@pytest.fixture(params=["versitygw", "radosgw"])
def server(request):
    return request.getfixturevalue("iam_versitygw" if request.param == "versitygw" else "radosgw")


class Granted(S3Mount):
    """A bucket of root's, and a user whose rights there are one of the document's policies."""

    def __init__(self, scratch, server, name):
        super().__init__(scratch, server, "policy")
        access, secret, principal = server.add_user("user")
        policy = json.loads(BLOCKS[name].replace("my-bucket", self.bucket))
        for statement in policy["Statement"]:
            statement["Principal"] = {"AWS": [principal]}
        self.client.put_bucket_policy(Bucket=self.bucket, Policy=json.dumps(policy))
        self.env = {**self.env, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret}
        self.theirs = server.client_of(access, secret)
        for key in ("there", "old", "log", "from", "doomed", "d/below"):
            self.put(f"team/{key}", b"1")
        self.put("other/there", b"secret")

    def mount_options(self):
        return ["--mount", f"/s3=s3://{self.bucket}/team", "--mount", f"/all=s3://{self.bucket}"]

    def probe(self):
        r = self.python(PROBE, check=False)
        assert r.status in (0, 74), r
        return json.loads(r.stdout)


@pytest.fixture
def granted(server, scratch):
    return lambda name: Granted(scratch, server, name)


def table():
    """The document's: {policy: {what a program does: "yes" or an errno}}."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCUMENT.splitlines() if line.startswith("| ")]
    head = next(i for i, row in enumerate(rows) if row[0] == "")
    found = {name: {} for name in rows[head][1:]}
    for row in rows[head + 1:]:
        for name, cell in zip(found, row[1:]):
            for what in row[0].split(", "):
                found[name][what] = cell.strip("`")
        if row[0] == "anything beside the prefix":
            return found
    raise AssertionError("the table has no last row")


ANSWERS = {"read": "1", "stat": 1, "list": ["d", "doomed", "from", "log", "old", "there"], "list a folder": ["below"]}


@pytest.mark.parametrize("name", table())
def test_what_a_program_can_do(granted, name):
    mount = granted(name)
    told, ended = table()[name], mount.probe()
    told["list a folder"] = told["list"]
    beside = told.pop("anything beside the prefix")
    told.update({what: beside for what in ended if what.endswith(" beside")})
    assert set(told) == set(ended)
    for what, how in told.items():
        expected = [ANSWERS.get(what, "ok")] if how == "yes" else [how]
        if how == "EACCES" and what in ("stat what is missing", "list a folder"):
            expected.append("ENOENT")  # a store that tells it to who may not list
        assert ended[what] in expected, (what, ended)
    writes = told["create"] == "yes"
    after = {"old": b"new", "log": b"12", "made": b"made", "large": bytes(20 << 20), "to": b"1"} if writes else \
            {"old": b"1", "log": b"1", "from": b"1", "doomed": b"1"}
    # by the user's keys: on radosgw what he wrote is his
    there = {key: mount.theirs.get_object(Bucket=mount.bucket, Key=f"team/{key}")["Body"].read() for key in after}
    assert there == after
    gone = {"from", "doomed"} if writes else {"made", "large", "to"}
    assert not {f"team/{key}" for key in gone} & set(mount.keys()) and mount.uploads() == []
    assert ("team/folder/" in mount.all_keys()) == writes
    assert mount.get("other/there") == b"secret" and mount.keys("other") == ["other/there"]


def outcome(call, **kw):
    try:
        call(**kw)
        return "yes"
    except ClientError as e:
        return {403: "EACCES"}[e.response["ResponseMetadata"]["HTTPStatusCode"]]


@pytest.mark.parametrize("name", table())
def test_the_server_enforces_it(granted, name):
    """The witness asks for the same with the user's keys."""
    mount = granted(name)
    told, s3, at = table()[name], mount.theirs, {"Bucket": mount.bucket}
    assert outcome(s3.get_object, Key="team/there", **at) == told["read"] == "yes"
    assert outcome(s3.list_objects_v2, Prefix="team/", **at) == told["list"]
    assert outcome(s3.list_objects_v2, **at) == "EACCES"
    assert outcome(s3.put_object, Key="team/x", Body=b"x", **at) == told["create"]
    assert outcome(s3.delete_object, Key="team/doomed", **at) == told["remove"]
    for call, more in ((s3.get_object, {}), (s3.put_object, {"Body": b"x"}), (s3.delete_object, {})):
        assert outcome(call, Key="other/there", **at, **more) == told["anything beside the prefix"] == "EACCES"


def test_what_could_not_be_written_is_not_said_to_be_removed(granted):
    """Though the session believed that it was making it: such keys may not look."""
    mount = granted("read-only-assets")
    r = mount.python("""
import errno, os
fd = os.open("/all/other/there", os.O_WRONLY | os.O_CREAT, 0o666)
os.write(fd, b"x")
for call in (lambda: os.fsync(fd), lambda: os.unlink("/all/other/there")):
    try:
        print(call())
    except OSError as e:
        print(errno.errorcode[e.errno])
""", check=False)
    assert r.out.split() == ["EACCES", "EACCES"], r
    assert mount.get("other/there") == b"secret"


def test_assets_need_no_listing(granted, tmp_path):
    mount = granted("read-only-assets")
    assets, report = tmp_path / "assets.json", tmp_path / "report.json"
    sources = {"ok": "team/there", "denied": "other/there"}

    def run(key):
        assets.write_text(json.dumps({"assets": [{"source": f"s3://{mount.bucket}/{key}", "target": str(tmp_path / "t")}]}))
        mount.mount_options = lambda: ["--assets", assets]
        r = mount.run(["cat", tmp_path / "t"], options=["--isolate", "--report", report], check=False)
        return r, json.loads(report.read_text())["assets"][0]["class"]

    r, said = run(sources["ok"])
    assert r.status == 0 and r.out == "1" and said == "ok" and r.stats["denied"] == r.stats["faults"] == 0
    r, said = run(sources["denied"])
    assert r.status == 77 and r.out == "" and said == "denied"


def test_sweep(granted):
    mount = granted("sweep")
    for key in ("team/a", "other/b"):
        mount.client.create_multipart_upload(Bucket=mount.bucket, Key=key)
    line = [BUILD / "s3ctl", "sweep", "--older-than", "0s", "--all", "--bucket", mount.bucket]
    run = {"env": mount.base_env(), "capture_output": True, "text": True, "timeout": 60}
    r = subprocess.run(line, **run)
    assert r.returncode == 0 and "team/a" in r.stdout and "other/b" in r.stdout, r
    r = subprocess.run([*line, "--abort"], **run)
    assert r.returncode != 0 and "other/b': 403 AccessDenied" in r.stderr, "not beside the prefix"
    r = subprocess.run([*line, "--abort", "--prefix", "team"], **run)
    assert r.returncode == 0 and "team/a" in r.stdout and "other" not in r.stdout, r
    assert mount.uploads() == ["other/b"]


def test_lifecycle_rule(radosgw):
    bucket, client = radosgw.make_bucket("lifecycle"), radosgw.client()
    rule = json.loads(BLOCKS["lifecycle"])
    client.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=rule)
    told = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [r["AbortIncompleteMultipartUpload"] for r in told] == [{"DaysAfterInitiation": 7}]
    assert [r["Status"] for r in told] == ["Enabled"]


def test_every_policy_of_the_page_is_tested():
    assert set(BLOCKS) == {*table(), "sweep", "lifecycle"}
