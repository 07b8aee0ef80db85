#!/bin/bash
# curl -C -, -o, -T, -O, --create-dirs, file://; wget -c, -N, mirror: from a server whose files are on the mount too
# packages: curl wget nginx-light python3-minimal
# differs: logs/*
mkdir -p www/sub logs n && seq 200000 >www/big && echo '<a href="sub/page.html">x</a>' >www/index.html && echo page >www/sub/page.html
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'); at=http://127.0.0.1:$port
cat >"$TMPDIR/conf" <<X
daemon off; master_process off; user root; pid $TMPDIR/pid; error_log $TMPDIR/error;
events { worker_connections 64; }
http { sendfile on; access_log $W/logs/access; client_body_temp_path $TMPDIR/b; proxy_temp_path $TMPDIR/p; fastcgi_temp_path $TMPDIR/f; uwsgi_temp_path $TMPDIR/u; scgi_temp_path $TMPDIR/s;
server { listen 127.0.0.1:$port; root $W/www; } }
X
/usr/sbin/nginx -c "$TMPDIR/conf" 2>/dev/null & server=$!; trap 'kill $server; wait' EXIT
for i in $(seq 100); do curl -sf "$at/sub/page.html" && break; sleep 0.1; done
head -c 500000 www/big >got && curl -s -C - -o got "$at/big" && cmp got www/big && echo continued; curl -s -o n/page --create-dirs "$at/sub/page.html" && cat n/page; (cd n && curl -s -O "$at/big" && cmp big ../www/big); curl -s -r 10-19 "$at/big"; curl -s "file://$W/n/page"; curl -s -D headers -o /dev/null "$at/index.html" && head -n1 headers && rm headers; curl -s -z n/page -o none "$at/none" || true
head -c 300000 www/big >wgot && wget -q -c -O wgot "$at/big" && cmp wgot www/big && echo wget; wget -q -r -nH -P mirror "$at/" && find mirror | sort; wget -q -N -P mirror "$at/index.html" && ls mirror; curl -s -c jar -b jar "$at/" >/dev/null; curl -s -T n/page "$at/put" | grep -c 405; ls; wc -l <logs/access
