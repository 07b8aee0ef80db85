"""Two mount points that show the same keys: one file each, one record, whoever changed it."""
import pytest

pytestmark = pytest.mark.sanitized


@pytest.fixture
def both(s3):
    """sh(script): $A is the bucket, $B its folder d; nothing is asked for again within the test."""

    def sh(script, **kw):
        s3.mount_options = lambda: ["--mount", f"/a=s3://{s3.bucket}", "--mount", f"/b=s3://{s3.bucket}/d", "--ttl", "600s"]
        return s3.run(["bash", "-euo", "pipefail", "-c", f"A=/a B=/b\n{script}"], **kw)

    s3.both = sh
    return s3


def test_attributes_are_seen_at_once(both):
    both.put("d/f", b"x")
    r = both.both("stat -c %a $B/f; chmod 640 $A/d/f; stat -c %a $B/f; touch -d @1000 $B/f; stat -c %Y $A/d/f")
    assert r.out.split() == ["644", "640", "1000"]
    assert both.head("d/f")["Metadata"]["file-permissions"] == "0100640"


def test_names_come_and_go_in_both(both):
    both.put("d/old", b"x")
    r = both.both("ls $B; echo new >$A/d/new; cat $B/new; mv $B/new $B/newer; cat $A/d/newer; rm $A/d/old; ls $B; ! test -e $B/old")
    assert r.out.split() == ["old", "new", "new", "newer"]
    assert both.keys() == ["d/newer"]


def test_an_open_file_is_one_file(both):
    both.put("d/f", b"0123456789")
    r = both.both("""/usr/bin/python3 - <<'END'
import os
a = os.open('/a/d/f', os.O_RDWR); b = os.open('/b/f', os.O_RDWR)
os.pwrite(a, b'AA', 0); os.pwrite(b, b'BB', 4)
assert os.pread(b, 10, 0) == b'AA23BB6789'
assert os.fstat(a).st_ino == os.fstat(b).st_ino
os.close(a); os.close(b)
os.unlink('/b/f')
assert not os.path.exists('/a/d/f')
c = os.open('/a/d/g', os.O_CREAT | os.O_WRONLY); os.write(c, b'made by a')
assert os.stat('/b/g').st_size == 9
d = os.open('/b/g', os.O_RDONLY); os.close(c); assert os.read(d, 99) == b'made by a'; os.close(d)
END
""", check=False)
    assert r.status == 0, r.err
    assert both.get("d/g") == b"made by a" and both.keys() == ["d/g"]
