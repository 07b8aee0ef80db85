#!/bin/bash
# asynchronous writes: fio by posixaio, and by libaio, whose system calls no library sees
# packages: fio
# differs: j.*
for e in posixaio libaio; do fio --name=j --filename=j.$e --ioengine=$e --iodepth=4 --rw=randwrite --bs=4k --size=1M --verify=crc32c --do_verify=1 --randseed=7 --minimal --end_fsync=1 >/dev/null 2>err && echo "$e verified" || { echo "$e failed"; head -n3 err; }; done; rm -f err; stat -c '%n %s' j.*
