#!/bin/bash
# fio verifying what it wrote by psync, pvsync2 and mmap; socat and pv writing files; sponge, parallel
# packages: fio socat pv moreutils parallel
# differs: j.*
for e in psync pvsync2 mmap; do fio --name=j --filename=j.$e --ioengine=$e --rw=randrw --bs=4k --size=1M --verify=crc32c --do_verify=1 --randseed=7 --minimal --end_fsync=1 >/dev/null 2>err && echo "$e verified" || { echo "$e failed"; head -n3 err; }; done; rm -f err
seq 1000 >f && sort -rn f | sponge f && head -n1 f; socat -u FILE:f CREATE:g && cmp f g; socat -u EXEC:'seq 5' OPEN:f,append; tail -n1 f; pv -q f >h && cmp f h; parallel -j3 -k 'echo {} >p.{}; cat p.{}' ::: 1 2 3 4 5; parallel --pipe -N100 -k 'wc -l' <f | head -n3; chronic ls p.1; combine f and g | wc -l; pee 'cat >q1' 'cat >q2' <f && cmp q1 q2; ifne cat <f | tail -n 1; isutf8 f && echo utf8; rm p.*
