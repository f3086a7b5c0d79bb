//! All kinds of findings, one row each: docs/doctor.md is made of this table, and scripts rely on the names.

use super::finding::{Group, Kind, Severity};

macro_rules! kinds {
    ($($name:ident $id:literal $group:ident $severity:ident $meaning:literal $remedy:literal)*) => {
        $(
            #[doc = $meaning]
            pub static $name: Kind = Kind {
                id: $id,
                group: Group::$group,
                severity: Severity::$severity,
                meaning: $meaning,
                remedy: $remedy,
            };
        )*
        /// Every kind.
        pub static ALL: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    CONFIGURATION_OK "configuration-ok" Configuration Ok
        "The configuration file is right."
        ""
    CONFIGURATION_INVALID "configuration-invalid" Configuration Error
        "The configuration file can't be read or is wrong: the server would not start with it."
        "Write what the message says."
    FILE_NOT_TAKEN_OVER "file-not-taken-over" Configuration Error
        "The running server could not take over the configuration file as it is now, and goes on with what it had."
        "Write what the message says."
    LIVE_SETTINGS "live-settings" Configuration Warning
        "Settings hold in the running server that are in no file: its next start loses them."
        "Write them into the file (`ftpd set --save`), or run `ftpd reload` to drop them."
    ACCOUNTS_INVALID "accounts-invalid" Configuration Error
        "The accounts file can't be read or is wrong."
        "Write what the message says."
    ACCOUNTS_NONE "accounts-none" Configuration Error
        "The accounts file has no user, and anonymous guests are not let in: nobody can log in."
        "Run `ftpd user add`, or write `anonymous = { root = \"DIR\" }` below `[accounts]`."
    ANONYMOUS_WRITABLE "anonymous-writable" Configuration Warning
        "Anybody may upload without a password. Such servers are found and filled with other people's files."
        "Write `writable = false`, or give the uploaders an account."
    PASSWORDS_IN_CLEAR "passwords-in-clear" Configuration Warning
        "There are accounts with passwords and no TLS: who listens on the way reads passwords and files."
        "Write certificates below `[tls]`."
    RUNS_AS_ROOT "runs-as-root" Configuration Warning
        "The server is root as long as it runs: a fault in it would give away the whole machine. See docs/hardening.md."
        "Write `user = \"ftpd\"` below `[server]`, or let the service manager start it as that user."
    USER_UNKNOWN "user-unknown" Configuration Error
        "The user whom the server is to become, or his group, does not exist: the server would not start."
        "Make the user, or correct `user` and `group` below `[server]`."
    SANDBOX_OFF "sandbox-off" Configuration Warning
        "The server does not confine itself to the files that it serves and reads."
        "Take out `sandbox = \"off\"` below `[server]`."

    HOST_OK "host-ok" Configuration Ok
        "A virtual host has accounts, and a certificate if there is TLS."
        ""
    HOST_WITHOUT_USERS "host-without-users" Configuration Warning
        "The accounts file of a virtual host has no user, and anonymous guests are not let in there: nobody can log in."
        "Run `ftpd user add --accounts FILE NAME`, or write `anonymous = { root = \"DIR\" }` below `[[host]]`."
    HOST_WITHOUT_CERTIFICATE "host-without-certificate" Configuration Warning
        "No certificate is for a virtual host's name: clients that check names refuse what they are shown."
        "Have one issued for that name and add its file to `certificates` below `[tls]`."

    PORTS_FREE "ports-ok" Ports Ok
        "All ports are free, or the running server has them."
        ""
    CONTROL_PORT_HELD "control-port-held" Ports Error
        "Another program listens on a control port: the server can't start."
        "End that program, or write another port as `bind` below `[server]`."
    PASSIVE_PORTS_HELD "passive-ports-held" Ports Warning
        "Other programs listen on some passive ports: the server runs with the rest and tries these again."
        "End those programs, or write a range that is free as `ports` below `[passive]`."
    PASSIVE_PORTS_ALL_HELD "passive-ports-all-held" Ports Error
        "Other programs listen on all passive ports: there is no passive mode."
        "Write a range that is free as `ports` below `[passive]`."
    PORT_PRIVILEGED "port-privileged" Ports Error
        "A port is below those that every user may listen on, and who runs this has no privilege for it."
        "Give the service CAP_NET_BIND_SERVICE (systemd: `AmbientCapabilities=CAP_NET_BIND_SERVICE`), or write a higher port."
    RANGE_EPHEMERAL "range-ephemeral" Ports Warning
        "The passive range is inside the range from which the system takes ports for outgoing connections: at a start of the server some may be taken."
        "Reserve the range by `net.ipv4.ip_local_reserved_ports`, or write one outside, like 21000-21099."
    RANGE_EPHEMERAL_WINDOWS "range-ephemeral-windows" Ports Note
        "The passive range is among the ports that Windows uses for outgoing connections (49152-65535)."
        "On Windows write a range below."
    PASSIVE_OFF "passive-off" Ports Warning
        "Passive mode is switched off. Clients behind a firewall or NAT can't transfer anything."
        "Write `enabled = true` below `[passive]`."

    ADDRESS_OK "address-ok" Address Ok
        "What clients are told is an address they can reach, as far as that is known here."
        ""
    EXTERNAL_ADDRESS_UNSET "external-address-unset" Address Warning
        "No address of this machine is public and no external address is set: clients from the Internet are told a private address for data connections. So it is behind a router, and on cloud machines whose public address is mapped."
        "Write the public address as `external_address` below `[passive]`. If all clients are in the same network, all is well."
    CONTAINER_WITHOUT_ADDRESS "container-without-external-address" Address Warning
        "The server is in a container, whose address nobody outside of its host can reach, and no external address is set."
        "Write the host's address as `external_address` below `[passive]`, and publish the passive range with equal numbers."
    EXTERNAL_ADDRESS_PRIVATE "external-address-private" Address Warning
        "The external address is private and on no interface: clients from the Internet can't reach it."
        "Write the public address."
    EXTERNAL_ADDRESS_HIDES_PUBLIC "external-address-hides-public" Address Warning
        "This machine has a public address of its own, and clients are told a private one."
        "Remove `external_address`: then clients are told the address they connected to."
    EXTERNAL_ADDRESS_LOOPBACK "external-address-loopback" Address Error
        "The external address is this machine's loopback: every client would connect to itself."
        "Write the address clients connect to."
    EXTERNAL_ADDRESS_IPV6 "external-address-ipv6" Address Warning
        "The external address is an IPv6 address. It has no effect: 227 names IPv4 addresses, and 229 names none."
        "Write the IPv4 address, or remove the line."
    EXTERNAL_NAME_UNRESOLVED "external-name-unresolved" Address Error
        "The external address is a name that stands for nothing in the DNS."
        "Correct the name or the DNS, or write the address."
    EXTERNAL_NAME_PRIVATE "external-name-private" Address Warning
        "The name resolves to a private address here, perhaps because the inside has a DNS of its own (split DNS): clients from the Internet can't reach it."
        "Write the public address in place of the name."
    EXTERNAL_NAME_IPV6_ONLY "external-name-ipv6-only" Address Warning
        "The name has only IPv6 addresses, which PASV can't name: it has no effect."
        "Add an A record, or write the IPv4 address."

    FIREWALL_OK "firewall-ok" Firewall Ok
        "The firewall of this machine lets in what the server needs, as `ftpd firewall check` sees it."
        ""
    FIREWALL_NOT_CHECKED "firewall-not-checked" Firewall Note
        "The firewall of this machine could not be looked at."
        "Run the doctor as root."
    FIREWALL_CLOSED "firewall-closed" Firewall Error
        "The firewall of this machine drops ports that the server needs."
        "Run `ftpd firewall apply`."
    FIREWALL_ACTIVE_CLOSED "firewall-active-closed" Firewall Warning
        "The firewall of this machine drops the server's own connections: active mode does not work."
        "Let them out, or write `enabled = false` below `[active]`."
    FIREWALL_HELPER_WITH_TLS "firewall-helper-with-tls" Firewall Warning
        "Rules let a helper read control connections, which it can't under TLS."
        "Open the passive range, and take the helper away."
    FIREWALL_HELPER_WITH_ADDRESS "firewall-helper-with-external-address" Firewall Error
        "Rules let a helper read control connections, and it opens no port where 227 names an external address."
        "Open the passive range, and take the helper away."
    FIREWALL_UNKNOWN "firewall-unknown" Firewall Note
        "Something of the firewall can't be judged."
        ""
    FIREWALL_TOO_WIDE "firewall-too-wide" Firewall Warning
        "Rules open more than the server needs."
        "Open the control ports and the passive range alone."
    FIREWALL_STALE "firewall-stale" Firewall Warning
        "There are rules of ours for ports that are no longer needed."
        "Run `ftpd firewall apply`."
    FIREWALL_STATEFUL "firewall-stateful" Firewall Note
        "The passive range is closed, and a helper opens its ports as they are announced: that works without TLS only."
        "Open the passive range."
    FTP_HELPER_WITH_ADDRESS "ftp-helper-with-external-address" Firewall Warning
        "The kernel's FTP helper is loaded and an external address is set (said where the rules can't be seen). Where a rule assigns the helper, both exclude each other: it forwards PASV only for the address the server has itself."
        "Take the helper away (`rmmod nf_nat_ftp nf_conntrack_ftp`, firewalld: ports in place of the service `ftp`) and open the passive range."
    FTP_HELPER_WITH_TLS "ftp-helper-with-tls" Firewall Note
        "The kernel's FTP helper is loaded. Under TLS it sees nothing, so that it opens no passive port."
        "Open the passive range in the firewall."

    CAPACITY "capacity" Capacity Ok
        "How many clients fit, and what the width of the passive range bounds."
        ""
    DESCRIPTORS_FEW "descriptors-few" Capacity Warning
        "Few files may be open: a session needs one or two descriptors and each passive port one, so clients may wait in vain."
        "Raise the hard limit (`ulimit -Hn`, systemd: `LimitNOFILE=`)."
    RANGE_WIDE "range-wide" Capacity Note
        "The range is wider than what is listened on; the ports behind need not be open in the firewall."
        "Write a smaller range: no running transfer holds a port."

    CERTIFICATE_OK "certificate-ok" Tls Ok
        "The certificate can be used, fits its key, and is not near its end."
        ""
    CERTIFICATE_UNUSABLE "certificate-unusable" Tls Error
        "Certificate or key can't be read, or don't belong together."
        "Look at the files named below `[tls]`; `ftpd tls show --config FILE` shows more."
    CERTIFICATE_EXPIRED "certificate-expired" Tls Error
        "The certificate has ended: clients refuse it."
        "Renew it."
    CERTIFICATE_EXPIRES_IN_DAYS "certificate-expires-in-days" Tls Warning
        "The certificate ends in less than 7 days (or a sixth of its life, if that is shorter): its renewal seems to fail."
        "Renew it now."
    CERTIFICATE_EXPIRES_SOON "certificate-expires-soon" Tls Warning
        "The certificate ends in less than 30 days (or a third of its life, if that is shorter)."
        "Renew it."
    CERTIFICATE_NOT_YET_VALID "certificate-not-yet-valid" Tls Error
        "The certificate begins in the future. If it was made just now, this machine's clock is far off."
        "Compare the clock (`date -u`, `timedatectl`)."
    CERTIFICATE_NO_NAME "certificate-no-name" Tls Warning
        "The certificate names no host: clients that check names refuse it."
        "Have it issued for the name clients use."
    CERTIFICATE_OTHER_NAME "certificate-other-name" Tls Warning
        "The certificate is not for the name that clients use."
        "Have it issued for that name, or let clients use one it is for."
    CERTIFICATE_CHAIN_INCOMPLETE "certificate-chain-incomplete" Tls Warning
        "The certificates between the server's own and the authority that clients know are missing, or out of order."
        "Name the file with all of them (certbot: `fullchain.pem`)."
    CERTIFICATE_SELF_SIGNED "certificate-self-signed" Tls Note
        "The certificate is of one's own making: clients can't check it, people have to compare its fingerprint."
        "For more than a few people, get one from an authority."
    CERTIFICATE_PRIVATE_AUTHORITY "certificate-private-authority" Tls Note
        "The certificate comes from an authority that this system does not know: clients must be given it."
        ""
    KEY_OPEN "key-open" Tls Warning
        "Every user of this machine can read the private key."
        "Run `chmod o= FILE`."

    FILES_OK "files-ok" Files Ok
        "The directories are there, and may be read and written as the accounts need it."
        ""
    ROOT_MISSING "root-missing" Files Error
        "A directory that is to be served is not there, or is none."
        "Make it, or correct the path."
    ROOT_NOT_READABLE "root-not-readable" Files Error
        "The user whom the server runs as may not read a directory that is to be served."
        "Give that user the right (`chown`, `chmod`)."
    ROOT_NOT_WRITABLE "root-not-writable" Files Warning
        "Accounts may write, and the user whom the server runs as may not write in their directory."
        "Give that user the right (`chown`, `chmod`), or the accounts fewer rights."
    DISK_NEARLY_FULL "disk-nearly-full" Files Warning
        "There is little room for uploads: less than 1 GiB and less than 5 %."
        "Make room."
    ACCOUNTS_FILE_OPEN "accounts-file-open" Files Warning
        "Every user of this machine can read the accounts file, and try passwords on its hashes."
        "Run `chmod o= FILE`."

    LIVE_OK "live-ok" Live Ok
        "A whole session worked: login, listing, and upload, download and removal of a test file where rights allow it."
        ""
    LIVE_NOT_RUNNING "live-not-running" Live Note
        "No server runs with this configuration, so nothing could be tried."
        "Start the server and run the doctor again."
    LIVE_NO_CREDENTIALS "live-no-credentials" Live Note
        "There is nobody to log in as: no transfer could be tried."
        "Give --user NAME, and the password in FTPD_PASSWORD."
    LIVE_OTHER_PROGRAM "live-other-program" Live Note
        "Another program answers where this configuration's server should: nothing was tried, and no password was sent there."
        "Stop that program, or give the server another port."
    LIVE_NO_LOGIN "live-no-connection" Live Error
        "The running server could not be reached on a listener of its own, or did not answer as it should."
        "Look into the server's log."
    LIVE_LOGIN_REFUSED "live-login-refused" Live Error
        "The running server refused the login."
        "Look at name and password, and into the server's log."
    LIVE_TRANSFER_FAILED "live-transfer-failed" Live Error
        "A transfer with the running server failed on this machine already."
        "What the server said tells why; a firewall on this machine is one reason."
    LIVE_OTHER_CERTIFICATE "live-other-certificate" Live Warning
        "The running server shows another certificate than the one in the file."
        "Let it read its files again (SIGHUP), and look into its log."
    LIVE_UPLOAD_NOT_TRIED "live-upload-not-tried" Live Note
        "The account may not upload, read and delete: uploads were not tried."
        "Name an account with these rights by --user."
    HAIRPIN_FAILED "hairpin-failed" Live Warning
        "Through the external address the server can't be reached from this machine. Your router may not turn connections around, which means nothing to clients outside."
        "Try `ftpd doctor --from ADDRESS:PORT` on a machine outside."

    OUTSIDE_OK "outside-ok" Outside Ok
        "Login and listings worked."
        ""
    OUTSIDE_PORTS "outside-ports" Outside Ok
        "The ports that the server announced for data connections."
        ""
    CONTROL_TIMEOUT "control-timeout" Outside Error
        "Nothing answers at the control port: a firewall is closed, a router forwards nothing, or the address is wrong."
        "Open and forward the control port."
    CONTROL_REFUSED "control-refused" Outside Error
        "The control port is refused: no server listens there."
        "Start the server, or forward the port to the machine it runs on."
    NAME_UNRESOLVED "name-unresolved" Outside Error
        "The server's name stands for nothing in the DNS."
        "Correct the name or the DNS."
    NOT_FTP "not-ftp" Outside Error
        "Something answers, but not with an FTP greeting."
        "Look at the port. Where TLS begins at once (port 990), write --tls implicit."
    GREETING_REFUSED "greeting-refused" Outside Error
        "The server turned us away with its first word."
        "What it says tells why."
    TLS_NOT_OFFERED "tls-not-offered" Outside Warning
        "The server offers no TLS: passwords and files go in the clear."
        "Switch TLS on."
    TLS_FAILED "tls-failed" Outside Error
        "The TLS handshake failed."
        "What it failed with tells why."
    TLS_OK "tls-ok" Outside Ok
        "TLS, its version and the certificate."
        ""
    CERTIFICATE_UNTRUSTED "certificate-untrusted" Outside Warning
        "This system does not trust the certificate, so users have to compare its fingerprint; and no password was sent."
        "Give --ca FILE with the certificate or its authority; --insecure goes on without."
    LOGIN_NOT_TRIED "login-not-tried" Outside Warning
        "The server does not let guests in, so that transfers could not be tried."
        "Give --user NAME, and the password in FTPD_PASSWORD."
    LOGIN_REFUSED "login-refused" Outside Error
        "The server refused the login."
        "Look at name and password; what it says tells more."
    PASV_ADDRESS_PRIVATE "pasv-address-private" Outside Error
        "The server names a private address in 227: its external address is not set. Clients that believe it fail."
        "Set the server's external address (ftpd: `external_address` below `[passive]`) to the address that was dialled."
    PASV_ADDRESS_DIFFERS "pasv-address-differs" Outside Warning
        "The server names another address in 227 than the one that was dialled. Some clients refuse that."
        "Set the server's external address to the one clients use."
    PASV_UNREADABLE "pasv-unreadable" Outside Error
        "The reply to PASV or EPSV names no address in the form of its RFC: clients and firewalls can't read it."
        "Look for a device on the way that rewrites FTP."
    PASV_REFUSED "pasv-refused" Outside Warning
        "The server refuses PASV, which old clients need."
        "Switch passive mode on."
    EPSV_REFUSED "epsv-refused" Outside Note
        "The server refuses EPSV, which needs no address in the reply and so survives every NAT."
        ""
    ONLY_EPSV_WORKS "only-epsv-works" Outside Error
        "EPSV works and PASV does not: the address in 227 is wrong. New clients work, old ones fail."
        "Set the server's external address."
    DATA_TIMEOUT "data-timeout" Outside Error
        "None of the announced ports answers: the passive range is closed in a firewall, or no router forwards it."
        "Open the whole passive range in the firewall; behind a router forward it as well."
    DATA_REFUSED "data-refused" Outside Error
        "The announced ports are refused: the range is open in the firewall, but nobody listens, because the router forwards it elsewhere or to other ports."
        "Forward the passive range to the same ports of the server's machine."
    DATA_SOME_PORTS "data-some-ports" Outside Error
        "Some of the announced ports can be reached and others not: firewall and passive range don't agree, so that transfers fail now and then."
        "Open and forward the whole passive range."
    DATA_RESET "data-reset" Outside Error
        "Data connections come up and are broken off: a device on the way looks into them, or the server refuses them."
        "Look into the server's log and for a device that inspects FTP."
    TLS_BLINDS_FIREWALL "tls-blinds-firewall" Outside Error
        "Without TLS transfers work and with TLS they don't: a firewall reads the control connection to open ports (stateful FTP inspection), and TLS hides what it reads."
        "Open the passive range in the firewall and switch its FTP inspection off."
    NAT_REWRITES "nat-rewrites-227" Outside Warning
        "A device on the way rewrites the address in 227, which it can't under TLS: there the address is another one."
        "Set the server's external address and switch the device's FTP inspection off."
    TRANSFER_REFUSED "transfer-refused" Outside Error
        "The server refused a transfer."
        "What it says tells why."
    TRANSFER_FAILED "transfer-failed" Outside Error
        "A transfer failed in another way."
        "Look into the server's log."
    DATA_NOT_RESUMED "data-tls-not-resumed" Outside Note
        "The server does not resume the control connection's TLS session on data connections: it can't tell by TLS whose they are."
        "Where the server can, switch session reuse on."
}
