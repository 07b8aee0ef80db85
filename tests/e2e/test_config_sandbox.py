"""The S3 options of sandboxMapping, each seen to do what it says: by real servers and proxies, or by what arrives there."""
import json

import pytest
from between import Authority, Recorder, Tinyproxy, TlsListener
from conftest import S3Mount
from servers import Versitygw


def configure(mount, top=None, **keys):
    """Make `mount` a sandbox of everybody's at /s3, of these keys and nothing from the environment; None leaves a key out."""
    server = mount.server
    entry = {"type": "S3", "bucketName": mount.bucket, "endpointOverride": server.endpoint,
             "accessKeyId": server.access_key, "secretKey": server.secret_key, **keys}
    entry = {k: v for k, v in entry.items() if v is not None}
    path = mount.scratch / "conf.json"
    path.write_text(json.dumps({**(top or {}), "sandboxMapping": {"": {"/s3": entry}}}))
    path.chmod(0o600)
    mount.env = {}
    mount.mount_options = lambda: ["--config", path]
    return mount


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def tls_server(authority):
    server = Versitygw(["--cert", authority.cert, "--key", authority.key], scheme="https")
    server.verify = str(authority.ca)
    with server:
        yield server


@pytest.fixture
def tls(tls_server, scratch):
    mount = S3Mount(scratch, tls_server, "tls")
    mount.put("f", b"over tls")
    return mount


@pytest.fixture
def recorded(gw):
    """gw, its requests kept by a recorder in `gw.recorder`."""
    with Recorder(gw.server.port) as recorder:
        gw.recorder = recorder
        yield gw


def failed(r):
    """That the session could not begin, for the reason that s3run said."""
    assert r.status == 125, r
    return r.err


# TLS


def test_ca_file(tls, authority):
    assert configure(tls, caFile=str(authority.ca)).run(["cat", "/s3/f"]).out == "over tls"


def test_ca_file_beside_the_configuration(tls, authority):
    (tls.scratch / "my-ca.pem").write_bytes(authority.ca.read_bytes())
    assert configure(tls, caFile="my-ca.pem").run(["cat", "/s3/f"]).out == "over tls"


def test_ca_path(tls, authority):
    assert configure(tls, caPath=str(authority.hashed_folder())).run(["cat", "/s3/f"]).out == "over tls"


def test_verify_ssl_off(tls):
    assert configure(tls, verifySSL=False).run(["cat", "/s3/f"]).out == "over tls"


@pytest.mark.parametrize("keys", [{}, {"verifySSL": True}, {"caFile": "/etc/ssl/certs/ca-certificates.crt"}])
def test_a_certificate_that_nobody_vouches_for(tls, keys):
    r = configure(tls, **keys).run(["cat", "/s3/f"], check=False)
    assert r.status and "certificate" in r.err + r.log and "over tls" not in r.out


def test_another_authority_is_not_enough(tls, tmp_path):
    other = Authority(tmp_path / "other")
    r = configure(tls, caFile=str(other.ca)).run(["cat", "/s3/f"], check=False)
    assert r.status and "does not verify" in r.err + r.log


def test_scheme_for_an_endpoint_that_does_not_say(tls, gw, authority):
    host = tls.server.endpoint.removeprefix("https://")
    assert configure(tls, endpointOverride=host, caFile=str(authority.ca)).run(["cat", "/s3/f"]).out == "over tls"
    gw.put("f", b"in the clear")
    host = gw.server.endpoint.removeprefix("http://")
    assert configure(gw, endpointOverride=host, scheme="http").run(["cat", "/s3/f"]).out == "in the clear"
    assert configure(gw, endpointOverride=host).run(["cat", "/s3/f"], check=False).status, "https is the default"


def test_endpoints_own_scheme_comes_first(gw):
    gw.put("f", b"x")
    assert configure(gw, scheme="https").run(["cat", "/s3/f"]).out == "x"


# Proxies


def proxy_keys(proxy, **keys):
    return {"proxyHost": "127.0.0.1", "proxyPort": proxy.port, "proxyUserName": proxy.user, "proxyPassword": proxy.password,
            **keys}


def test_proxy(gw, tmp_path):
    gw.put("f", b"through a proxy")
    with Tinyproxy(tmp_path) as proxy:
        r = configure(gw, **proxy_keys(proxy)).sh("cat $S3/f; echo back >$S3/g")
        assert r.out == "through a proxy" and gw.get("g") == b"back\n"
        assert proxy.password not in r.log
        assert [line for line in proxy.requests() if f":{gw.server.port}" in line]


