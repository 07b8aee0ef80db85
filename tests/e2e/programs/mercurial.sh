#!/bin/bash
# Mercurial: commits, branches, clone, pull, strip by rollback, bundle, verify
# packages: mercurial
# differs: *.hg/* b.hg
export HGRCPATH=$TMPDIR/rc HGUSER=me; printf '[ui]\nusername=me\n' >"$TMPDIR/rc"; hg init r && cd r && seq 30 >f && hg ci -qAm one -d '0 0' && sed -i s/3/three/ f && hg ci -qm two -d '1 0' && hg branch -q other && mkdir d && echo x >d/g && hg ci -qAm three -d '2 0' && hg log -T '{rev} {node|short} {branch}\n' && hg mv -q f moved && hg ci -qm four -d '3 0' && hg up -q default && ls && hg merge -q other && hg ci -qm merged -d '4 0' && hg status -A && hg verify -q && hg clone -q . ../c && cd ../c && echo more >>moved && hg ci -qm five -d '5 0' && hg push -q ../r && hg -R ../r up -q && tail -n1 ../r/moved && hg bundle -q -a ../b.hg && hg diff -c tip | grep -c '^[+]' && hg annotate moved | tail -n1 && hg archive ../out && ls ../out
