"""Where keys come from: each source against a stand-in that answers like the real service, on a store that knows only
the keys it gives."""
import json
import os
import subprocess
import time

import pytest

from aws import Aws, iso
from conftest import BUILD
from servers import die_with_parent

pytestmark = pytest.mark.sanitized
S3CALL = BUILD / "tests/s3call"
ARN = "arn:aws:iam::123456789012:role/"
MIB = 1 << 20


class Caller:
    """s3call with an environment that has no keys but what a test gives it."""

    def __init__(self, gw, home):
        self.gw, self.home = gw, home
        self.root = (gw.server.access_key, gw.server.secret_key)
        gw.put("k", b"hello")

    def env(self, **more):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS")}
        return {**keep, "HOME": str(self.home), "AWS_EC2_METADATA_DISABLED": "true", **{k: str(v) for k, v in more.items()}}

    def file(self, name, text):
        path = self.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
        return path

    def __call__(self, ok=True, **env):
        out = self.home / "out"
        r = subprocess.run([S3CALL, self.gw.server.endpoint, self.gw.bucket, "get", "k", out], env=self.env(**env),
                           capture_output=True, timeout=60, preexec_fn=die_with_parent)
        result = json.loads(r.stdout)
        assert (r.returncode == 0) == ok, (result.get("error"), r.stderr)
        if ok:
            assert out.read_bytes() == b"hello"
        assert self.root[1] not in r.stdout.decode() + r.stderr.decode()
        return result

    def temporary(self):
        """What a service gives; without a session token, since versitygw takes none that it did not make."""
        return (*self.root, "")


@pytest.fixture
def caller(gw, tmp_path):
    return Caller(gw, tmp_path)


def test_environment(caller):
    caller(AWS_ACCESS_KEY_ID=caller.root[0], AWS_SECRET_ACCESS_KEY=caller.root[1])


