#!/bin/sh
# vsftpd.sh PORT ROOT PASV_MIN PASV_MAX WORKDIR: anonymous, may write.
# It refuses a root that may be written to, so it gets the parent folder, and the client goes down by CWD.
set -e
port=$1 root=$2 first=$3 last=$4 folder=$5
mkdir -p "$folder/empty"
cat >"$folder/vsftpd.conf" <<EOF
listen=YES
listen_address=127.0.0.1
listen_port=$port
background=NO
anonymous_enable=YES
local_enable=NO
no_anon_password=NO
anon_root=$(dirname "$root")
ftp_username=$OWNER
nopriv_user=nobody
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
anon_world_readable_only=NO
allow_writeable_chroot=YES
seccomp_sandbox=NO
secure_chroot_dir=$folder/empty
max_clients=0
max_per_ip=0
use_localtime=NO
xferlog_enable=NO
use_sendfile=YES
tcp_wrappers=NO
session_support=NO
setproctitle_enable=NO
delay_failed_login=0
idle_session_timeout=3600
data_connection_timeout=600
pasv_enable=YES
pasv_min_port=$first
pasv_max_port=$last
ssl_enable=YES
allow_anon_ssl=YES
force_local_data_ssl=NO
force_local_logins_ssl=NO
require_ssl_reuse=YES
ssl_ciphers=HIGH
rsa_cert_file=$TLS_DIR/cert.pem
rsa_private_key_file=$TLS_DIR/key.pem
EOF
exec "$DEBIAN/usr/sbin/vsftpd" "$folder/vsftpd.conf"
