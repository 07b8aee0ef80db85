#!/bin/bash
# Debian's busybox as it comes: httpd serving the mount with ranges, its wget -c, gzip, sh, tr
# packages: busybox python3-minimal
# core
bb="busybox"
head -c 300000 /dev/zero | tr '\0' 'x' >served && seq 1000 >>served && mkdir sub && echo page >sub/index.html
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
$bb httpd -f -p "127.0.0.1:$port" -h "$W" & server=$!
trap 'kill $server' EXIT
for i in $(seq 200); do $bb wget -q -O page "http://127.0.0.1:$port/sub/" && break; sleep 0.1; done 2>/dev/null; cat page
head -c 100000 served >got && $bb wget -q -c -O got "http://127.0.0.1:$port/served" && cmp got served && $bb ls -1
$bb wget -q -O - "http://127.0.0.1:$port/served" | $bb sha256sum;
rm got; $bb gzip -c served | $bb zcat | $bb cmp - served; $bb tail -c 9 served | $bb tr '\n' ' '; $bb sh -c 'cd sub; pwd; ls -l | cut -c1-10 | grep -v total; echo x >y; read -r a <y; echo $a; rm y'