def test_proxy_whatever_the_environment_excepts(gw, tmp_path):
    gw.put("f", b"x")
    with Tinyproxy(tmp_path) as proxy:
        configure(gw, **proxy_keys(proxy)).run(["cat", "/s3/f"], env={"no_proxy": "127.0.0.1", "NO_PROXY": "*"})
        assert proxy.requests()


def test_proxy_to_a_tls_server(tls, authority, tmp_path):
    with Tinyproxy(tmp_path) as proxy:
        assert configure(tls, caFile=str(authority.ca), **proxy_keys(proxy)).run(["cat", "/s3/f"]).out == "over tls"
        assert [line for line in proxy.requests() if line.startswith("CONNECT ")]


def test_proxy_that_wants_other_credentials(gw, tls, authority, tmp_path):
    gw.put("f", b"x")
    with Tinyproxy(tmp_path) as proxy:
        for mount, keys in ((gw, {}), (tls, {"caFile": str(authority.ca)})):
            for wrong in ({"proxyPassword": "nope"}, {"proxyUserName": None, "proxyPassword": None}):
                r = configure(mount, **keys, **{**proxy_keys(proxy), **wrong}).run(["cat", "/s3/f"], check=False)
                assert "proxyPassword" in failed(r) and "nope" not in r.err


def test_proxy_by_tls(gw, authority, tmp_path):
    gw.put("f", b"x")
    with Tinyproxy(tmp_path) as proxy, TlsListener(proxy.port, authority.cert, authority.key) as front:
        keys = proxy_keys(proxy, proxyPort=front.port, proxyScheme="https")
        assert configure(gw, caFile=str(authority.ca), **keys).run(["cat", "/s3/f"]).out == "x"
        assert proxy.requests()
        assert configure(gw, **keys).run(["cat", "/s3/f"], check=False).status


def test_a_proxy_that_is_not_there(gw):
    keys = {"proxyHost": "127.0.0.1", "proxyPort": 1}
    assert "by proxy http://127.0.0.1:1: " in failed(configure(gw, **keys).run(["true"], check=False))


# Where and as whom


def test_path_confines(gw):
    gw.put("a/b/f", b"inside")
    gw.put("a/secret", b"outside")
    r = configure(gw, path="/a/b/").sh(
        "cat $S3/f; cd $S3; for n in ../secret ../../a/secret $S3/../secret; do cat $n 2>/dev/null && exit 1; done; "
        "echo new >$S3/g; ln -s ../secret $S3/link; cat $S3/link 2>/dev/null && exit 1; true")
    assert r.out == "inside" and gw.get("a/b/g") == b"new\n"


def test_region_is_signed_with(recorded):
    recorded.put("f", b"x")
    configure(recorded, endpointOverride=recorded.recorder.endpoint, region="us-east-1").run(["cat", "/s3/f"])
    assert all("/us-east-1/s3/" in h["authorization"] for _, _, h in recorded.recorder.requests)


def test_wrong_region_is_found_out_and_remembered(scratch):
    with Versitygw(["--region", "eu-central-9"]) as server:
        server.region = "eu-central-9"
        mount = S3Mount(scratch, server, "region")
        mount.put("f", b"x")
        mount.put("g", b"y")
        with Recorder(server.port) as recorder:
            r = configure(mount, endpointOverride=recorder.endpoint, region="us-west-2").run(["cat", "/s3/f", "/s3/g"])
            assert r.out == "xy"
            wrong = [path for _, path, h in recorder.requests if "/us-west-2/" in h["authorization"]]
            assert wrong and not [path for path in wrong if "/f" in path or "/g" in path], recorder.requests
            recorder.requests.clear()
            configure(mount, endpointOverride=recorder.endpoint, region="eu-central-9").run(["cat", "/s3/f"])
            assert not [h for _, _, h in recorder.requests if "/us-west-2/" in h["authorization"]]


def test_virtual_host(scratch):
    with Recorder(0) as recorder:
        host = f"localhost:{recorder.port}"
        with Versitygw(["--virtual-domain", host]) as server:
            recorder.target = server.port
            mount = S3Mount(scratch, server, "vhost")
            mount.put("d/f", b"x")
            r = configure(mount, endpointOverride=f"http://{host}", virtualHost=True).sh("cat $S3/d/f; echo y >$S3/g; ls $S3")
            assert r.out == "xd\ng\n" and mount.get("g") == b"y\n"
            assert {h["host"] for _, _, h in recorder.requests} == {f"{mount.bucket}.{host}"}
            assert not [path for _, path, _ in recorder.requests if mount.bucket in path]


def test_session_token(recorded):
    recorded.put("f", b"x")
    configure(recorded, endpointOverride=recorded.recorder.endpoint, sessionToken="tok/en+1=").run(["cat", "/s3/f"], check=False)
    assert recorded.recorder.requests
    for _, _, headers in recorded.recorder.requests:
        assert headers["x-amz-security-token"] == "tok/en+1=" and "x-amz-security-token" in headers["authorization"]


