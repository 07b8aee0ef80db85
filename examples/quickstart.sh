#!/bin/bash
# From a clean checkout to your own programs on a bucket: examples/quickstart.sh
#
# Installs what is missing, builds, gets a bucket and runs programs that know nothing of S3 on /s3, each command shown
# with its output, and at the end what it all cost. A second run takes seconds.
#
# The bucket, the first of these that can be had:
#   your own       with S3SHIM_BUCKET set, and credentials as for any AWS tool (AWS_ACCESS_KEY_ID and
#                  AWS_SECRET_ACCESS_KEY, or AWS_PROFILE and ~/.aws). S3SHIM_ENDPOINT for a server that is not AWS's,
#                  AWS_REGION where the bucket is. Works in a prefix of its own, quickstart-XXXXXX/, removed at the end.
#   versitygw      an S3 server on loopback, compiled once into ~/.cache/s3shim
#   File volume    a local folder in the bucket's place, the same programs; no requests to count
#
# QUICKSTART_MIB  size of the large file, 100
# QUICKSTART_VOLUME=file  go straight to the File volume
# S3SHIM_BUILD    a folder with the products: nothing is installed and built then
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
mib=${QUICKSTART_MIB:-100}
build_products

say "The bucket"
mount=()
if [ "${QUICKSTART_VOLUME:-}" != file ] && [ -n "${S3SHIM_BUCKET:-}" ]; then
	prefix=quickstart-$(basename "$tmp" | tail -c 7)
	mount=(--bucket "$S3SHIM_BUCKET" --prefix "$prefix" --mount /s3)
	echo "yours: s3://$S3SHIM_BUCKET/$prefix"
elif [ "${QUICKSTART_VOLUME:-}" != file ] && start_versitygw quickstart; then
	mount=(--bucket quickstart)
	echo "versitygw on $S3SHIM_ENDPOINT, bucket quickstart"
else
	unset S3SHIM_BUCKET
	mkdir -p "$tmp/folder"
	mount=(--mount "/s3=file:$tmp/folder")
	echo "no S3 server can be had here: a File volume instead, the local folder $tmp/folder at the same mount point"
fi

# What the programs work with, on the local disk.
mkdir -p "$tmp/work/project/docs" && cd "$tmp/work" || exit 1
head -c $((mib << 20)) /dev/urandom >large.bin
for i in 1 2 3; do seq $((i * 100)) >project/docs/page$i.txt; done
echo '{"name": "quickstart", "numbers": [1, 2, 3]}' >project/config.json
awk 'BEGIN { for (i = 0; i < 3000; i++) print (i % 7 ? "info" : "error"), "line", i }' >app.log
sqlite3 points.db 'create table p (x integer, y integer);
	with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000) insert into p select i, i * i from n'

# The session: one s3run around all of it. Its shell shows each command, then lets it run; a command that fails is
# counted.
cat >session.sh <<'EOF'
failed=0
run() {
	printf '$ %s\n' "$1"
	bash -o pipefail -c "$1" || { printf '(status %s)\n' $?; failed=$((failed + 1)); }
}
title() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }

title "Write and read"
run 'echo "hello from a program that knows nothing of S3" > /s3/hello.txt'
run 'echo "and another line" >> /s3/hello.txt'
run 'cat /s3/hello.txt'
run 'ls -l /s3'

title "Copy in and out"
run 'cp app.log /s3/app.log'
run 'cp /s3/app.log copy.log'
run 'cmp app.log copy.log && echo same'

title "A pipeline"
run 'grep error /s3/app.log | sort -k3 -n -r | sed -n 1,3p'
run 'grep -c error /s3/app.log'
run 'wc -l < /s3/app.log'

title "A large file"
run "dd if=large.bin of=/s3/large.bin bs=1M status=none"
run 'ls -lh /s3/large.bin'
run 'sha256sum large.bin | cut -c1-64'
run 'dd if=/s3/large.bin bs=1M status=none | sha256sum | cut -c1-64'
[ "$(sha256sum <large.bin)" = "$(sha256sum </s3/large.bin)" ] && echo "equal" || { echo "DIFFERENT"; failed=1; }

title "A tree"
run 'tar -cf - project | tar -xf - -C /s3'
run 'ls -R /s3/project'
run 'tar -czf /s3/project.tgz -C /s3 project && tar -tzf /s3/project.tgz | sort'
run 'diff -r project /s3/project && echo same'

title "Python"
run "/usr/bin/python3 -c 'import json; print(json.load(open(\"/s3/project/config.json\"))[\"numbers\"])'"
run "/usr/bin/python3 -c 'import os; print(sum(len(files) for _, _, files in os.walk(\"/s3\")), \"files\")'"
run "/usr/bin/python3 -c 'import json; json.dump({\"written\": True}, open(\"/s3/project/out.json\", \"w\"))' && cat /s3/project/out.json; echo"

title "SQLite"
run 'cp points.db /s3/points.db'
run "sqlite3 /s3/points.db 'select count(*), max(y) from p'"

title "Move and remove"
run 'mv /s3/hello.txt /s3/greeting.txt'
run 'mv /s3/project /s3/archive'
run 'ls /s3 /s3/archive'
run 'rm -r /s3/archive'
run 'rm /s3/greeting.txt /s3/app.log /s3/large.bin /s3/points.db /s3/project.tgz'
run 'ls -A /s3 | wc -l'
exit $failed
EOF

say "\$ s3run ${mount[*]} -- bash session.sh"
bold=$bold plain=$plain "$products/s3run" "${mount[@]}" --stats "$tmp/stats.json" -- bash session.sh
status=$?

say "What it cost"
/usr/bin/python3 - "$tmp/stats.json" <<'EOF'
import json, sys
stats = json.load(open(sys.argv[1]))
requests = stats.pop("requests")
for name, n in sorted(requests.items(), key=lambda r: (r[0] == "total", r[0])):
    print(f"{n:>12}  {name}" + (" of requests" if name == "total" else ""))
for name in ("bytes_down", "bytes_up", "retries", "files", "seconds"):
    if name in stats:
        print(f"{stats[name]:>12}  {name.replace('_', ' ')}")
EOF
if [ $status -ne 0 ]; then
	tail -n 20 "$S3SHIM_LOG" 2>/dev/null
	die "s3run ended with status $status"
fi
say "Now yours:  $products/s3run --bucket BUCKET -- PROGRAM ARGS"
