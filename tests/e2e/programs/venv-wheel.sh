#!/bin/bash
# python: a venv on the mount, pip installing a wheel of our own into it, its console script run, uninstalled
# packages: python3-venv python3-pip
# core
# differs: v/* dist/*
mkdir -p src/greet dist && cd src && echo 'def main(): print("greetings from", __file__)' >greet/__init__.py && mkdir greet-1.0.dist-info
printf 'Metadata-Version: 2.1\nName: greet\nVersion: 1.0\n' >greet-1.0.dist-info/METADATA; printf 'Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n' >greet-1.0.dist-info/WHEEL
printf '[console_scripts]\ngreet = greet:main\n' >greet-1.0.dist-info/entry_points.txt; printf 'greet/__init__.py,,\ngreet-1.0.dist-info/METADATA,,\ngreet-1.0.dist-info/WHEEL,,\ngreet-1.0.dist-info/entry_points.txt,,\ngreet-1.0.dist-info/RECORD,,\n' >greet-1.0.dist-info/RECORD
/usr/bin/python3 -m zipfile -c ../dist/greet-1.0-py3-none-any.whl greet greet-1.0.dist-info && cd .. 
/usr/bin/python3 -m venv --without-pip v && ls v v/bin && v/bin/python -c 'import sys; print(sys.prefix, sys.base_prefix)'
export PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1; /usr/bin/python3 -m pip --python v/bin/python install -q --no-compile dist/greet-1.0-py3-none-any.whl
v/bin/greet; . v/bin/activate; greet; python -c 'import greet; greet.main()'; /usr/bin/python3 -m pip --python v/bin/python list | grep greet; deactivate
/usr/bin/python3 -m pip --python v/bin/python uninstall -qy greet; ls v/bin/ | grep -c greet || ls v/lib/python3*/site-packages
