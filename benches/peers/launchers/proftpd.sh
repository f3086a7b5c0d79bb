#!/bin/sh
# proftpd.sh PORT ROOT PASV_MIN PASV_MAX WORKDIR: one local (AuthUserFile) user.
set -e
port=$1 root=$2 first=$3 last=$4 folder=$5
uid=$(id -u "$OWNER") gid=$(id -g "$OWNER")
# DES crypt, the cheapest hash there is, so that no hash is measured.
hash=$(perl -e 'print crypt("bench", "ab")')
printf 'bench:%s:%s:%s::%s:/bin/sh\n' "$hash" "$uid" "$gid" "$root" >"$folder/passwd"
printf 'bench:x:%s:\n' "$gid" >"$folder/group"
chmod 600 "$folder/passwd" "$folder/group"
cat >"$folder/proftpd.conf" <<EOF
ServerName "bench"
ServerType standalone
DefaultAddress 127.0.0.1
Port $port
UseIPv6 off
ModulePath $DEBIAN/usr/lib/proftpd
LoadModule mod_tls.c
LoadModule mod_deflate.c
ServerIdent on
UseReverseDNS off
MaxInstances none
MaxClients none
User nobody
Group nogroup
AuthPAM off
AuthOrder mod_auth_file.c
AuthUserFile $folder/passwd
AuthGroupFile $folder/group
RequireValidShell off
RootLogin off
DefaultRoot $root
AllowOverwrite on
AllowStoreRestart on
UseSendfile on
TimesGMT on
WtmpLog off
UseLastlog off
TransferLog none
SystemLog none
ScoreboardFile $folder/scoreboard
PidFile $folder/pid
DelayTable none
DelayEngine off
ListOptions "" maxfiles 1000000
TimeoutIdle 3600
TimeoutNoTransfer 3600
TimeoutStalled 3600
TimeoutLogin 300
PassivePorts $first $last
DeflateEngine on
<IfModule mod_tls.c>
TLSEngine on
TLSProtocol TLSv1.2 TLSv1.3
TLSRSACertificateFile $TLS_DIR/cert.pem
TLSRSACertificateKeyFile $TLS_DIR/key.pem
TLSVerifyClient off
TLSRequired off
TLSRenegotiate none
TLSOptions NoSessionReuseRequired
</IfModule>
EOF
exec "$DEBIAN/usr/sbin/proftpd" -n -q -c "$folder/proftpd.conf"
