#!/bin/bash
# programs that clear or replace their environment: env -i, python's execve and subprocess with env={}, perl's %ENV
# packages: python3-minimal perl-base
# core
echo here >f
env -i cat f; env -i "$(command -v bash)" -c 'cat f; exec env -i cat f'
env -i PATH="$PATH" sh -c 'cd / && cat "$1/f"' sh "$W"
/usr/bin/python3 -c 'import subprocess; print(subprocess.run(["cat", "f"], env={}, capture_output=True).stdout)'
/usr/bin/python3 -c 'import os; os.environ.clear(); os.execve("/bin/cat", ["cat", "f"], {})'
/usr/bin/python3 -c 'import os; os.environ.clear(); os.system("/bin/cat f")'
perl -e '%ENV = (); exec "/bin/cat", "f"'; perl -e '%ENV = (A => 1); print `/bin/cat f`; open F, ">g"; print F "x"; close F'
cat g; unset LD_PRELOAD; cat f; (exec -c cat f)
