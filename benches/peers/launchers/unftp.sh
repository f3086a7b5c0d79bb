#!/bin/sh
# unftp.sh PORT ROOT PASV_MIN PASV_MAX WORKDIR: libunftp on tokio, anonymous.
exec "$UNFTP" --bind-address "127.0.0.1:$1" --root-dir "$2" --sbe-type filesystem --auth-type anonymous \
    --passive-ports "$3-$(($4 + 1))" --bind-address-http "127.0.0.1:$(($1 + 1))" --idle-session-timeout 3600 \
    --ftps-certs-file "$TLS_DIR/cert.pem" --ftps-key-file "$TLS_DIR/key.pem"
