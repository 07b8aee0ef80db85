#!/bin/bash
# programs that look a path up in the kernel's table of mounts: busybox df
# packages: busybox
# fails s3: there is no kernel mount, so /proc/self/mounts does not name it (df of coreutils copes)
busybox df . | tail -n1 | wc -w