def test_a_profile_with_keys(caller):
    caller.file(".aws/credentials", "[work]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % caller.root)
    caller(AWS_PROFILE="work")
    result = caller(ok=False)
    assert "no credentials" in result["error"] and "profile 'default'" in result["error"]


def test_a_process(caller):
    program = caller.file("keys.sh", "cat %s/keys.json\n" % caller.home)
    caller.file(".aws/config", f"[default]\ncredential_process = sh {program}\n")
    keys = {"Version": 1, "AccessKeyId": caller.root[0], "SecretAccessKey": caller.root[1],
            "Expiration": "2099-01-01T00:00:00+02:00"}
    caller.file("keys.json", json.dumps(keys))
    caller()
    caller.file("keys.json", json.dumps({**keys, "Version": 2}))
    assert '"Version"' in json.dumps(caller(ok=False)["error"]).replace("\\", "")
    caller.file("keys.json", json.dumps({**keys, "Expiration": iso(time.time() - 5)}))
    assert "have expired" in caller(ok=False)["error"]
    caller.file("keys.sh", "exit 3")
    assert "ended with status 3" in caller(ok=False)["error"]


def test_a_role_by_a_profile(caller):
    with Aws(caller.temporary(), base={"AKBASE": ("base+secret/", None)}) as aws:
        caller.file(".aws/credentials", "[base]\naws_access_key_id=AKBASE\naws_secret_access_key=base+secret/\n")
        caller.file(".aws/config", f"[profile r]\nrole_arn = {ARN}path/reader\nsource_profile = base\nexternal_id = a b&c\n"
                                   "role_session_name = me@there\nduration_seconds = 900\n")
        aws.external_id = "a b&c"
        caller(AWS_PROFILE="r", AWS_ENDPOINT_URL_STS=aws.url)
        assert aws.seen == ["AssumeRole path/reader"] and not aws.faults
        aws.external_id = "other"
        error = caller(ok=False, AWS_PROFILE="r", AWS_ENDPOINT_URL_STS=aws.url)["error"]
        assert "AccessDenied: the external id is wrong (request R-77)" in error and "path/reader" in error


@pytest.fixture
def session(caller):
    """Runs cat on the mount by s3run with no keys but those of the test."""

    def run(options=(), check=True, argv=("cat", "/s3/k"), **env):
        gw = caller.gw
        gw.env = {"S3SHIM_ENDPOINT": gw.server.endpoint, "AWS_EC2_METADATA_DISABLED": "true", "HOME": str(caller.home), **env}
        r = gw.run(argv, options=options, check=check)
        assert not check or r.stdout == b"hello"
        return r

    return run


def test_a_role_of_a_role(caller, session):
    given = iter([("AKMIDDLE", "middle", "MIDDLETOKEN"), caller.temporary()])
    base = {"AKBASE": ("base", None), "AKMIDDLE": ("middle", "MIDDLETOKEN")}
    with Aws(lambda: next(given), base=base) as aws:
        caller.file(".aws/config", f"""[profile last]
role_arn = {ARN}last
source_profile = middle
[profile middle]
role_arn = {ARN}middle
credential_source = Environment
""")
        session(["--profile", "last"], AWS_ENDPOINT_URL_STS=aws.url, AWS_ACCESS_KEY_ID="AKBASE",
                AWS_SECRET_ACCESS_KEY="base")
        assert aws.seen == ["AssumeRole middle", "AssumeRole last"]


def test_a_circle_of_profiles(caller):
    caller.file(".aws/config", f"[default]\nrole_arn={ARN}a\nsource_profile=b\n"
                               f"[profile b]\nrole_arn={ARN}b\nsource_profile=default\n")
    assert "circle" in caller(ok=False)["error"]


def test_single_sign_on_says_what_to_do(caller):
    caller.file(".aws/config", "[default]\nsso_session = x\nsso_account_id = 1\n")
    assert "aws configure export-credentials --profile default" in caller(ok=False)["error"]


def test_the_role_option(caller, session):
    with Aws(caller.temporary(), base={"AKBASE": ("base", None)}) as aws:
        session(["--role-arn", ARN + "x"], AWS_ENDPOINT_URL_STS=aws.url, AWS_ACCESS_KEY_ID="AKBASE",
                AWS_SECRET_ACCESS_KEY="base")
        assert aws.seen == ["AssumeRole x"]
        r = session(["--role-arn", ARN + "x"], check=False, AWS_ENDPOINT_URL_STS=aws.url, AWS_ACCESS_KEY_ID="AKBASE",
                    AWS_SECRET_ACCESS_KEY="wrong")
        assert r.status == 125 and "SignatureDoesNotMatch" in r.err and "wrong" not in r.err.replace("is wrong", "")


def test_the_session_token_reaches_the_store(caller):
    """versitygw refuses it; so other keys are asked for, once."""
    with Aws((*caller.root, "TOKEN/of+the=session")) as aws:
        aws.web_token = "t"
        result = caller(ok=False, AWS_ENDPOINT_URL_STS=aws.url, AWS_ROLE_ARN=ARN + "x",
                        AWS_WEB_IDENTITY_TOKEN_FILE=caller.file("t", "t"))
        assert "InvalidToken" in result["error"] and aws.seen == 2 * ["AssumeRoleWithWebIdentity x"]


def test_web_identity(caller):
    token = caller.file("token", "eyJ.a+b/c=.sig\n")
    with Aws(caller.temporary()) as aws:
        aws.web_token = "eyJ.a+b/c=.sig"
        env = {"AWS_ENDPOINT_URL_STS": aws.url, "AWS_ROLE_ARN": ARN + "pod", "AWS_WEB_IDENTITY_TOKEN_FILE": token}
        caller(**env)
        assert aws.seen == ["AssumeRoleWithWebIdentity pod"]
        caller.file("token", "another")
        assert "invalid identity token" in caller(ok=False, **env)["error"]
        del env["AWS_ROLE_ARN"]
        assert "AWS_ROLE_ARN is not" in caller(ok=False, **env)["error"]


def test_a_container(caller):
    token = caller.file("token", "Basic abc==\n")
    with Aws(caller.temporary()) as aws:
        aws.authorization = "Basic abc=="
        env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/v2/keys?id=1",
               "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token}
        caller(**env)
        assert aws.seen == ["GET /v2/keys?id=1"]
        caller.file("token", "other")
        assert "HTTP status 403" in caller(ok=False, **env)["error"]
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://192.0.2.1/x"
    assert "neither https nor an address of this machine" in caller(ok=False, **env)["error"]
    env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = "http://127.0.0.1.example.org/x"
    assert "neither https nor an address of this machine" in caller(ok=False, **env)["error"]


def test_a_container_by_the_relative_uri(caller):
    """ECS's address is this machine's in a network namespace of its own; what its service gives reaches no store."""
    script = caller.home / "ecs.py"
    script.write_text(f"""
import http.server, subprocess, sys, threading
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        self.send_response(404); self.end_headers()
    def log_message(self, *a): pass
subprocess.run("ip link set lo up && ip addr add 169.254.170.2/32 dev lo", shell=True, check=True)
s = http.server.HTTPServer(("169.254.170.2", 80), H)
threading.Thread(target=s.serve_forever, daemon=True).start()
sys.stdout.flush()
subprocess.run([{str(S3CALL)!r}, "http://127.0.0.1:1", "b", "get", "k", "/dev/null"])
""")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no network namespaces here")
    r = subprocess.run(["unshare", "-rn", "/usr/bin/python3", script], capture_output=True, timeout=60,
                       env=caller.env(AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="/v2/creds/uuid"))
    assert r.stdout.startswith(b"/v2/creds/uuid\n") and b"HTTP status 404" in r.stdout, (r.stdout, r.stderr)


def test_an_instance(caller):
    with Aws(caller.temporary()) as aws:
        caller(AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url, AWS_EC2_METADATA_DISABLED="false")
        assert aws.seen == ["PUT /latest/api/token", "GET /latest/meta-data/iam/security-credentials/",
                            "GET /latest/meta-data/iam/security-credentials/role-of-the-instance"]
        result = caller(ok=False, AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url, AWS_EC2_METADATA_DISABLED="TRUE")
        assert "no credentials" in result["error"] and len(aws.seen) == 3
        aws.down = True
        result = caller(ok=False, AWS_EC2_METADATA_SERVICE_ENDPOINT=aws.url, AWS_EC2_METADATA_DISABLED="false")
        assert "metadata service" in result["error"] and "503" in result["error"]


def test_the_order(caller):
    """Environment, profile, web identity, container, instance: the first that is configured."""
    with Aws(caller.temporary()) as aws:
        aws.web_token = "t"
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": aws.url, "AWS_EC2_METADATA_DISABLED": "false", "AWS_ENDPOINT_URL_STS": aws.url}
        asked = []
        for more in ({}, {"AWS_CONTAINER_CREDENTIALS_FULL_URI": aws.url + "/c"},
                     {"AWS_WEB_IDENTITY_TOKEN_FILE": caller.file("t", "t"), "AWS_ROLE_ARN": ARN + "w"}):
            env.update(more)
            aws.seen.clear()
            caller(**env)
            asked.append(aws.seen[0])
        assert asked == ["PUT /latest/api/token", "GET /c", "AssumeRoleWithWebIdentity w"]
        aws.seen.clear()
        caller.file(".aws/credentials", "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n" % caller.root)
        caller(**env)
        caller.file(".aws/credentials", "[default]\naws_access_key_id = AK\naws_secret_access_key = wrong\n")
        caller(AWS_ACCESS_KEY_ID=caller.root[0], AWS_SECRET_ACCESS_KEY=caller.root[1], **env)
        assert aws.seen == []


def test_unsigned(caller, session):
    with Aws(caller.temporary()) as aws:
        r = session(["--unsigned"], check=False, AWS_CONTAINER_CREDENTIALS_FULL_URI=aws.url + "/c")
        assert aws.seen == [] and r.status != 0 and "unsigned request" in r.err + r.log


def test_a_passwd_file(caller, session):
    key_id, secret = caller.root
    path = caller.file("passwd", f"# ours\n\nAK:wrong\n{caller.gw.bucket}:{key_id}:{secret}\nother:A:B\n")
    session(["--passwd-file", path])
    session([f"--passwd_file={path}"])
    caller.file("passwd", f"{key_id}:{secret}\n")
    session(["--passwd-file", path])
    caller.file("passwd", f"AWSAccessKeyId={key_id}\nAWSSecretKey={secret}\n")
    session(["--passwd-file", path])
    path.chmod(0o640)
    r = session(["--passwd-file", path], check=False)
    assert r.status == 125 and "chmod 600" in r.err
    caller.file("passwd", f"elsewhere:{key_id}:{secret}\n")
    r = session(["--passwd-file", path], check=False)
    assert r.status == 125 and "no key for bucket" in r.err
    caller.file("passwd", "nonsense\n")
    r = session(["--passwd-file", path], check=False)
    assert r.status == 125 and "line 1: want id:secret" in r.err


COUNTING = """
mkdir '{home}/one-at-a-time' || echo twice >> '{home}/overlaps'
echo x >> '{home}/runs'
sleep 0.2
printf '{{"Version": 1, "AccessKeyId": "{key_id}", "SecretAccessKey": "{secret}", "Expiration": "%s"}}' \
    "$(date -u -d '+4 seconds' +%Y-%m-%dT%H:%M:%SZ)"
rmdir '{home}/one-at-a-time'
"""


def test_renewal_while_eight_programs_read(caller, session):
    """Keys of a few seconds: renewed one at a time, and nobody notices."""
    key_id, secret = caller.root
    program = caller.file("keys.sh", COUNTING.format(home=caller.home, key_id=key_id, secret=secret))
    caller.file(".aws/config", f"[default]\ncredential_process = sh {program}\n")
    caller.gw.put("data", os.urandom(MIB))
    script = ("for p in 1 2 3 4 5 6 7 8; do (end=$((SECONDS + 9)); while [ $SECONDS -lt $end ]; do "
              "cat /s3/data > /dev/null && ls /s3 > /dev/null || exit 1; sleep 0.1; done) & pids=\"$pids $!\"; done; "
              "for p in $pids; do wait $p || exit 1; done; printf hello")
    session(argv=["bash", "-c", script])
    runs = (caller.home / "runs").read_text().count("x")
    assert not (caller.home / "overlaps").exists()
    assert 3 <= runs <= 40, runs


def test_the_source_is_down_for_a_while(caller, session):
    """What there is serves while it lasts, and the log says so."""
    key_id, secret = caller.root
    program = caller.file("keys.sh", f"echo x >> '{caller.home}/asked'; [ $(wc -l < '{caller.home}/asked') != 2 ] || exit 9\n"
                          + COUNTING.format(home=caller.home, key_id=key_id, secret=secret).replace("+4 sec", "+8 sec"))
    caller.file(".aws/config", f"[default]\ncredential_process = sh {program}\n")
    script = (f"cat /s3/k; until [ $(wc -l < {caller.home}/asked) -ge 3 ]; do ls /s3 > /dev/null || exit 1; sleep 0.1; done;"
              "ls /s3 > /dev/null")
    r = session(argv=["bash", "-c", script])
    assert "could not be renewed, going on with them while they last" in r.log and "ended with status 9" in r.log
    assert secret not in r.log