def test_unsigned(recorded):
    recorded.put("f", b"public")
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": ["s3:GetObject", "s3:ListBucket"],
         "Resource": [f"arn:aws:s3:::{recorded.bucket}", f"arn:aws:s3:::{recorded.bucket}/*"]}]}
    recorded.client.put_bucket_policy(Bucket=recorded.bucket, Policy=json.dumps(policy))
    keys = {"endpointOverride": recorded.recorder.endpoint, "accessKeyId": None, "secretKey": None}
    assert configure(recorded, unsigned=True, **keys).run(["cat", "/s3/f"]).out == "public"
    assert not [h for _, _, h in recorded.recorder.requests if "authorization" in h]


def test_profile(gw):
    gw.put("f", b"x")
    (gw.scratch / ".aws").mkdir()
    (gw.scratch / ".aws/credentials").write_text(
        f"[default]\naws_access_key_id = wrong\naws_secret_access_key = wrong\n\n[work]\n"
        f"aws_access_key_id = {gw.server.access_key}\naws_secret_access_key = {gw.server.secret_key}\n")
    keys = {"accessKeyId": None, "secretKey": None}
    assert configure(gw, profile="work", **keys).run(["cat", "/s3/f"]).out == "x"
    failed(configure(gw, **keys).run(["cat", "/s3/f"], check=False))


def test_secrets_from_elsewhere(gw):
    gw.put("f", b"x")
    (gw.scratch / "key").write_text(gw.server.secret_key + "\n")
    (gw.scratch / "key").chmod(0o600)
    keys = {"accessKeyId": {"env": "MY_ID"}, "secretKey": {"file": "key"}}
    r = configure(gw, **keys).run(["cat", "/s3/f"], env={"MY_ID": gw.server.access_key})
    assert r.out == "x" and "can be read by everybody" not in r.log
    (gw.scratch / "key").chmod(0o644)
    r = configure(gw, **keys).run(["cat", "/s3/f"], env={"MY_ID": gw.server.access_key})
    assert "holds a secret and can be read by everybody" in r.log and r.err == ""


def test_isolate_takes_the_variables_that_the_file_names(gw):
    gw.put("f", b"x")
    keys = {"type": "S3", "bucketName": "b", "accessKeyId": {"env": "BOBS_ID"}, "secretKey": {"env": "BOBS_KEY"}}
    configure(gw, top={"proxyPassword": {"env": "TOPS"}}, proxyPassword={"env": "MINE"})
    path = gw.scratch / "conf.json"
    conf = json.loads(path.read_text())
    conf["sandboxMapping"]["bob"] = {"/s3": keys}
    path.write_text(json.dumps(conf))
    env = {"BOBS_ID": "1", "BOBS_KEY": "2", "TOPS": "3", "MINE": "4", "KEPT": "5"}
    r = gw.run(["sh", "-c", "cat /s3/f; env"], options=["--isolate"], env=env)
    assert r.out.startswith("x") and "KEPT=5" in r.out and not {"BOBS_ID", "BOBS_KEY", "TOPS", "MINE"} & set(
        line.split("=")[0] for line in r.out.splitlines())


# What is asked for


def test_read_only(gw):
    gw.put("f", b"x")
    r = configure(gw, readOnly=True).run(
        ["sh", "-c", "cat /s3/f; echo y >/s3/f; echo y >/s3/g; rm /s3/f; mkdir /s3/d; mv /s3/f /s3/h; chmod 600 /s3/f; :"])
    assert r.out == "x" and r.err.count("Read-only file system") >= 5
    assert gw.all_keys() == ["f"] and gw.get("f") == b"x"


def written(mount, **keys):
    """Headers of the PUT and of the multipart upload's beginning that `keys` make."""
    recorder = mount.recorder
    configure(mount, {"putMax": "5MiB", "partSize": "5MiB"}, endpointOverride=recorder.endpoint, **keys).run(
        ["sh", "-c", "echo x >/s3/small; head -c 6M /dev/zero >/s3/large"], check=False)
    return recorder.of("PUT", "/small") + recorder.of("POST", "/large?uploads")


@pytest.mark.parametrize("key,value,header", [
    ("storageClass", "GLACIER_IR", "x-amz-storage-class"),
    ("sse", "AES256", "x-amz-server-side-encryption"),
    ("requesterPays", True, "x-amz-request-payer"),
])
def test_header_of_new_objects(recorded, key, value, header):
    heads = written(recorded, **{key: value})
    assert len(heads) >= 2
    for head in heads:
        assert head[header] == ("requester" if value is True else value) and header in head["authorization"]


