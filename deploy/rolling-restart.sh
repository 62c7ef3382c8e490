#!/bin/sh
# Restarts the processes of a cluster one after the other, so that its clients notice nothing: SIGTERM, wait for the
# end, start again, wait until /readyz says so, and then the next.
#
#   rolling-restart.sh LIST
#
# LIST is a file with a line for each process, in the order in which they are restarted:
#
#   PID-FILE  ADDRESS-OF-ADMIN  COMMAND
#
# COMMAND is run by the shell, starts the process in the background, and writes PID-FILE. Where PID-FILE is "-", COMMAND
# stops the process too, as systemd does. For example:
#
#   /run/primetrade/auth-1.pid  127.0.0.1:9101  nohup primetrade serve --role=auth --http-listen=127.0.0.1:8101 --admin-listen=127.0.0.1:9101 >>auth-1.log 2>&1 & echo $! >/run/primetrade/auth-1.pid
#   -                           10.0.0.7:9090   systemctl --host 10.0.0.7 restart primetrade-auth
#
# Empty lines and lines that begin with # are skipped. Every role needs two processes at least, or it is away while its
# only one restarts. Nothing is stopped unless all are ready, and the first that does not end, start or become ready
# ends the script: what comes behind it goes on as it was. The exit code is 0 when all were restarted, 1 when not, 2 when
# LIST is wrong. Behind a load balancer that looks at /readyz, set http.drain_delay to more than the time between its looks.
#
# Needs curl. WAIT (seconds, 60): for each end and each start. PAUSE (seconds, 1): behind each process; gateways look at
# theirs four times a second, and have to see it back before the next one goes.
set -u

WAIT=${WAIT:-60}
PAUSE=${PAUSE:-1}

say() { echo "$*" >&2; }
die() { code=$1; shift; say "rolling-restart: $*"; exit "$code"; }

is_ready() { curl --silent --fail --max-time 5 --output /dev/null "http://$1/readyz"; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }

# Asks again and again until the answer is yes, or the time is over.
wait_until() {
    deadline=$(($(date +%s) + WAIT))
    until "$@"; do
        [ "$(date +%s)" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

each() {
    # The last line may have no end.
    while read -r pid_file admin command <&3 || [ -n "$pid_file" ]; do
        case $pid_file in '' | '#'*) continue ;; esac
        "$@"
    done 3<"$list"
}

check() {
    [ -n "$command" ] || die 2 "a line without a command: $pid_file $admin"
    [ "$pid_file" = - ] || [ -s "$pid_file" ] || die 1 "there is no pid file $pid_file"
    is_ready "$admin" || die 1 "$admin is not ready, so nothing is stopped"
    found=yes
}

restart() {
    if [ "$pid_file" != - ]; then
        pid=$(cat "$pid_file")
        kill -TERM "$pid" || die 1 "process $pid of $pid_file cannot be stopped"
        wait_until has_ended "$pid" || die 1 "process $pid of $pid_file did not end within $WAIT s"
    fi
    sh -c "$command" 3<&- || die 1 "could not start what is at $admin: $command"
    wait_until is_ready "$admin" || die 1 "$admin was not ready within $WAIT s"
    say "$admin was restarted"
    sleep "$PAUSE"
}

[ $# -eq 1 ] && [ -r "$1" ] || die 2 "usage: rolling-restart.sh LIST, see its first lines"
list=$1
found=
each check
[ -n "$found" ] || die 2 "$list names no process"
each restart
