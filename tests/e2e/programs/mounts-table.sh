#!/bin/bash
# programs that look a path up in the kernel's table of mounts: busybox df, findmnt -T, stat %m
# packages: busybox util-linux coreutils
# fails all: no kernel mount: /proc/self/mounts does not name it (coreutils' df copes)
busybox df . | tail -n1 | wc -w; findmnt -n -o TARGET -T .; stat -c %m .
