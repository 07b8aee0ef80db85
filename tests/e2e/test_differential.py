"""The same random calls in a folder of the disk and on a mount: same results, same errors, same trees."""
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("random_calls.py")


def native(mount, seed, steps):
    folder = mount.scratch / "native"
    folder.mkdir()
    r = subprocess.run(["/usr/bin/python3", PROGRAM, folder, str(seed), str(steps)], capture_output=True, text=True,
                       env=mount.base_env(), timeout=120)
    assert r.returncode == 0, r.stderr
    return r.stdout.splitlines()


def compare(mount, seed, steps):
    expected = native(mount, seed, steps)
    r = mount.run(["/usr/bin/python3", PROGRAM, mount.point, seed, steps], timeout=180)
    got = r.out.splitlines()
    for i, (want, have) in enumerate(zip(expected, got)):
        assert have == want, f"call {i}:\n" + "\n".join(expected[max(0, i - 12):i]) + f"\nwanted {want}\ngot    {have}"
    assert len(got) == len(expected)
    # And what a later session, and the witness, find.
    for key in mount.keys():
        assert mount.get(key) == (mount.scratch / "native" / key).read_bytes(), key
    found = {str(p.relative_to(mount.scratch / "native")) for p in (mount.scratch / "native").rglob("*") if p.is_file()}
    assert set(mount.keys()) == found


@pytest.mark.sanitized
@pytest.mark.parametrize("seed", range(4))
def test_file_volume(files, seed):
    compare(files, seed, 400)


@pytest.mark.sanitized
@pytest.mark.parametrize("seed", range(10, 16))
def test_versitygw(gw, seed):
    compare(gw, seed, 250)


@pytest.mark.parametrize("seed", range(20, 22))
def test_radosgw(radosgw, scratch, seed):
    from conftest import S3Mount

    compare(S3Mount(scratch, radosgw, "differential"), seed, 150)
