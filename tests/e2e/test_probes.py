"""Each probe (tests/probe) natively in a temporary folder and on a mount: output and exit status are equal."""
import subprocess

import pytest
from conftest import BUILD, TOP

PROBES = sorted(p.stem for p in (TOP / "tests/probe").glob("*.c"))


def lines(stdout):
    return stdout.decode(errors="replace").splitlines()


def compare(mount, name, point):
    probe = BUILD / "tests/probe" / name
    if name.endswith(".musl") and not probe.exists():
        pytest.skip("no musl-gcc on this machine")
    native_dir = mount.scratch / "native"
    native_dir.mkdir()
    native = subprocess.run([probe, native_dir], stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                            cwd=mount.scratch, env=mount.base_env())
    routed = mount.run([probe, point], check=False)
    assert lines(routed.stdout) == lines(native.stdout), routed
    assert (routed.status, routed.err) == (native.returncode, native.stderr.decode())


@pytest.mark.sanitized
@pytest.mark.parametrize("probe", PROBES)
def test_file_volume(files, probe):
    compare(files, probe, files.point)


@pytest.mark.parametrize("probe", PROBES)
def test_musl_on_file_volume(files, probe):
    compare(files, probe + ".musl", files.point)


@pytest.mark.sanitized
@pytest.mark.parametrize("probe", PROBES)
def test_versitygw(gw, probe):
    compare(gw, probe, gw.point)


@pytest.mark.parametrize("probe", PROBES)
def test_musl_on_versitygw(gw, probe):
    compare(gw, probe + ".musl", gw.point)
