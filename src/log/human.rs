//! The fields of a line for people: `key=value`, quoted where the value isn't plain.

use std::fmt::{self, Debug, Write as _};
use tracing::field::Field;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{Writer, debug_fn};

/// Fields that hold words from outside or free text: always quoted, so that patterns for log watchers are
/// simple.
const QUOTED: [&str; 6] = ["user", "path", "to", "command", "reason", "file"];

pub(super) fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    debug_fn(write_field).delimited(" ")
}

fn write_field(out: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    let name = field.name();
    if name == "message" {
        return write!(out, "{value:?}");
    }
    let text = format!("{value:?}");
    if QUOTED.contains(&name) || !is_plain(&text) {
        write!(out, "{name}={}", Quoted(&text))
    } else {
        write!(out, "{name}={}", without_exponent(text))
    }
}

/// 0.000059 instead of 5.9e-5: people and `sort` read the one.
fn without_exponent(text: String) -> String {
    match text.parse::<f64>() {
        Ok(number) if text.contains('e') => number.to_string(),
        _ => text,
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/[]+".contains(&byte);
    !text.is_empty() && text.bytes().all(plain)
}

/// In quotes, with quotes inside escaped and nothing that could end the line. Backslashes stay: text from
/// clients comes escaped, and has them doubled already.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => out.write_str("\\\"")?,
                character if character.is_control() => write!(out, "\\x{:02x}", u32::from(character))?,
                character => out.write_char(character)?,
            }
        }
        out.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_no_exponent() {
        let shown = |number: f64| without_exponent(format!("{number:?}"));
        assert_eq!((shown(5.9e-5), shown(2.0), shown(1.5)), ("0.000059".into(), "2.0".into(), "1.5".into()));
        assert_eq!(without_exponent("complete".into()), "complete");
    }

    #[test]
    fn quotes_and_line_ends_stay_inside() {
        assert_eq!(Quoted("a\" ip=1\n").to_string(), r#""a\" ip=1\x0a""#);
        assert!(is_plain("[::1]:21") && is_plain("1.5") && !is_plain("") && !is_plain("a b"));
    }
}
