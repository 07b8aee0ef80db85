#!/bin/bash
# file systems in files: mkfs.fat and mtools, mke2fs -d, debugfs, e2fsck, resize2fs, squashfs, an ISO image
# packages: mtools dosfstools e2fsprogs squashfs-tools genisoimage
# core
# differs: *.ext4 *.iso *.fat *.sqfs
mkdir -p t/d && seq 2000 >t/n && echo x >t/d/x && ln -s n t/l && export MTOOLS_SKIP_CHECK=1
truncate -s 2M a.fat && mkfs.fat --invariant a.fat >/dev/null && mcopy -i a.fat -s t/n t/d :: && mdir -b -i a.fat -/ :: && mtype -i a.fat ::/n | tail -n1 && mdel -i a.fat ::/n && mdir -b -i a.fat :: && fsck.fat -n a.fat >/dev/null && echo fat
mke2fs -q -t ext4 -d t a.ext4 4M && e2fsck -fn a.ext4 >/dev/null 2>&1 && echo clean && debugfs -R 'cat d/x' a.ext4 2>/dev/null && debugfs -w -R 'write t/n again' a.ext4 >/dev/null 2>&1 && debugfs -R 'ls -p' a.ext4 2>/dev/null | cut -d/ -f6 | sort | tr '\n' ' ' && e2fsck -fp a.ext4 >/dev/null 2>&1; resize2fs a.ext4 8M >/dev/null 2>&1 && stat -c %s a.ext4 && tune2fs -L label a.ext4 >/dev/null && e2label a.ext4 && e2fsck -fn a.ext4 >/dev/null 2>&1 && echo ext4
mksquashfs t a.sqfs -quiet -no-progress -processors 2 >/dev/null && unsquashfs -q -n -d u a.sqfs >/dev/null && diff -r t u && unsquashfs -lc a.sqfs | wc -l; mksquashfs u a.sqfs -quiet -no-progress >/dev/null 2>&1; unsquashfs -lc a.sqfs | wc -l; genisoimage -quiet -R -o a.iso t && isoinfo -R -f -i a.iso | sort && isoinfo -R -i a.iso -x /n | cmp - t/n && echo iso
