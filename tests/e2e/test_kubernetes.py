"""examples/kubernetes: pod.yaml against the fields of the Pod API, what its parts say of each other, and the Pod itself, run by
a kubelet of forty lines: a box for each container, folders for its volumes, a user for each runAsUser."""
import os
import signal
import subprocess
import time

import pytest
import yaml

from conftest import BUILD, TOP
from servers import die_with_parent

POD = yaml.safe_load((TOP / "examples/kubernetes/pod.yaml").read_text())
SPEC = POD["spec"]

# The part of the API (Kubernetes 1.29, core/v1) that an example may use: a type, one of some values, [what a list holds], or
# {field: ...}; a field with ! must be there.
QUANTITY = (int, str)
SECURITY = {"runAsUser": int, "runAsGroup": int, "runAsNonRoot": bool, "privileged": bool, "allowPrivilegeEscalation": bool,
            "readOnlyRootFilesystem": bool, "capabilities": {"add": [str], "drop": [str]},
            "seccompProfile": {"type!": {"RuntimeDefault", "Unconfined", "Localhost"}}}
PROBE = {"exec": {"command!": [str]}, "periodSeconds": int, "failureThreshold": int, "timeoutSeconds": int, "initialDelaySeconds": int}
RESOURCES = {"cpu": QUANTITY, "memory": QUANTITY, "ephemeral-storage": QUANTITY}
CONTAINER = {"name!": str, "image!": str, "command": [str], "args": [str], "restartPolicy": {"Always"},
             "env": [{"name!": str, "value": str, "valueFrom": {"secretKeyRef": {"name!": str, "key!": str, "optional": bool}}}],
             "volumeMounts": [{"name!": str, "mountPath!": str, "readOnly": bool, "subPath": str}], "securityContext": SECURITY,
             "resources": {"requests": RESOURCES, "limits": RESOURCES}, "startupProbe": PROBE, "livenessProbe": PROBE,
             "readinessProbe": PROBE, "workingDir": str, "imagePullPolicy": {"Always", "Never", "IfNotPresent"}}
SCHEMA = {"apiVersion!": {"v1"}, "kind!": {"Pod"},
          "metadata!": {"name!": str, "namespace": str, "labels": {"app": str}, "annotations": dict},
          "spec!": {"containers!": [CONTAINER], "initContainers": [CONTAINER], "restartPolicy": {"Always", "OnFailure", "Never"},
                    "automountServiceAccountToken": bool, "serviceAccountName": str, "terminationGracePeriodSeconds": int,
                    "securityContext": {**SECURITY, "fsGroup": int},
                    "volumes": [{"name!": str, "emptyDir": {"sizeLimit": QUANTITY, "medium": {"", "Memory"}}}]}}


def differences(value, schema, at):
    if isinstance(schema, dict):
        if not isinstance(value, dict):
            return [f"{at} is no object"]
        fields = {name.rstrip("!"): s for name, s in schema.items()}
        found = [f"{at}.{name[:-1]} is missing" for name in schema if name.endswith("!") and name[:-1] not in value]
        for name, v in value.items():
            found += differences(v, fields[name], f"{at}.{name}") if name in fields else [f"{at}.{name} is no field of the API"]
        return found
    if isinstance(schema, list):
        if not isinstance(value, list):
            return [f"{at} is no list"]
        return [d for i, v in enumerate(value) for d in differences(v, schema[0], f"{at}[{i}]")]
    if isinstance(schema, set):
        return [] if value in schema else [f"{at} is {value!r}"]
    wrong = not isinstance(value, schema) or (isinstance(value, bool) and schema is not bool)
    return [f"{at} is {value!r}"] if wrong else []


def container(name):
    return next(c for c in [*SPEC["initContainers"], *SPEC["containers"]] if c["name"] == name)


def environment(c):
    return {e["name"]: e.get("value") for e in c.get("env", [])}


def test_fields_are_the_apis():
    assert differences(POD, SCHEMA, "pod") == []


def test_the_check_finds_mistakes():
    """So it would have found one above."""
    wrong = yaml.safe_load((TOP / "examples/kubernetes/pod.yaml").read_text())
    wrong["spec"]["containers"][0]["volumeMount"] = wrong["spec"]["containers"][0].pop("volumeMounts")
    wrong["spec"]["terminationGracePeriodSeconds"] = "120"
    wrong["spec"]["volumes"][0]["hostPath"] = {"path": "/"}
    del wrong["spec"]["initContainers"][0]["image"]
    assert differences(wrong, SCHEMA, "pod") == [
        "pod.spec.terminationGracePeriodSeconds is '120'", "pod.spec.volumes[0].hostPath is no field of the API",
        "pod.spec.initContainers[0].image is missing", "pod.spec.containers[0].volumeMount is no field of the API"]


