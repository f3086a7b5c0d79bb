//! mod_tls.

use crate::import::common;
use crate::import::draft::Draft;
use crate::import::settings::Settings;

pub(super) fn is_on(draft: &mut Draft, settings: &Settings) -> bool {
    settings.flag(draft, "TLSEngine", false)
}

/// All words of `TLSOptions`.
pub(super) fn options(settings: &Settings) -> impl Iterator<Item = &str> {
    let last = settings.find("TLSOptions");
    last.into_iter().flat_map(|setting| &setting.arguments).map(String::as_str)
}

pub(super) fn import(draft: &mut Draft, settings: &Settings) {
    if !is_on(draft, settings) {
        return;
    }
    certificates(draft, settings);
    policy(draft, settings);
    let free = options(settings).any(|option| option.eq_ignore_ascii_case("NoSessionReuseRequired"));
    let origin = if free { settings.origin("TLSOptions") } else { settings.default_origin("TLSOptions") };
    draft.set("tls.data_resumption", if free { "off" } else { "require" }, origin);
    let unread: Vec<_> = options(settings)
        .filter(|option| !KNOWN_OPTIONS.iter().any(|known| option.eq_ignore_ascii_case(known)))
        .map(str::to_owned)
        .collect();
    for option in unread {
        let place = settings.place(draft, "TLSOptions");
        let advice = if option.eq_ignore_ascii_case("AllowPerUser") {
            "TLS is asked for before the name is known; write control = \"allow\" in a [[tls.rule]] with users for those without"
        } else {
            "has nothing like it here"
        };
        draft.attention(&place, format!("TLSOptions {option}"), advice);
    }
    versions(draft, settings);
    clients(draft, settings);
}

/// Options that are read, or that need nothing.
const KNOWN_OPTIONS: [&str; 9] = [
    "NoSessionReuseRequired",
    "UseImplicitSSL",
    "StdEnvVars",
    "EnableDiags",
    "ExportCertData",
    "NoEmptyFragments",
    "NoCertRequest",
    "NoAutoECDH",
    "IgnoreSNI",
];

fn certificates(draft: &mut Draft, settings: &Settings) {
    let mut files = Vec::new();
    for (certificate, key) in [
        ("TLSRSACertificateFile", "TLSRSACertificateKeyFile"),
        ("TLSECCertificateFile", "TLSECCertificateKeyFile"),
    ] {
        if let Some((file, _)) = settings.text(certificate) {
            files.push((file.to_owned(), settings.text(key).map(|(file, _)| file.to_owned())));
        }
    }
    if files.len() > 1 {
        // The one that more clients know comes first; one name has one certificate.
        files.truncate(1);
        let place = settings.place(draft, "TLSECCertificateFile");
        draft.attention(
            &place,
            "TLSECCertificateFile",
            "one certificate serves a name; the one with the RSA key was taken",
        );
    }
    let name = if settings.text("TLSRSACertificateFile").is_none() && !files.is_empty() {
        "TLSECCertificateFile"
    } else {
        "TLSRSACertificateFile"
    };
    if files.is_empty() {
        let place = settings.place(draft, "TLSEngine");
        draft.attention(
            &place,
            "TLSEngine",
            format!(
                "no certificate in PEM is named; put one at {} and its key at {}",
                common::CERTIFICATE,
                common::KEY
            ),
        );
    }
    common::certificates(draft, &files, &settings.origin(name));
    if let Some((chain, setting)) = settings.text("TLSCertificateChainFile") {
        draft.attention(
            &setting.place,
            "TLSCertificateChainFile",
            format!("the issuers stand in the certificate's own file here; append {chain} to it"),
        );
    }
}

/// `TLSRequired`: on, off, or some of ctrl, auth, data, !data, joined by +.
fn policy(draft: &mut Draft, settings: &Settings) {
    let text = settings.text("TLSRequired").map_or("off", |(text, _)| text).to_ascii_lowercase();
    let origin = settings.origin("TLSRequired");
    let (mut control, mut data) = ("allow", "allow");
    for word in text.split('+') {
        match word {
            "on" | "yes" | "true" | "1" => (control, data) = ("require", "require"),
            "off" | "no" | "false" | "0" => {}
            "ctrl" | "control" => control = "require",
            "auth" => control = "require-for-credentials",
            "data" => data = "require",
            "!data" => data = "deny",
            other => {
                let place = settings.place(draft, "TLSRequired");
                draft.attention(
                    &place,
                    "TLSRequired",
                    format!("{other:?} is not known; write control and data below [tls]"),
                );
                (control, data) = ("require", "require");
            }
        }
    }
    draft.set("tls.control", control, origin.clone());
    draft.set("tls.data", data, origin.clone());
    if control == "require-for-credentials" {
        draft.set("tls.ccc", true, origin.clone());
    }
    common::guests_too(draft, control, data, &origin);
}

fn versions(draft: &mut Draft, settings: &Settings) {
    let Some(setting) = settings.find("TLSProtocol") else { return };
    let all = setting.arguments.iter().any(|word| word.eq_ignore_ascii_case("ALL"));
    let names = |version: &str| setting.arguments.iter().any(|word| word.eq_ignore_ascii_case(version));
    if all || names("TLSv1.2") {
        return;
    }
    if names("TLSv1.3") {
        draft.set("tls.minimum", "1.3", setting.origin());
    } else {
        draft.attention(
            &setting.place,
            "TLSProtocol",
            "is older than TLS 1.2, the oldest that is spoken here; clients need at least that",
        );
    }
}

fn clients(draft: &mut Draft, settings: &Settings) {
    if let Some((text, setting)) = settings.text("TLSVerifyClient") {
        let word = match text.to_ascii_lowercase().as_str() {
            "on" | "yes" | "true" | "1" => "require",
            "optional" => "request",
            _ => "ignore",
        };
        draft.set("tls.client_certificates", word, setting.origin());
    }
    let authorities = settings.text("TLSCACertificateFile").map(|(file, setting)| (file, setting.origin()));
    let revocations = settings.text("TLSCARevocationFile").map(|(file, setting)| (file, setting.origin()));
    if let Some((file, origin)) = authorities {
        draft.set("tls.client_authorities", file, origin);
        if let Some((file, origin)) = revocations {
            draft.set("tls.revocations", file, origin);
        }
    } else if revocations.is_some() {
        let place = settings.place(draft, "TLSCARevocationFile");
        draft.attention(
            &place,
            "TLSCARevocationFile",
            "needs client_authorities below [tls]: the issuers' certificates",
        );
    }
}
