#!/bin/sh
# floor.sh WHICH PORT ROOT PASV_MIN PASV_MAX WORKDIR: the floors, see load/src/floor/main.rs.
set -e
which=$1 port=$2 root=$3 first=$4 last=$5
case $which in
epoll) exec "$BUILT/ftpfloor" epoll "$port" ;;
threads) exec "$BUILT/ftpfloor" threads "$port" "$root" "$TLS_DIR/cert.der" "$TLS_DIR/key.der" ;;
esac
# Each port of a shared range is a descriptor, so a wide one is cut.
[ $((last - first)) -lt 1000 ] || last=$((first + 999))
exec "$BUILT/ftpfloor" "$which" "$port" "$root" "$first" "$last"