def test_what_the_parts_say_of_each_other():
    library, broker, app = (container(n) for n in ("library", "broker", "app"))
    assert [c["name"] for c in SPEC["initContainers"]] == ["library", "broker"]
    volumes = {v["name"] for v in SPEC["volumes"]}
    for c in (library, broker, app):
        assert {m["name"] for m in c["volumeMounts"]} <= volumes, c["name"]
    assert broker["restartPolicy"] == "Always" and "startupProbe" in broker, "a sidecar that is ready before the application"
    flags = dict(word.lstrip("-").partition("=")[::2] for word in broker["command"][1:])
    env = environment(app)
    assert env["S3SHIM_SOCKET"] == flags["socket"] == broker["startupProbe"]["exec"]["command"][-1]
    assert env["S3SHIM_ROUTES"] == flags["mount"].partition("=")[0]
    assert env["LD_PRELOAD"] == library["command"][-1]
    mounts = {m["mountPath"]: m for m in app["volumeMounts"]}
    for path in (env["LD_PRELOAD"], env["S3SHIM_SOCKET"]):
        assert mounts[os.path.dirname(path)]["readOnly"]


def test_no_key_no_privilege():
    for c in [*SPEC["initContainers"], *SPEC["containers"]]:
        security = c["securityContext"]
        assert security["capabilities"] == {"drop": ["ALL"]} and security["allowPrivilegeEscalation"] is False
        assert not security.get("privileged") and security["runAsUser"] > 0
        if c["name"] != "broker":
            assert not [e for e in c.get("env", []) if "valueFrom" in e or e["name"].startswith("AWS_")]
    assert container("app")["securityContext"]["runAsUser"] != container("broker")["securityContext"]["runAsUser"]
    assert SPEC["automountServiceAccountToken"] is False


class Kubelet:
    """Runs the Pod's containers on this machine."""

    def __init__(self, folder, secrets, replace):
        self.image, self.secrets, self.replace = folder / "image", secrets, replace
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.image], check=True, capture_output=True)
        folder.chmod(0o755)
        self.volumes = {}
        for v in SPEC["volumes"]:
            self.volumes[v["name"]] = folder / v["name"]
            self.volumes[v["name"]].mkdir()
            self.volumes[v["name"]].chmod(0o777)

    def line(self, c, command):
        user = c["securityContext"]["runAsUser"]
        line = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if os.geteuid() == 0 else []
        line += ["bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--as-pid-1", "--die-with-parent", "--cap-drop", "ALL",
                 "--uid", str(user), "--gid", str(user), "--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--ro-bind", "/usr", "/usr",
                 "--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev", "--ro-bind", str(self.image), "/opt/s3shim"]
        for name in ("bin", "sbin", "lib", "lib64"):
            line += ["--symlink", f"usr/{name}", f"/{name}"]
        for m in c["volumeMounts"]:
            line += ["--ro-bind" if m.get("readOnly") else "--bind", str(self.volumes[m["name"]]), m["mountPath"]]
        for e in c.get("env", []):
            value = e["value"] if "value" in e else self.secrets[e["valueFrom"]["secretKeyRef"]["key"]]
            line += ["--setenv", e["name"], value]
        line += ["--remount-ro", "/"] if c["securityContext"]["readOnlyRootFilesystem"] else []
        return [*line, "--", *command]

    def start(self, c, command=None):
        command = [word.replace(*self.replace) for word in command or c["command"]]
        return subprocess.Popen(self.line(c, command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                preexec_fn=die_with_parent)

    def terminate(self, p):
        """SIGTERM to the first process in the container, as a kubelet does, not to the box's own."""
        for pid in open(f"/proc/{p.pid}/task/{p.pid}/children").read().split():
            os.kill(int(pid), signal.SIGTERM)

    def run(self, c, command=None):
        p = self.start(c, command)
        out, err = p.communicate(timeout=60)
        return p.returncode, out, err


@pytest.fixture
def kubelet(gw, scratch):
    r = subprocess.run(["bwrap", "--unshare-user", "--ro-bind", "/", "/", "true"], capture_output=True, text=True)
    if r.returncode:
        pytest.skip(f"no user namespaces here: {r.stderr}")
    secrets = {"id": gw.server.access_key, "secret": gw.server.secret_key}
    return Kubelet(scratch, secrets, ("s3://my-bucket/", f"s3://{gw.bucket}/"))


def test_the_pod_runs(gw, kubelet):
    gw.put("team/names.txt", b"Zoe\nAnn\nMax\n")
    library, broker, app = (container(n) for n in ("library", "broker", "app"))
    assert kubelet.run(library)[0] == 0
    broker = {**broker, "env": [*broker["env"], {"name": "S3SHIM_ENDPOINT", "value": gw.server.endpoint}]}
    sidecar = kubelet.start(broker)
    try:
        deadline = time.monotonic() + 60
        while kubelet.run(broker, broker["startupProbe"]["exec"]["command"])[0]:
            assert sidecar.poll() is None and time.monotonic() < deadline, sidecar.communicate()
            time.sleep(0.2)
        status, out, err = kubelet.run(app)
        assert status == 0 and out.endswith("Ann\nMax\nZoe\n"), (out, err)
        assert gw.get("team/sorted.txt") == b"Ann\nMax\nZoe\n"
        seen = kubelet.run(app, ["sh", "-c", "id -u; env; ls -la /run/s3shim /s3shim; cat /proc/*/environ; touch /run/s3shim/x /s3shim/x"])
        assert seen[1].startswith("1000\n") and gw.server.secret_key not in seen[1] and "Read-only file system" in seen[2]
        kubelet.terminate(sidecar)
        out, err = sidecar.communicate(timeout=60)
        assert sidecar.returncode == 0, err
    finally:
        sidecar.kill()
