#!/bin/bash
# ssh-keygen: keys, a changed passphrase, a host found, certificates, a revocation list, signatures
# packages: openssh-client
# core
# differs: id* ca* known_hosts* krl *.sig
ssh-keygen -q -t ed25519 -N '' -C c -f id && stat -c '%a %n' id id.pub && ssh-keygen -q -p -N secret -f id >/dev/null && ssh-keygen -y -P secret -f id | cut -d' ' -f1 && ssh-keygen -q -p -P secret -N '' -f id >/dev/null; ls -A
printf 'host1 %s\nhost2 %s\n' "$(cut -d' ' -f1,2 id.pub)" "$(cut -d' ' -f1,2 id.pub)" >known_hosts && ssh-keygen -F host1 -f known_hosts | grep -c ssh-ed
ssh-keygen -q -t ecdsa -N '' -C ca -f ca && ssh-keygen -q -s ca -I me -n user -V 20200101:20400101 id.pub && ssh-keygen -L -f id-cert.pub | grep -c 'Key ID'; ssh-keygen -q -k -f krl id.pub && (ssh-keygen -Q -f krl id.pub || true) | grep -c REVOKED; echo text >t && ssh-keygen -q -Y sign -f id -n file t 2>/dev/null && (echo -n 'me '; cat id.pub) >allowed && ssh-keygen -Y verify -f allowed -I me -n file -s t.sig <t | cut -d' ' -f1,2; rm allowed; ssh-keygen -l -f id.pub | wc -w; ls
