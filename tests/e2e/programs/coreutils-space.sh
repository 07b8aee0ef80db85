#!/bin/bash
# coreutils and util-linux: df and du answer, mktemp, sync, timeout, nohup, chmod -R, touch -r, flock, hexdump, rev
# packages: coreutils util-linux bsdextrautils
# core
mkdir d && head -c 100000 /dev/zero >d/f && head -c 5 /dev/zero >d/g
du -sb d | grep -c d; du --apparent-size -b d/f d/g; df --output=target . | tail -n1 | grep -c .; df -P d/f >/dev/null && echo df
t=$(mktemp -p .) && echo in >"$t" && mv "$t" made; u=$(mktemp -d ./dir.XXXX) && test -d "$u" && rmdir "$u" && echo mktemp
sync made && sync -d d/f && sync -f . && echo synced
chmod -R u=rwX,go=rX d && chmod g+w d/g && chmod 600 made && stat -c '%a %n' d d/* made
touch -r made d/g; test made -nt d/g || echo as old; touch -d @1500000000.123456789 d/g && stat -c %.9Y d/g
touch -m -d 2001-01-01 d/f && touch -a -d 2002-02-02 d/f && stat -c '%y' d/f; touch -c nothing && test ! -e nothing
nohup sh -c 'echo from nohup; cat made' >no.log 2>&1 </dev/null; cat no.log; timeout 20 cp made again && cat again
(ulimit -n 20; cat made); setsid -w cat made; nice cat made
flock lock -c 'echo locked; flock -n lock true || echo twice'; ls
mkfifo "$TMPDIR/p"; (cat made >"$TMPDIR/p" &); cat "$TMPDIR/p"; column -t d/../made; rev made; hexdump -C made | head -n1
