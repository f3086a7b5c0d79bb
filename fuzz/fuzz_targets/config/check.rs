//! What holds for the reader of the configuration file, whatever it is given. The tests of the program replay the seeds.

use ftpd::config_file;
use std::path::Path;

/// Any bytes are settings, or one line says what is wrong, and where: a place that is in the file.
pub(crate) fn config(data: &[u8]) {
    let Err(error) = config_file::from_bytes(Path::new("ftpd.toml"), data) else { return };
    let complaint = error.to_string();
    assert!(!complaint.contains(['\n', '\r']), "more than one line: {complaint:?}");
    let Some((line, column)) = error.position() else {
        panic!("no place: {complaint}");
    };
    let text = String::from_utf8_lossy(data);
    let lines: Vec<&str> = text.split('\n').collect();
    let length = lines.get(line.wrapping_sub(1)).map(|line| line.chars().count());
    // At most just behind the last character, where something is missing.
    assert!(
        length.is_some_and(|length| (1..=length + 1).contains(&column)),
        "outside of the file: {complaint}"
    );
    let message = complaint.strip_prefix(&format!("ftpd.toml:{line}:{column}: "));
    assert!(message.is_some_and(|message| message.len() > 3), "nothing is said: {complaint}");
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn every_seed_is_settings_or_one_complaint() {
        let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/seeds/config");
        let mut count = 0;
        for seed in fs::read_dir(seeds).unwrap() {
            let path = seed.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let result = std::panic::catch_unwind(|| super::config(&bytes));
            assert!(result.is_ok(), "fails on {}", path.display());
            count += 1;
        }
        assert!(count > 10);
    }
}
