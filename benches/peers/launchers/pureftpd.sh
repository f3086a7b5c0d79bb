#!/bin/sh
# pureftpd.sh PORT ROOT PASV_MIN PASV_MAX WORKDIR: one virtual (PureDB) user.
set -e
port=$1 root=$2 first=$3 last=$4 folder=$5
# DES crypt, the cheapest hash there is, so that no hash is measured.
hash=$(perl -e 'print crypt("bench", "ab")')
printf 'bench:%s:%s:%s::%s/./::::::::::::\n' "$hash" "$(id -u "$OWNER")" "$(id -g "$OWNER")" "$root" >"$folder/passwd"
"$DEBIAN/usr/bin/pure-pw" mkdb "$folder/users.pdb" -f "$folder/passwd" >/dev/null
cat "$TLS_DIR/key.pem" "$TLS_DIR/cert.pem" >"$folder/tls.pem"
chmod 600 "$folder/tls.pem"
exec "$DEBIAN/usr/sbin/pure-ftpd" -S "127.0.0.1,$port" -l "puredb:$folder/users.pdb" -c 20000 -C 20000 -H -I 60 \
    -p "$first:$last" -Y 1 -2 "$folder/tls.pem" -L 1000000:20 -g "$folder/pid" -f none -u 1 -A
