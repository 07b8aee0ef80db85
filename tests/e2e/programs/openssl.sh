#!/bin/bash
# openssl: encryption, digests, keys, a certificate authority with its database of files, verify, pkcs12
# packages: openssl
# core
# differs: *.key *.pem *.sig *.p12 demo/newcerts/* *.csr demo/index.txt*
seq 5000 >f && openssl enc -aes-256-cbc -pbkdf2 -S 0011223344556677 -iter 10 -k secret -in f -out f.enc && openssl enc -d -aes-256-cbc -pbkdf2 -S 0011223344556677 -iter 10 -k secret -in f.enc | cmp - f; openssl dgst -sha256 f; openssl base64 -in f -out f.b64 && openssl base64 -d -in f.b64 | cmp - f
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ca.key 2>/dev/null && stat -c %a ca.key && openssl dgst -sha256 -sign ca.key -out f.sig f && openssl pkey -in ca.key -pubout -out pub.pem && openssl dgst -sha256 -verify pub.pem -signature f.sig f
openssl req -x509 -new -key ca.key -subj /CN=ca -days 5000 -out ca.pem && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out s.key && openssl req -new -key s.key -subj /CN=server -out s.csr && mkdir -p demo/newcerts && : >demo/index.txt && echo 01 >demo/serial
printf '[ca]\ndefault_ca=d\n[d]\ndir=%s/demo\nnew_certs_dir=$dir/newcerts\ndatabase=$dir/index.txt\nserial=$dir/serial\ndefault_md=sha256\ndefault_days=4000\npolicy=p\n[p]\ncommonName=supplied\n' "$W" >ca.cnf && openssl ca -batch -notext -config ca.cnf -cert ca.pem -keyfile ca.key -in s.csr -out s.pem 2>/dev/null; ls demo demo/newcerts; cat demo/serial; cut -f1,6 demo/index.txt; openssl verify -CAfile ca.pem s.pem
openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key -revoke s.pem 2>/dev/null; cut -f1 demo/index.txt; openssl pkcs12 -export -in s.pem -inkey s.key -passout pass:x -out b.p12 && openssl pkcs12 -in b.p12 -passin pass:x -nokeys 2>/dev/null | grep -c BEGIN; RANDFILE=$W/rnd openssl rand -out r -hex 20 && wc -c <r && rm -f r rnd; openssl x509 -in s.pem -noout -subject
