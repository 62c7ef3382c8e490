#!/usr/bin/env bash
# PostgreSQL: of two indexes that cost a statement the same, the one that was made last is taken, also if it fits the statement worse. While a
# table is small several cost the same, so an index that a migration adds for one statement changes the plans of others, and prepared
# statements keep them. A partial index whose predicate the statement does not imply stays out.
# Seen with PostgreSQL 15.18 (Debian 12, package postgresql). Prints the version and three plans; fails if they change.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)
folder=$(mktemp -d)
[ "$(id -u)" != 0 ] || chown postgres "$folder"
as_user() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/sh -c "$1"; else sh -c "$1"; fi; }
end() {
  as_user "$bin/pg_ctl -D $folder/data -m immediate stop" >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap end EXIT
as_user "$bin/initdb -D $folder/data -A trust -U postgres" >/dev/null
as_user "$bin/pg_ctl -D $folder/data -o '-k $folder -h \"\"' -w -l $folder/log start" >/dev/null
sql() { as_user "psql -X -q -At -h $folder -U postgres -c \"$1\""; }
plan() {
  sql "set enable_seqscan = off; set enable_bitmapscan = off;
    explain (costs off) select * from item where owner = 1 and place > 5" | grep -o 'using [a-z_]*'
}

echo "PostgreSQL $(sql 'show server_version')"
sql "create table item (owner int, place int, name text); create index item_first on item (owner, place);
  insert into item select n, n, 'x' from generate_series(1, 20) as n; analyze item"
first=$(plan)
sql "create index item_second on item (owner, name)"
second=$(plan)
sql "drop index item_second; create index item_third on item (owner, name) where place >= 0 and name > ''"
third=$(plan)
echo "where owner = 1 and place > 5, with an index on (owner, place): $first"
echo "and then another on (owner, name): $second"
echo "and that one partial, by what the statement does not say: $third"
[ "$first $second $third" = "using item_first using item_second using item_first" ] || { echo "it has changed" && exit 1; }
