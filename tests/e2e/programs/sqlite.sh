#!/bin/bash
# sqlite: rollback journal, transactions, vacuum, dump and restore, attach, backup, two writers taking turns
# packages: sqlite3
# core
sqlite3 db "create table t(n integer primary key, s text); with recursive c(i) as (select 1 union all select i+1 from c where i<5000) insert into t select i, 'row '||i from c; create index x on t(s);"
sqlite3 db "select count(*), max(s) from t; pragma integrity_check; begin; delete from t where n%2; rollback; select count(*) from t; begin; update t set s='u' where n<10; commit; select count(*) from t where s='u'"
for m in truncate persist memory delete; do sqlite3 db "pragma journal_mode=$m; insert into t values(null,'$m'); select count(*) from t"; ls; done
sqlite3 db .dump >dump.sql; sqlite3 copy <dump.sql; sqlite3 copy "select count(*) from t; attach 'db' as o; select count(*) from (select * from t except select * from o.t); create table o.y as select * from t limit 5"
sqlite3 db ".backup b1" "vacuum into 'b2'" "delete from t where n>100" vacuum; sqlite3 b1 "pragma integrity_check"; sqlite3 b2 "select count(*) from t"; stat -c %s db | awk '{ print $1 < 50000 }'
for i in 1 2; do (for j in 1 2 3 4 5; do sqlite3 -cmd '.timeout 60000' db "insert into y values(null,'$i')"; done) & done; wait; sqlite3 db "select count(*) from y; pragma integrity_check"
sqlite3 -csv -header db "select * from t limit 2" >out.csv; sqlite3 db ".import --csv out.csv imported" "select count(*) from imported"; sqlite3 db "pragma page_size; pragma quick_check"; rm -f copy b1 b2 db; ls
