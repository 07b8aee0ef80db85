#!/bin/bash
# find, xargs -P, grep -r, locate by hand: 400 files in 20 folders
# packages: findutils grep
# core
for d in {01..20}; do mkdir -p "src/$d"; for f in {01..20}; do echo "file $f of $d needle$((10#$f * 10#$d % 7))" >"src/$d/$f.txt"; done; done
find src -type f | wc -l; find src -name '1?.txt' -path '*/0[12]/*' | sort | head -n 30 | tail -n3; find src -type d -empty | wc -l
find src -type f -print0 | xargs -0 -P 4 -n 25 sha256sum | sort | sha256sum
find src -name '20.txt' -exec sh -c 'mv "$1" "${1%.txt}.done"' _ {} \; ; find src -name '*.done' | wc -l
find src -name '19.txt' -exec rm {} + ; find src -name '18.txt' -delete; find src -type f | wc -l
find src -size +0c -newer src/01/01.txt -name '01.txt' | wc -l >/dev/null; find . -maxdepth 2 -mindepth 2 -printf '%y %P %m\n' | sort | head -n2
find src -execdir test -f 05.txt \; -name 05.txt -print | wc -l; find src -perm -u+w -type f | wc -l; find src -inum +0 -name 03.txt | wc -l
grep -rl needle3 src | wc -l; grep -rc needle src/01 | sort | tail -n1; grep -rhoE 'needle[0-9]' --include='0*.txt' src | sort | uniq -c
grep -r --exclude-dir='1*' -L needle0 src | wc -l; seq 200 | xargs -P 8 -I{} sh -c 'echo {} >many.{}'; cat many.* | sort -n | tail -n1
find . -name 'many.*' -print0 | xargs -0 -n1 -P4 rm; find src -depth -type d -name 20 -print0 | xargs -0 rm -r; ls src | tail -n1
