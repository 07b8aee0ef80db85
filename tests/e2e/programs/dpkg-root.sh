#!/bin/bash
# dpkg --root: installed with its database on the mount, upgraded, verified, removed, purged
# packages: dpkg
# differs: *.deb root/var/log/dpkg.log
# fails s3: dpkg makes its backup of the status file by link(2), and there are no hard links on S3
umask 022; for v in 1 2; do mkdir -p p$v/DEBIAN p$v/etc p$v/usr/share/demo; printf 'Package: demo\nVersion: %s\nArchitecture: all\nMaintainer: a <a@b>\nDescription: d\n' $v >p$v/DEBIAN/control; echo /etc/demo.conf >p$v/DEBIAN/conffiles; echo "conf" >p$v/etc/demo.conf; seq $((v * 500)) >p$v/usr/share/demo/data; ln -s data p$v/usr/share/demo/link; echo only$v >p$v/usr/share/demo/only$v; dpkg-deb -b --root-owner-group -Zgzip p$v demo_$v.deb; done
mkdir -p root/var/lib/dpkg/{info,updates,triggers} root/var/log && : >root/var/lib/dpkg/status; d="dpkg --root=$W/root --force-not-root --force-script-chrootless --log=$W/root/var/log/dpkg.log"
$d -i demo_1.deb 2>&1 | grep -v Reading; $d -l | tail -n1 | awk '{ print $1, $2, $3 }'; cat root/var/lib/dpkg/info/demo.list; $d -i demo_2.deb 2>&1 | tail -n1; ls root/usr/share/demo root/var/lib/dpkg; $d -S usr/share/demo/link; $d -V demo; echo changed >>root/etc/demo.conf; $d -V; $d -r demo 2>&1 | tail -n1; find root -type f -name 'demo*' | sort; $d -P demo 2>&1 | tail -n1; cat root/var/lib/dpkg/status; rm -f root/var/lib/dpkg/*-old
