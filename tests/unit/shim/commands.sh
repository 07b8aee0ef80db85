#!/bin/bash
# commands.sh LIBRARY: ordinary commands under the preload, without a mount point, and with some that they never touch (so
# that no broker is needed): same output, same status, silent.
set -u
lib=$1
bad=0
while IFS= read -r command; do
	want=$(bash -c "$command" 2>&1; echo "status $?")
	for routes in "" /mnt/b:/data/s3; do
		have=$(S3SHIM_ROUTES=$routes S3SHIM_SOCKET=/nonexistent LD_PRELOAD=$lib bash -c "$command" 2>&1
			echo "status $?")
		if [ "$want" != "$have" ]; then
			printf '%s (mounts: %s)\n--- without\n%s\n--- with\n%s\n' "$command" "$routes" "$want" "$have"
			bad=1
		fi
	done
done <<'COMMANDS'
/bin/true
/bin/false
ls /usr
echo one | cat | wc -c
(exit 3); echo $?
ls /nonexistent
cat < /etc/passwd | sort | head -3
find /etc -maxdepth 1 -name 'h*' | sort
python3 -c 'import subprocess, os; print(subprocess.check_output(["echo", "x"])); os.system("echo y"); print(os.popen("echo z").read())'
python3 -c 'import os; r = os.fork(); os._exit(0) if r == 0 else print(os.waitpid(r, 0)[1])'
python3 -c 'import socket, threading; a, b = socket.socketpair(); t = threading.Thread(target=lambda: print(b.recv(9))); t.start(); a.send(b"hi"); t.join()'
env -i /bin/echo cleared
sh -c 'exec echo replaced'
xargs -n1 echo < /etc/hostname > /dev/null
kill -TERM $$
COMMANDS
exit $bad
