"""Never a wrong byte: reads and writes while a broker evicts blocks all the time (support/evicting_broker.py)."""
import subprocess
import sys

import pytest
from conftest import BUILD, TOP

BROKER = TOP / "tests/support/evicting_broker.py"


@pytest.mark.parametrize("pause", ["0.0002", "0.002"])
@pytest.mark.parametrize("what", ["threads", "offset", "forked", "writes", "kernel", "streams"])
def test_no_wrong_byte(what, pause):
    run = subprocess.run([sys.executable, BROKER, BUILD / "libs3shim.so", pause, BUILD / "tests/evicted", what],
                         capture_output=True, text=True, timeout=110, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
