#!/bin/bash
# rsync: -a, delta into an existing file, --inplace, --append, --delete, --backup, --link-dest refused, -n -i
# packages: rsync
# core
mkdir -p src/d/e && seq 50000 >src/big && seq 10 >src/d/small && ln -s small src/d/l && chmod 640 src/d/small && touch -d 2020-02-02 src/big src/d/small
rsync -a src/ dst/ && diff -r src dst && stat -c '%a %Y %n' dst/big dst/d/small && rsync -ai src/ dst/ | grep -v '^\.d' || true
sed -i 's/^25000$/changed/' src/big; rsync -a --no-whole-file --stats src/ dst/ | grep -i 'matched\|files transferred'; cmp src/big dst/big
sed -i 's/^changed$/again!!/' src/big; rsync -aI --inplace --no-whole-file src/big dst/big; cmp src/big dst/big; echo more >>src/big; rsync --append-verify src/big dst/big; cmp src/big dst/big
rm src/d/small; echo new >src/d/new; rsync -a --delete --backup --backup-dir="$W/kept" src/ dst/; find kept dst | sort; rsync -a --delete --delay-updates --checksum src/ dst/
rsync -a --partial-dir=.part --temp-dir="$W" src/ dst2/; mkdir empty; rsync -a --delete empty/ dst2/; ls -A dst2; rsync -an -i src/ dst3/ | wc -l; ls
rsync -a --exclude '*.o' --include '*/' --prune-empty-dirs src/ "$TMPDIR/native/"; rsync -a "$TMPDIR/native/" back/; diff -r src back || ls back
rsync -a --remove-source-files back/ moved/; find back moved -type f | sort; rsync --list-only -r moved/ | wc -l; tar -cf - moved | tar -df - && echo same
