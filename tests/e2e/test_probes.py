"""Each probe (tests/probe) natively in a temporary folder and on a mount: output and exit status are equal."""
import subprocess

import pytest
from conftest import BUILD, TOP

PROBES = sorted(p.stem for p in (TOP / "tests/probe").glob("*.c"))


def lines(stdout):
    return stdout.decode(errors="replace").splitlines()


def compare(mount, name, point=None):
    """Run it natively and on the mount; `point` "." is from within, by relative names."""
    probe = BUILD / "tests/probe" / name
    if name.endswith(".musl") and not probe.exists():
        pytest.skip("no musl-gcc on this machine")
    native_dir = mount.scratch / "native"
    native_dir.mkdir()

    def command(folder):
        return [probe, folder] if point != "." else ["sh", "-c", f"cd {folder} && exec {probe} ."]

    native = subprocess.run(command(native_dir), stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
                            cwd=mount.scratch, env=mount.base_env())
    routed = mount.run(command(mount.point), check=False)
    assert lines(routed.stdout) == lines(native.stdout), routed
    assert (routed.status, routed.err) == (native.returncode, native.stderr.decode())


RELATIVE = [p for p in PROBES if p != "cwd"]  # which changes the current directory itself


@pytest.mark.sanitized
@pytest.mark.parametrize("probe", PROBES)
def test_file_volume(files, probe):
    compare(files, probe)


@pytest.mark.parametrize("probe", RELATIVE)
def test_relative_names(files, probe):
    compare(files, probe, ".")


@pytest.mark.parametrize("probe", PROBES)
def test_musl(files, probe):
    compare(files, probe + ".musl")


@pytest.mark.sanitized
@pytest.mark.parametrize("probe", PROBES)
def test_versitygw(gw, probe):
    compare(gw, probe)


@pytest.mark.parametrize("probe", RELATIVE)
def test_versitygw_relative_names(gw, probe):
    compare(gw, probe, ".")


@pytest.mark.parametrize("probe", PROBES)
def test_versitygw_musl(gw, probe):
    compare(gw, probe + ".musl")
