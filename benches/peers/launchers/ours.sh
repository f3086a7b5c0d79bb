#!/bin/sh
# ours.sh RUNTIME UPLOADS PORT ROOT PASV_MIN PASV_MAX WORKDIR: this repository's server.
set -e
runtime=$1 uploads=$2 port=$3 root=$4 first=$5 last=$6 folder=$7
# All clients have one address here, and are many at the same time.
# Each port of the range is a descriptor, so a wide one is cut.
[ $((last - first)) -lt 1000 ] || last=$((first + 999))
cat >"$folder/ftpd.toml" <<TOML
[server]
bind = ["127.0.0.1:$port"]
root = "$root"
runtime = "$runtime"
uploads = "$uploads"
watch = false
control_socket = "off"
[passive]
ports = "$first-$last"
[transfers]
deflate = true
[limits]
sessions = 20000
sessions_per_address = 20000
sessions_per_network = 20000
unauthenticated = 20000
unauthenticated_per_address = 20000
[bans]
enabled = false
[tls]
control = "allow"
data = "allow"
certificates = [{ certificate = "$TLS_DIR/cert.pem", key = "$TLS_DIR/key.pem" }]
[accounts]
file = "$ACCOUNTS"
anonymous = true
[log]
level = "warn"
TOML
exec "$BUILT/ftpd" serve --config "$folder/ftpd.toml"
