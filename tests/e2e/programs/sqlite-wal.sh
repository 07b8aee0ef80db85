#!/bin/bash
# sqlite in WAL mode: shared memory between two processes, checkpoint, recovery of a log left by SIGKILL
# packages: sqlite3 python3-minimal
# core
# differs: db
/usr/bin/python3 - <<'P'
import os, signal, sqlite3, subprocess, sys
a = sqlite3.connect("db", isolation_level=None)
print(a.execute("pragma journal_mode=wal").fetchone(), a.execute("pragma wal_autocheckpoint=0").fetchone())
a.execute("create table t(n)")
a.executemany("insert into t values(?)", ((i,) for i in range(200)))
print(sorted(os.listdir(".")))
reader = subprocess.run([sys.executable, "-c", "import sqlite3; c=sqlite3.connect('db'); print(c.execute('select sum(n) from t').fetchone())"], capture_output=True, text=True)
print(reader.stdout, reader.stderr)
a.execute("begin immediate"); a.execute("delete from t where n < 100")
print(subprocess.run(["sqlite3", "db", "select count(*) from t", "insert into t values(1)"], capture_output=True, text=True).stdout)
a.execute("commit")
print(a.execute("pragma wal_checkpoint(truncate)").fetchone(), os.path.getsize("db-wal"))
pid = os.fork()
if pid == 0:
    c = sqlite3.connect("db", isolation_level=None)
    c.execute("insert into t values(12345)")
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(pid, 0)
a.close()
c = sqlite3.connect("db")
print(c.execute("select count(*), max(n) from t").fetchone(), c.execute("pragma integrity_check").fetchone())
c.close()
print(sorted(os.listdir(".")))
P
sqlite3 db "select count(*) from t; pragma journal_mode=delete; vacuum"; ls
