#!/bin/bash
# fakeroot, a preloaded library itself: owners and devices pretended, tar of them, its state saved on the mount
# packages: fakeroot tar
# core
# differs: state
fakeroot -s state -- sh -c 'echo x >f; chown 12:34 f; chmod 4755 f; mkdir d; chown 5 d; stat -c "%u %g %a" f d; mknod n c 1 3 2>/dev/null || echo x >n; tar --numeric-owner -cf t.tar --mtime=@0 f d; tar --numeric-owner -tvf t.tar | cut -c1-30; rm -f n t.tar'
stat -c '%a' f d; fakeroot -i state -- stat -c '%u %g' f d; fakeroot -- id -u; fakeroot sh -c 'ls -ln f | cut -d" " -f3'
