#!/bin/bash
# ssh-keygen: known_hosts hashed, looked up, a host removed
# packages: openssh-client
# differs: id* known_hosts*
# fails s3: ssh-keygen keeps the old file by link(2), and there are no hard links on S3
ssh-keygen -q -t ed25519 -N '' -C c -f id && stat -c '%a %n' id id.pub && ssh-keygen -q -p -N secret -f id >/dev/null && ssh-keygen -y -P secret -f id | cut -d' ' -f1 && ssh-keygen -q -p -P secret -N '' -f id >/dev/null; ls -A
printf 'host1 %s\nhost2 %s\n' "$(cut -d' ' -f1,2 id.pub)" "$(cut -d' ' -f1,2 id.pub)" >known_hosts && ssh-keygen -q -H -f known_hosts >/dev/null 2>&1; ls -A; ssh-keygen -F host1 -f known_hosts | grep -c '^|1'; ssh-keygen -R host1 -f known_hosts >/dev/null 2>&1; wc -l <known_hosts
