//! Passwords: argon2id hashes, comparison in constant time, generated ones.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher as _, Version};
use std::fmt;

/// The most memory one verification may take, in KiB. A file that asks for more is refused when it is read,
/// not when the logins come.
const MOST_MEMORY: u32 = 1 << 20;
/// The most passes over the memory.
const MOST_PASSES: u32 = 100;

/// The memory for a check is asked for in pieces of at least this many blocks of 1 KiB: more than 32 MiB,
/// which the C library never takes from a thread's own heap, but from the system, and gives back to it. Of
/// smaller ones it keeps some for each thread: after a flood of logins, 20 MiB for each of hundreds. What is
/// asked for and not touched costs nothing.
const LEAST_CAPACITY: usize = 33 * 1024;

/// A checked argon2id hash in the form `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH`.
#[derive(Clone)]
pub struct PasswordHash {
    text: String,
    version: Version,
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
}

/// A hash is as good as a password to who has time.
impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(..)")
    }
}

impl PasswordHash {
    /// Hashes a password with a new salt, two passes over 19 MiB (the first choice of OWASP's list).
    ///
    /// # Errors
    /// When the system gives no randomness or no memory.
    pub fn of(password: &[u8]) -> Result<Self, String> {
        let hash: phc::PasswordHash = Argon2::default()
            .hash_password(password)
            .map_err(|error| format!("can't hash the password: {error}"))?;
        Self::parse(&hash.to_string())
    }

    /// Checks a hash from a file.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parsed = phc::PasswordHash::new(text).map_err(|_| "not an argon2id hash".to_owned())?;
        if parsed.algorithm.as_str() != "argon2id" {
            return Err(format!("a hash by {}, which is not supported", parsed.algorithm));
        }
        let (Some(salt), Some(output)) = (parsed.salt, parsed.hash) else {
            return Err("an incomplete argon2id hash".to_owned());
        };
        let params = Params::try_from(&parsed)
            .map_err(|error| format!("an argon2id hash with bad settings ({error})"))?;
        if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES {
            return Err("an argon2id hash that takes more than 1 GiB or 100 passes to check".to_owned());
        }
        let version = parsed.version.map_or(Ok(Version::default()), Version::try_from);
        let version = version.map_err(|error| format!("an argon2id hash with bad settings ({error})"))?;
        Ok(Self { text: text.to_owned(), version, params, salt, output })
    }

    /// As it stands in a file.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the password. Takes some 20 ms and 19 MiB with the usual settings.
    ///
    /// # Errors
    /// When there is no memory for the check.
    pub fn verify(&self, password: &[u8]) -> Result<bool, String> {
        let failed = |error: &dyn fmt::Display| format!("can't check the password: {error}");
        let count = self.params.block_count();
        let mut blocks = Vec::new();
        blocks.try_reserve_exact(count.max(LEAST_CAPACITY)).map_err(|error| failed(&error))?;
        blocks.resize(count, Block::new());
        let mut output = [0_u8; phc::Output::MAX_LENGTH];
        let output = output.get_mut(..self.output.len()).ok_or_else(|| failed(&"the hash is too long"))?;
        Argon2::new(Algorithm::Argon2id, self.version, self.params.clone())
            .hash_password_into_with_memory(password, &self.salt, output, &mut blocks)
            .map_err(|error| failed(&error))?;
        Ok(same(output, self.output.as_bytes()))
    }
}

/// Whether both are the same, in a time that depends on the length of `offered` only.
pub(super) fn same(offered: &[u8], secret: &[u8]) -> bool {
    let mut difference = u8::from(offered.len() != secret.len());
    for (index, byte) in offered.iter().enumerate() {
        difference |= byte ^ secret.get(index).copied().unwrap_or(0);
        // Keeps the compiler from leaving the loop at the first difference.
        difference = std::hint::black_box(difference);
    }
    difference == 0
}

/// A new password of 80 random bits that can be read aloud: `k7qm-x2rp-9dvt-hw4n`. No two of its letters
/// look alike.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate() -> Result<String, String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| format!("the system gives no randomness: {error}"))?;
    let mut password = String::with_capacity(19);
    for (index, byte) in random.iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(LETTERS.get(usize::from(byte % 32)).copied().unwrap_or(b'x')));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_verifies_its_password_only() {
        let hash = PasswordHash::of(b"s\xffcret").unwrap();
        let read = PasswordHash::parse(hash.as_str()).unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        assert_eq!(read.verify(b"s\xffcret"), Ok(true));
        assert_eq!((read.verify(b"secret"), read.verify(b"")), (Ok(false), Ok(false)));
    }

    /// A hash made by the reference implementation (its test of version 1.3, in a PHC string).
    #[test]
    fn hashes_of_others_verify() {
        let text = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        assert_eq!(PasswordHash::parse(text).unwrap().verify(b"password"), Ok(true));
    }

    #[test]
    fn bad_hashes_are_named() {
        for (text, want) in [
            ("", "not an argon2id hash"),
            ("secret", "not an argon2id hash"),
            ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", "an incomplete argon2id hash"),
            ("$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW", "not an argon2id hash"),
            (
                "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
                "a hash by argon2i, which is not supported",
            ),
            (
                "$argon2id$v=19$m=4000000,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
                "an argon2id hash that takes more than 1 GiB or 100 passes to check",
            ),
        ] {
            assert_eq!(PasswordHash::parse(text).unwrap_err(), want, "{text}");
        }
    }

    #[test]
    fn equality_of_bytes() {
        assert!(same(b"", b"") && same(b"abc", b"abc"));
        assert!(!same(b"ab", b"abc") && !same(b"abc", b"ab") && !same(b"", b"a") && !same(b"a\0", b"a"));
    }

    #[test]
    fn generated_passwords_are_readable_and_differ() {
        let (first, second) = (generate().unwrap(), generate().unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), 19);
        assert!(first.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    }
}
