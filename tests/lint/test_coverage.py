"""No file call of the matrix's programs, and of the libraries that they need, is missing in shim/hooks.def."""
import subprocess

from conftest import TOP


def test_programs_of_the_matrix():
    r = subprocess.run([TOP / "tests/lint/coverage", "--matrix"], capture_output=True, text=True)
    assert r.returncode == 0, r.stdout + r.stderr
    assert " files import " in r.stdout
