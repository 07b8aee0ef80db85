#!/bin/bash
# bash and dash: here documents, redirections, descriptors above 2, subshells, cd, globs, PATH on the mount, exec, traps
# packages: bash dash
# core
for sh in bash dash; do
mkdir $sh && IN=$W/$sh $sh -eu <<'S'
cd "$IN"
cat >here <<X
in a document $((6 * 7))
X
exec 3>three 4<here; echo one >&3; read -r line <&4; echo "$line"; exec 3>>three; echo two >&3; exec 3>&- 4<&-; cat three
{ echo out; echo err >&2; } >both 2>&1; cat both; (cd .. && ls -d b*/ d*/ | wc -l); mkdir -p sub && cd sub && echo x >../up && cd - >/dev/null
for i in 1 2 3; do echo $i >g$i.txt; done; echo *.txt; for f in [a-h]*; do printf '%s ' "$f"; done; echo; set -- g?.txt; echo $#
while read -r l; do echo "got $l"; done <three; echo "$(cat <three)"; : >noclobber; set -C; (echo x >noclobber) 2>/dev/null || echo refused; set +C
printf '#!/bin/sh\necho tool "$@"; cat "$0" | wc -l\n' >tool; chmod +x tool; PATH=$PWD:$PATH; tool a b; ./tool c; sh ./tool d
trap 'echo bye >trapped' EXIT; (exec >sub/exec; echo inner; pwd >/dev/null; ls g*); cat sub/exec; cat g1.txt | (read -r x; echo "$x"); echo a >>append; echo b >>append; cat append
ls >list & wait; sort list | wc -l; test -s list && test -w list && [ ! -s noclobber ] && echo tests; kill -0 $$ && umask 077 && echo s >secret; ls -l secret | cut -c1-10
S
cat $sh/trapped 2>/dev/null || ls $sh | wc -l
done
bash -c 'cd bash && coproc cat here; read -r l <&${COPROC[0]}; echo "$l"; mapfile -t m <three; echo ${#m[@]}; echo "$(<three)"; cat <(cat three) >ps; exec {fd}<>three; read -u $fd z; echo $z; shopt -s globstar; echo **/exec; printf %s\\n {a,b}.txt >br; diff <(sort g1.txt) g1.txt && . ./sourced' 2>/dev/null || echo 'echo sourced $BASH_SOURCE' >bash/sourced
cd bash && . ./sourced; pushd sub >/dev/null; dirs | wc -w; popd >/dev/null; pwd; CDPATH=$W cd dash; pwd; history -w h 2>/dev/null; type -P tool || echo none
