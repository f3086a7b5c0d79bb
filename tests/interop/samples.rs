//! Files and trees to transfer.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Bytes that compress badly and repeat nowhere, always the same for the same length: a shifted, cut
/// or doubled piece never compares equal. Every byte value occurs, CR, LF and IAC (255) included.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64 ^ length as u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text of so many lines, which end in LF alone; some are empty, and the last one has no end.
pub(crate) fn text(lines: usize) -> Vec<u8> {
    let line =
        |number: usize| if number.is_multiple_of(5) { "\n".to_owned() } else { format!("line {number}\n") };
    let mut text: String = (0..lines).map(line).collect();
    text.push_str("the end");
    text.into_bytes()
}

/// The length of a file that takes many turns of every buffer and ends in the middle of one.
pub(crate) const LENGTH: usize = 3 * 1024 * 1024 + 17;

/// Fails with a short message: printing megabytes of both sides helps nobody.
pub(crate) fn assert_same(got: &[u8], want: &[u8]) {
    if got == want {
        return;
    }
    let equal = got.iter().zip(want).take_while(|(left, right)| left == right).count();
    panic!("{} bytes instead of {}; the first {equal} are right", got.len(), want.len());
}

/// Makes 1,000 files in ten folders, two of them nested, one file in ten empty.
pub(crate) fn make_tree(root: &Path) {
    for folder in 0..10 {
        let name =
            if folder < 8 { format!("folder-{folder}") } else { format!("folder-{}/deeper", folder - 8) };
        let path = root.join(name);
        fs::create_dir_all(&path).expect("a temporary folder is writable");
        for file in 0..100 {
            let content = bytes(if file % 10 == 0 { 0 } else { 100 * folder + 7 * file });
            fs::write(path.join(format!("file-{file:03}.bin")), content)
                .expect("a temporary folder is writable");
        }
    }
}

/// The files below a folder: relative path to content.
pub(crate) fn read_tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display())) {
            let path = entry.expect("a folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                files.insert(name, fs::read(&path).expect("a file can be read"));
            }
        }
    }
    files
}

/// Fails with the first name that differs.
pub(crate) fn assert_same_tree(got: &Path, want: &Path) {
    let (got, want) = (read_tree(got), read_tree(want));
    for (name, content) in &want {
        let found =
            got.get(name).unwrap_or_else(|| panic!("{name} is missing ({} of {})", got.len(), want.len()));
        assert!(found == content, "{name} has {} bytes instead of {}", found.len(), content.len());
    }
    assert_eq!(got.len(), want.len(), "there is more than was sent");
}
