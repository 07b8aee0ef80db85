"""s3ctl config check: what each user of a configuration file would see."""
import json
import subprocess

import pytest
from conftest import BUILD

S3 = {"type": "S3", "bucketName": "data", "path": "/public", "accessKeyId": "AKIDEXAMPLE", "secretKey": "TOPSECRET",
      "verifySSL": False, "readOnly": True, "attributes": "list"}
SHOWN = {"type": "S3", "bucketName": "data", "path": "public", "region": "us-west-2", "accessKeyId": "***", "secretKey": "***",
         "verifySSL": False, "readOnly": True, "attributes": "list"}
CONF = {"region": "us-west-2",
        "sandboxMapping": {"": {"/s3": S3, "/work": {"type": "File", "path": "/home/%u"}},
                           "alice@lab": {"/data": "/srv/%d/%u", "/work": "/srv/w"}}}


@pytest.fixture
def check(tmp_path):
    def run(conf, *args, mode=0o600):
        path = tmp_path / "conf.json"
        path.write_text(conf if isinstance(conf, str) else json.dumps(conf))
        path.chmod(mode)
        env = {"S3SHIM_BUCKET": "not-looked-at", "S3SHIM_REGION": "nor-this"}
        r = subprocess.run([BUILD / "s3ctl", "config", "check", *args, path], capture_output=True, text=True, env=env, timeout=60)
        assert "TOPSECRET" not in r.stdout + r.stderr and "AKIDEXAMPLE" not in r.stdout + r.stderr
        return r.returncode, r.stdout, r.stderr.replace(str(path), "conf.json")

    return run


def test_users_and_their_mounts(check):
    code, out, err = check(CONF, "--json")
    assert (code, err) == (0, "")
    seen = json.loads(out)
    assert seen[""] == {"/s3": SHOWN, "/work": {"type": "File", "path": "/home/%u"}}
    assert seen["alice@lab"] == {"/data": {"type": "File", "path": "/srv/lab/alice"}, "/work": {"type": "File", "path": "/srv/w"},
                                 "/s3": SHOWN}


def test_for_people(check):
    code, out, _ = check(CONF)
    assert code == 0 and out.startswith("everybody:\n  /s3:\n    type: S3\n    bucketName: data\n    path: public\n")
    assert "\nuser 'alice@lab':\n  /data:\n    type: File\n    path: /srv/lab/alice\n" in out


def test_a_bucket_at_the_top_without_a_mapping(check):
    code, out, _ = check({"bucketName": "b"}, "--json")
    assert code == 0 and json.loads(out) == {"": {"/s3": {"type": "S3", "bucketName": "b"}}}


def test_secrets_elsewhere(check, tmp_path):
    entry = {**S3, "secretKey": {"env": "NOT_SET_HERE"}, "accessKeyId": {"file": "id"}}
    conf = {"sandboxMapping": {"": {"/s3": entry}}}
    code, _, err = check(conf)
    assert code == 1 and f"'accessKeyId': file '{tmp_path}/id': No such file or directory" in err
    (tmp_path / "id").write_text("AKIDEXAMPLE")
    (tmp_path / "id").chmod(0o600)
    assert check(conf)[0] == 0


def test_warns_of_a_secret_that_everybody_can_read(check):
    code, _, err = check(CONF, mode=0o644)
    assert code == 0 and err == "s3ctl: warning: 'conf.json' holds a secret and can be read by everybody; chmod 600 it\n"


def test_mistakes_have_their_place(check):
    assert check('{\n "ttl": "soon" }') == (1, "", "s3ctl: conf.json:2:9: 'ttl' 'soon' is not a time such as 500ms or 30s\n")
    code, _, err = check('{"sandboxMapping": {"eve": {"/a": {"type": "S3", "bucketName": "b", "regoin": "x"}}}}')
    assert code == 1 and err.endswith("unknown key 'regoin' in an S3 sandbox; did you mean 'region'?\n")


def test_a_user_who_could_begin_no_session(check):
    code, out, err = check({"sandboxMapping": {"ann": {"/a": "/srv/%d"}, "bob": {"/a": "/srv/bob"}}}, "--json")
    assert code == 1 and json.loads(out) == {"bob": {"/a": {"type": "File", "path": "/srv/bob"}}}
    assert "user 'ann': conf.json:1:35: %d in '/srv/%d' is empty: the domain is not known" in err
