#!/bin/bash
# processes.sh LIBRARY BROKER [PROGRAM]: programs that are started on, from and with files of a mount point, by every way of
# starting one. PROGRAM: a dynamic one to execute from the mount, default /bin/echo.
set -u
lib=$1 broker=$2
tmp=$(mktemp -d) || exit 2
mkdir "$tmp/root"
export S3SHIM_SOCKET=$tmp/sock S3SHIM_ROUTES=/mnt-of-test
"$broker" "$tmp/root" >"$tmp/ready" &
pid=$!
trap 'kill $pid; rm -rf "$tmp"' EXIT
for ((i = 0; i < 100; i++)); do
	[ -s "$tmp/ready" ] && break
	sleep 0.05
done
cp /bin/echo "$tmp/root/prog"
printf '#!/bin/sh\necho script "$@"\n' >"$tmp/root/script"
printf '#!/mnt-of-test/prog arg\n' >"$tmp/root/nested"
printf '#!/mnt-of-test/prog outside\n' >"$tmp/outside"
printf 'echo plain "$@"\n' >"$tmp/root/plain"
chmod 755 "$tmp"/root/* "$tmp/outside"
printf 'line one\nline two\n' >"$tmp/root/data"
M=/mnt-of-test
bad=0
check() { # check WANT COMMAND...
	local want=$1 have
	shift
	have=$(LD_PRELOAD=$lib timeout 20 "$@" 2>&1; echo "status $?")
	if [ "$have" != "$want"$'\nstatus 0' ] && [ "$have" != "$want"'status 0' ]; then
		printf '%s\n--- want\n%s\n--- have\n%s\n' "$*" "$want" "$have"
		bad=1
	fi
}
py() { echo "import os, subprocess, sys"; echo "$1"; }

check 'a b' $M/prog a b
check 'script x' $M/script x
check "arg $M/nested y" $M/nested y
check "outside $tmp/outside z" "$tmp/outside" z
check 'plain p' bash -c "$M/plain p"
check 'found' env PATH=/nonexistent:$M:/bin prog found
check 'line one' sh -c "read x; echo \"\$x\"" <"$tmp/root/data"
check 'line one' bash -c "head -1 < $M/data"
check 'line two' bash -c "{ read x; cat; } < $M/data"
check 'one line' bash -c "exec 5< $M/data; python3 -c 'import os; print(\"one line\" if os.readlink(\"/proc/self/fd/5\") else 0)'"
check '' bash -c "echo out > $M/out; echo more >> $M/out"
[ "$(cat "$tmp/root/out")" = $'out\nmore' ] || { echo "redirections wrote: $(cat "$tmp/root/out")"; bad=1; }
check 'spawned' python3 -c "$(py "os.waitpid(os.posix_spawn('$M/prog', ['prog', 'spawned'], os.environ), 0)")"
check 'script s' python3 -c "$(py "os.waitpid(os.posix_spawn('$M/script', ['x', 's'], os.environ), 0)")"
check 'line one
line two' python3 -c "$(py "os.waitpid(os.posix_spawn('/bin/cat', ['cat'], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 0, '$M/data', os.O_RDONLY, 0)]), 0)")"
check 'to dup' python3 -c "$(py "fd = os.open('$M/dup', os.O_CREAT | os.O_RDWR, 0o644)
os.waitpid(os.posix_spawn('/bin/echo', ['echo', 'to dup'], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, fd, 1)]), 0)
os.lseek(fd, 0, 0); sys.stdout.write(os.read(fd, 99).decode())")"
check 'sub' python3 -c "$(py "print(subprocess.check_output(['$M/prog', 'sub']).decode().strip())")"
check 'line one
line two' python3 -c "$(py "subprocess.run(['cat'], stdin=open('$M/data'))")"
check 'line one
line two' python3 -c "$(py "os.environ.clear(); os.environ['PATH'] = '/bin'; subprocess.run(['cat', '$M/data'], env={})")"
check 'line one
line two' python3 -c "$(py "fd = os.open('$M/data', os.O_RDONLY); os.dup2(fd, 0); os.system('cat')")"
check 'line one' python3 -c "$(py "fd = os.open('$M/data', os.O_RDONLY); os.dup2(fd, 0); sys.stdout.write(os.popen('head -1').read())")"
check 'fork' python3 -c "$(py "r = os.fork()
if r == 0: os._exit(0 if os.stat('$M/data').st_size == 18 else 1)
print('fork' if os.waitpid(r, 0)[1] == 0 else 'bad')")"
check 'env: found' env -i PATH=$M:/bin sh -c 'prog env: found'
exit $bad
