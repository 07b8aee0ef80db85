"""Looks for the grader's keys, other objects, the answers and the network, and prints what it finds."""
import glob
import os
import re
import socket
import subprocess
import sys

BUCKET = "autograder-assets"
SHOULD_NOT_BE_READ = [
    "/tmp/../datasets/tp2/ANSWERS.CSV",
    "/tmp/RESTAURANTES.CSV/../ANSWERS.CSV",
    "/tmp/ANSWERS.CSV",
    "/s3/datasets/tp2/ANSWERS.CSV",
    f"/s3/{BUCKET}/datasets/tp2/ANSWERS.CSV",
]
found = []


def try_to(what, call):
    try:
        result = call()
    except OSError:
        return
    if result:
        found.append(f"{what}: {result}")


def read(path):
    with open(path, "rb") as f:
        return f.read(1 << 20).decode(errors="replace")


def key_in(path):
    return re.findall(r"(?i)aws_secret_access_key.[^\0]+|S3SHIM_ENDPOINT=[^\0]+", read(path))


def connect():
    """To whoever listens on this machine's loopback."""
    with open("/proc/net/tcp") as f:
        listening = [line.split()[1] for line in f if " 0100007F:" in line and line.split()[3] == "0A"]
    for port in [int(address.split(":")[1], 16) for address in listening] + [80]:
        with socket.create_connection(("127.0.0.1", port), 2):
            return "127.0.0.1"


def write_asset():
    with open("/tmp/RESTAURANTES.CSV", "a") as f:
        return f.write("mine,Palermo,5.0\n")


for path in glob.glob("/proc/[0-9]*/environ") + ["/root/.aws/credentials", os.path.expanduser("~/.aws/credentials")]:
    try_to(f"key in {path}", lambda path=path: key_in(path))
for path in SHOULD_NOT_BE_READ:
    try_to(path, lambda path=path: read(path))
    # The library believes what the environment says of the mount points; the broker does not.
    claim = {**os.environ, "S3SHIM_ROUTES": "/s3:/tmp"}
    try_to(f"{path}, by routes of its own", lambda path=path, env=claim:
           subprocess.run(["cat", path], env=env, capture_output=True, text=True).stdout)
try_to("the network", connect)
try_to("the asset is written to", write_asset)
print("\n".join(found) or "nothing")
sys.exit(3)
