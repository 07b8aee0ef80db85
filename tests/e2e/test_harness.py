"""What a harness does to a program, and what still works in there: keys stripped, the socket inside, nothing else needed."""
import os
import shutil
import tempfile

import pytest
from conftest import LIBRARY


@pytest.fixture
def library():
    """The library where every user finds it; the build folder may be somebody's own."""
    with tempfile.TemporaryDirectory(prefix="s3t-lib-", dir="/var/tmp") as place:
        os.chmod(place, 0o755)
        yield shutil.copy(LIBRARY, place)


@pytest.fixture
def as_nobody():
    """argv -> argv as another user than ours, which only root can become."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    return lambda argv: ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups", *argv]


def test_another_user_is_let_in_where_that_is_said(gw, library, as_nobody):
    gw.put("f", b"for all")
    options = ["--isolate", "--library", library]
    script = ["sh", "-c", "id -u; cat /s3/f; echo mine >/s3/new; stat -c %u /s3/new"]
    r = gw.run(as_nobody(script), options=[*options, "--allow-other"])
    assert r.out == "1234\nfor all1234\n"
    assert gw.get("new") == b"mine\n" and gw.head("new")["Metadata"]["file-owner"] == "1234"
    r = gw.run(as_nobody(["cat", "/s3/f"]), options=options, check=False)
    assert r.status != 0 and r.stdout == b""


def test_several_users_in_one_session(gw, library, as_nobody):
    """Root and another at once: each is who the kernel says he is."""
    gw.put("secret", b"not for him", Metadata={"file-owner": "0", "file-group": "0", "file-permissions": "0600"})
    inner = " ".join(as_nobody(["sh", "-c", "'cat /s3/secret; echo $?; echo his >/s3/his'"]))
    r = gw.run(["sh", "-c", f"cat /s3/secret; {inner} 2>&1; echo ours >/s3/ours; cat /s3/his"],
               options=["--library", library, "--allow-other"])
    assert r.out.startswith("not for him") and "Permission denied" in r.out and r.out.endswith("1\nhis\n")
    owners = [gw.head(k)["Metadata"]["file-owner"] for k in ("ours", "his")]
    assert owners == ["0", "1234"]
