"""No key is where a program, or who reads logs, reports and core files, could find it."""
import json
import re
import shutil
import subprocess

import pytest

# The program looks through all that it can see of itself and of its ancestors.
LOOK = r"""
import os, re, sys
seen = []
def read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return b""
for entry in os.environ.items():
    seen.append("=".join(entry).encode())
seen.append(read("/proc/self/environ"))
seen.append(read("/proc/self/cmdline"))
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as mem:
    for line in maps:
        begin, end, mode = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
        if mode[0] == "r" and "[v" not in line:
            try:
                mem.seek(int(begin, 16))
                seen.append(mem.read(int(end, 16) - int(begin, 16)))
            except (OSError, ValueError, OverflowError):
                pass
pid = os.getppid()
while pid > 1:
    seen.append(read(f"/proc/{pid}/cmdline"))
    pid = int(read(f"/proc/{pid}/stat").rpartition(b")")[2].split()[1])
assert open(sys.argv[1], "rb").read() == b"hello"
with open(sys.argv[2], "wb") as f:
    f.write(b"\n".join(seen))
"""


def search(secrets, **places):
    for name, data in places.items():
        for secret in secrets:
            assert secret.encode() not in (data if isinstance(data, bytes) else data.encode()), f"{secret} is in {name}"


def test_no_secret_is_to_be_found(gw, tmp_path):
    gw.put("k", b"hello")
    proxy_password = "proxy-secret-7310"
    gw.env = {**gw.env, "MY_OWN_NAME": gw.server.secret_key, "https_proxy": "http://u:pw-of-a-proxy@127.0.0.1:9",
              "AWS_ENDPOINT_URL_STS": "http://sts-of-nobody.invalid", "S3SHIM_PROXY_PASSWORD": proxy_password,
              "no_proxy": "*"}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"accessKeyId": gw.server.access_key, "secretKey": gw.server.secret_key}))
    config.chmod(0o600)
    del gw.env["AWS_ACCESS_KEY_ID"], gw.env["AWS_SECRET_ACCESS_KEY"]
    looked = tmp_path / "looked"
    options = ["--isolate", "--config", config]
    r = gw.run(["/usr/bin/python3", "-c", LOOK, "/s3/k", looked], options=options)
    secrets = [gw.server.secret_key, proxy_password]
    search([*secrets, gw.server.access_key, gw.server.endpoint, "pw-of-a-proxy", "sts-of-nobody"], program=looked.read_bytes())
    search(secrets, log=r.log, stdout=r.stdout, stderr=r.stderr, statistics=json.dumps(r.stats))
    assert " debug " in r.log

    # without --isolate the program finds its environment as it was: so the search finds what there is to be found
    gw.run(["/usr/bin/python3", "-c", LOOK, "/s3/k", looked], options=["--config", config])
    assert gw.server.secret_key.encode() in looked.read_bytes()


def test_no_secret_is_in_a_core_file(gw, tmp_path):
    gw.put("k", b"hello")
    if not shutil.which("gdb"):
        pytest.skip("gdb's gcore writes the core file")
    p = gw.start(["/usr/bin/python3", "-c", "import sys; f = open(sys.argv[1]); f.read(); print('open', flush=True); input()",
                  "/s3/k"], options=["--isolate"])
    assert p.stdout.readline() == b"open\n"
    children = subprocess.run(["pgrep", "-P", str(p.pid)], capture_output=True, text=True).stdout.split()
    program = [c for c in children if b"python3" in open(f"/proc/{c}/cmdline", "rb").read().split(b"\0")[0]]
    core = tmp_path / "core"
    made = subprocess.run(["gdb", "-q", "-batch", "-ex", f"gcore {core}", "-p", program[0]], capture_output=True, text=True)
    r = gw.finish(p, b"\n")
    assert r.status == 0 and core.exists(), (r, made.stdout[-500:], made.stderr[-500:])
    data = core.read_bytes()
    assert re.search(b"libs3shim", data)
    search([gw.server.secret_key], core=data)
    # s3run and the broker, which know it, leave none: see PR_SET_DUMPABLE in prctl(2)