def test_kms_key(recorded):
    for head in written(recorded, sse="aws:kms", sseKmsKeyId="arn:aws:kms:k/1"):
        assert head["x-amz-server-side-encryption"] == "aws:kms"
        assert head["x-amz-server-side-encryption-aws-kms-key-id"] == "arn:aws:kms:k/1"


def test_requester_pays_reads_too(recorded):
    recorded.put("f", b"x")
    configure(recorded, endpointOverride=recorded.recorder.endpoint, requesterPays=True).run(["sh", "-c", "cat /s3/f; ls /s3"])
    assert recorded.recorder.requests
    assert all(h["x-amz-request-payer"] == "requester" for _, _, h in recorded.recorder.requests)


@pytest.mark.parametrize("name,header", [("crc32", "x-amz-checksum-crc32"), ("crc64nvme", "x-amz-checksum-crc64nvme"),
                                         ("whenRequired", None)])
def test_checksum(recorded, name, header):
    configure(recorded, endpointOverride=recorded.recorder.endpoint, checksum=name).sh("echo x >$S3/f")
    head, = recorded.recorder.of("PUT", "/f")
    said = {k for k in head if k.startswith("x-amz-checksum-")} | {head[k].lower() for k in ("x-amz-trailer",) if k in head}
    assert said == ({header} if header else set())
    assert recorded.get("f") == b"x\n"


def test_attributes_list(gw):
    for i in range(5):
        gw.put(f"f{i}", b"x", Metadata={"file-permissions": "0100600"})
    r = configure(gw, attributes="list").run(["ls", "-l", "/s3"])
    assert "-rw-------" not in r.out and r.requests["HeadObject"] <= 1
    r = configure(gw, attributes="posix").run(["ls", "-l", "/s3"])
    assert r.out.count("-rw-------") == 5


# The cache


def test_download_size_bounds_what_is_fetched_ahead(gw):
    gw.put("f", bytes(24 << 20))

    def fetched_after_a_while(*options):
        r = gw.python("import os\nfd = os.open('/s3/f', os.O_RDONLY)\nfor i in range(64): os.read(fd, 1 << 16)\n"
                      "os._exit(0)", options=options)
        ranges = [rest.split("bytes=")[1].split()[0].split("-") for op, _, _, rest in r.attempts if op == "GetObject"]
        return max(int(last or 24 << 20) for _, last in ranges) + 1

    assert fetched_after_a_while("--max-cloud-cache-download-size", "1M") <= 7 << 20
    assert fetched_after_a_while("--max-cloud-cache-download-size", "64M") > 7 << 20


# Users


def test_users_see_their_own(gw):
    other = gw.server.make_bucket("alices")
    gw.put("f", b"everybody's")
    gw.client.put_object(Bucket=other, Key="f", Body=b"alice's")
    for name in ("bob", "alice"):
        (gw.scratch / "home" / name).mkdir(parents=True)
        (gw.scratch / "home" / name / "who").write_text(name)
    keys = {"type": "S3", "endpointOverride": gw.server.endpoint, "accessKeyId": gw.server.access_key,
            "secretKey": gw.server.secret_key}
    conf = {"sandboxMapping": {"": {"/s3": {**keys, "bucketName": gw.bucket}, "/work": str(gw.scratch / "home/%u")},
                               "alice": {"/s3": {**keys, "bucketName": other}}}}
    (gw.scratch / "conf.json").write_text(json.dumps(conf))
    gw.env = {}
    gw.mount_options = lambda: []
    for user, said in (("bob", "everybody's bob"), ("alice", "alice's alice")):
        r = gw.run(["sh", "-c", "cat /s3/f; echo -n ' '; cat /work/who"], options=["--user", user],
                   env={"S3SHIM_CONFIG": "conf.json"})
        assert r.out == said


def test_sandbox_dir(files):
    files.put("ann/f", b"x")
    files.mount_options = lambda: ["--sandbox-dir", f"{files.root}/%u", "--user", "ann"]
    assert files.run(["cat", "/s3/f"]).out == "x"
    files.mount_options = lambda: ["--sandbox-dir", f"{files.root}/%u", "--user", ".."]
    assert "cannot stand in" in failed(files.run(["true"], check=False))


def test_a_mistake_is_shown_with_its_place(gw):
    (gw.scratch / "conf.json").write_text('{ "sandboxMapping": { "": {\n  "/s3": { "type": "S3", "buckteName": "b" } } } }')
    gw.mount_options = lambda: ["--config", "conf.json"]
    said = failed(gw.run(["true"], check=False))
    assert said == "s3run: conf.json:2:26: unknown key 'buckteName' in an S3 sandbox; did you mean 'bucketName'?\n"
