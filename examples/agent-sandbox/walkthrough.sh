#!/bin/bash
# A bucket's prefix in an agent's box at /workspace, with no key, no FUSE, no network and no capability in there:
# examples/agent-sandbox/walkthrough.sh
#
# Sandbox vendors' walk-throughs put the bucket into the box by FUSE. This goes through the same steps, line by line: first
# what is done there, then what is done here.
#
#   there  a template with s3fs in it, a device, a privileged box, the key in a file in the box, a mount as root
#   here   a daemon outside has the key; in the box are a library and a socket, both read-only
#
# The box is bubblewrap's; any other does as well, as long as the library and the session's socket are in it and the session's
# environment is its programs'. Where bubblewrap cannot make one it says so and ends with status 2.
. "$(dirname "${BASH_SOURCE[0]}")/../common.sh"
failed=0
agent=agents/42

step() { say "$1"; printf 'there:  %s\n' "$2"; }
here() { printf 'here:   %s\n' "$*"; }
check() { # what, 1 or 0
	if [ "$2" = 1 ]; then echo "ok: $1"; else echo "NOT SO: $1"; failed=$((failed + 1)); fi
}

build_products
why=$(try_bwrap) || { printf 'no box can be made here: %s\n' "$why" >&2; exit 2; }
start_versitygw agents-bucket || die "no S3 server can be had here"
"$products/s3run" --bucket agents-bucket -- sh -c 'mkdir -p /s3/agents/42 /s3/agents/43
	echo "sort the names" >/s3/agents/42/task.txt; printf "%s\n" Zoe Ann Max >/s3/agents/42/names.txt
	echo "of another agent" >/s3/agents/43/task.txt' || die "the bucket cannot be written to"

step "1. The template" "FROM ubuntu:22.04; RUN apt-get update && apt-get install -y s3fs; RUN echo user_allow_other >>/etc/fuse.conf"
here "nothing is installed in the box; a daemon outside, started once for all boxes, has the key"
(exec "$products/s3shimd" --listen "$tmp/daemon" --ready-fd 3 3>"$tmp/ready") &
daemon=$!
for _ in $(seq 600); do
	[ -s "$tmp/ready" ] && break
	kill -0 "$daemon" 2>/dev/null || die "the daemon did not start: $(tail -n 3 "$S3SHIM_LOG")"
	sleep 0.1
done
keys="$AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $S3SHIM_ENDPOINT"
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_REGION S3SHIM_ENDPOINT # nothing below needs them
export S3SHIM_DAEMON=$tmp/daemon

step "2. The folder" "sandbox.files.make_dir('/home/user/bucket')"
here "a session: which prefix, where, and what may be done there"
session=(session add --id agent-42 --mount "/workspace=s3://agents-bucket/$agent" --allow read,write,list,delete)
printf '$ s3ctl %s\n' "${session[*]}"
"$products/s3ctl" "${session[@]}" >"$tmp/environment" || die "the session could not be made"
cat "$tmp/environment"
socket=$(sed -n 's/^S3SHIM_SOCKET=//p' "$tmp/environment")
library=$(sed -n 's/^LD_PRELOAD=//p' "$tmp/environment")

step "3. The key" "sandbox.files.write('/root/.passwd-s3fs', 'AWS_ACCESS_KEY_ID:AWS_SECRET_ACCESS_KEY')"
here "no key goes into the box"

step "4. Its mode" "sandbox.commands.run('sudo chmod 600 /root/.passwd-s3fs')"
here "nothing to protect"

step "5. The mount" "sandbox.commands.run('sudo s3fs my-bucket /home/user/bucket -o allow_other -o passwd_file=/root/.passwd-s3fs')"
here "two read-only bind mounts when the box is made, and three variables in its environment"
box=(bwrap --unshare-all --die-with-parent --new-session --cap-drop ALL --uid 1000 --gid 1000 --hostname box --clearenv
	--ro-bind /usr /usr --proc /proc --dev /dev --tmpfs /tmp --dir /home/user --chdir /home/user
	--ro-bind "$library" "$library" --ro-bind "$socket" "$socket" --setenv PATH /usr/bin:/bin --setenv HOME /home/user)
for name in bin sbin lib lib64; do
	if [ -L "/$name" ]; then box+=(--symlink "$(readlink "/$name")" "/$name"); elif [ -d "/$name" ]; then box+=(--ro-bind "/$name" "/$name"); fi
done
while IFS='=' read -r name value; do box+=(--setenv "$name" "$value"); done <"$tmp/environment"
printf '%s ' "${box[@]}"; echo
in_box() { "${box[@]}" bash -c "$1"; }
run() { printf '[agent@box] $ %s\n' "$1"; in_box "$1" || failed=$((failed + 1)); }

step "6. Programs" "sandbox.commands.run('ls /home/user/bucket')"
here "the same, at /workspace"
run 'ls -l /workspace; cat /workspace/task.txt'
run 'cd /workspace && sort names.txt >sorted.txt && cat sorted.txt'
run "python3 -c 'import json; json.dump({\"done\": True}, open(\"/workspace/result.json\", \"w\"))'"

step "7. Files from outside" "sandbox.files.read('/home/user/bucket/result.json'); sandbox.files.write('/home/user/bucket/more.txt', 'more')"
here "through the session, and so through what it may do; the agent sees it at once"
show "$products/s3ctl" cat --socket "$socket" /workspace/result.json || failed=$((failed + 1))
echo
echo "more from outside" | show "$products/s3ctl" put --socket "$socket" - /workspace/more.txt || failed=$((failed + 1))
run 'cat /workspace/more.txt'

say "8. What is not in the box"
in_box 'cat /proc/self/status' | grep '^Cap' | sed 's/^/    /'
in_box 'grep -c "^Cap...:.0*$" /proc/self/status' | grep -qx 5
check "no capability" $((!$?))
in_box 'ls /dev/fuse' >"$tmp/out" 2>&1
check "no FUSE device" $((!!$?))
in_box 'cat /proc/mounts' | grep -q 'fuse\|/workspace'
check "no mount: /workspace is the library's" $((!!$?))
[ "$(in_box 'tail -n +3 /proc/net/dev' | grep -vc lo:)" = 0 ]
check "no network but loopback" $((!$?))
# everything that a program of the box can read of the box's processes and files
in_box 'env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; grep -r . /home /tmp' >"$tmp/seen" 2>/dev/null
for secret in $keys; do
	grep -qaF "$secret" "$tmp/seen"
	check "not found in it: ${secret:0:7}..." $((!!$?))
done
in_box 'cat /workspace/../43/task.txt /workspace/../agents/43/task.txt /s3/agents/43/task.txt; ls /workspace/..' >"$tmp/out" 2>&1
grep -q 'of another agent' "$tmp/out"
check "not the other agents' prefixes" $((!!$?))
# the library believes its environment, the broker does not
in_box 'S3SHIM_ROUTES=/workspace:/s3 cat /s3/agents/43/task.txt' >"$tmp/out" 2>&1
check "nor by routes of one's own" $((!!$?))

step "9. The end" "sandbox.commands.run('fusermount -u /home/user/bucket'); sandbox.kill()"
here "every upload is confirmed, or named, before this returns; the status is 74 where one failed"
show "$products/s3ctl" session end agent-42 || failed=$((failed + 1))
kill "$daemon"
wait "$daemon"

say "In the bucket"
(cd "$tmp/gw/agents-bucket" && find agents -type f | sort | xargs tail -n +1)
[ $failed = 0 ] || die "$failed of it went wrong"
