//! User names and password hashes: a file of lines `user:hash`, as `mosquitto_passwd` writes them, or with Argon2.

use std::collections::HashMap;
use std::num::NonZeroU32;

use argon2::{Argon2, PasswordHash, PasswordVerifier};
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use ring::pbkdf2;

/// More than anybody needs, and little enough for a slip of the pen not to stall every login.
const MAX_ITERATIONS: u32 = 100_000_000;

/// What one verification may take of memory, in KiB: 1 GiB.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;

/// Users and the hashes of their passwords.
pub struct PasswordFile {
    users: HashMap<Box<str>, Hash>,
}

/// What a password file says about a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// There is no such user.
    Unknown,
    Wrong,
    Right,
}

enum Hash {
    /// `$argon2id$…`, in PHC string format, checked.
    Argon2(Box<str>),
    /// `$7$iterations$salt$hash`: PBKDF2 with HMAC-SHA-512.
    Pbkdf2 { iterations: NonZeroU32, salt: Box<[u8]>, hash: Box<[u8]> },
}

impl PasswordFile {
    /// Reads the text of a file. Every fault comes at once, each with the number of its line.
    pub fn parse(text: &str) -> Result<PasswordFile, Vec<String>> {
        let mut users = HashMap::new();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            // A name is what stands in front of the first colon: a hash has none.
            let entry = match line.split_once(':') {
                None => Err("is not user:hash"),
                Some(("", _)) => Err("has no user name"),
                Some((user, _)) if users.contains_key(user) => Err("has a user name that stands further up already"),
                Some((user, hash)) => Hash::parse(hash).map(|hash| (user, hash)),
            };
            match entry {
                Ok((user, hash)) => {
                    users.insert(user.into(), hash);
                }
                // The line itself is not shown: it may be a password that somebody has forgotten to hash.
                Err(fault) => faults.push(format!("line {} {fault}", index + 1)),
            }
        }
        if faults.is_empty() {
            Ok(PasswordFile { users })
        } else {
            Err(faults)
        }
    }

    /// Compares a password with the hash of a user's. Takes as long for a user that there is not as for one that there is,
    /// so that nobody learns names from it. Takes milliseconds by design: not for threads that serve clients.
    pub fn check(&self, user: &str, password: &[u8]) -> Checked {
        match self.users.get(user) {
            Some(hash) if hash.fits(password) => Checked::Right,
            Some(_) => Checked::Wrong,
            None => {
                if let Some(any) = self.users.values().next() {
                    any.fits(password);
                }
                Checked::Unknown
            }
        }
    }
}

impl Hash {
    fn parse(text: &str) -> Result<Hash, &'static str> {
        if text.starts_with("$argon2") {
            let hash = PasswordHash::new(text).map_err(|_| "has a hash that is no PHC string")?;
            let params = argon2::Params::try_from(&hash).map_err(|_| "has Argon2 parameters that are none")?;
            if argon2::Algorithm::try_from(hash.algorithm).is_err() || hash.hash.is_none() || hash.salt.is_none() {
                return Err("has a hash of Argon2 without salt or hash");
            }
            if params.m_cost() > MAX_MEMORY_KIB {
                return Err("wants more than 1 GiB of memory for one verification");
            }
            return Ok(Hash::Argon2(text.into()));
        }
        let Some(rest) = text.strip_prefix("$7$") else {
            return Err("has a hash that is neither $argon2id$… nor $7$…");
        };
        let mut parts = rest.split('$');
        let (Some(iterations), Some(salt), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("has a hash that is not $7$iterations$salt$hash");
        };
        let iterations = iterations.parse().ok().filter(|iterations| *iterations <= MAX_ITERATIONS);
        let iterations = iterations.and_then(NonZeroU32::new).ok_or("has a number of iterations that is none")?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| "has a salt or hash that is not Base64");
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if hash.is_empty() {
            return Err("has an empty hash");
        }
        Ok(Hash::Pbkdf2 { iterations, salt: salt.into(), hash: hash.into() })
    }

    fn fits(&self, password: &[u8]) -> bool {
        match self {
            Hash::Argon2(text) => {
                PasswordHash::new(text).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
            }
            Hash::Pbkdf2 { iterations, salt, hash } => {
                pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, password, hash).is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `mosquitto_passwd` has written it.
    const MOSQUITTO: &str = "carol:$7$101$UYluUdq7VhELiS+n$c5H1PGvfXexqOzH2rKhGFDP0PsvKiFCe7Ol6ZJFvnxEEtxJrCq82ac5dY+wiWUoGxzCj/+mUELv4JgGXjZvK7g==";

    /// Little memory and one pass: it is the format that is tested.
    fn argon2(password: &str) -> String {
        use argon2::password_hash::{PasswordHasher, SaltString};
        let params = argon2::Params::new(argon2::Params::MIN_M_COST, 1, 1, None).unwrap();
        let hasher = Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, params);
        let salt = SaltString::from_b64("c29tZXNhbHRzb21lc2FsdA").unwrap();
        hasher.hash_password(password.as_bytes(), &salt).unwrap().to_string()
    }

    fn pbkdf2_line(password: &str) -> String {
        let mut hash = [0; 64];
        let iterations = NonZeroU32::new(10).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, b"twelve bytes", password.as_bytes(), &mut hash);
        format!("$7$10${}${}", STANDARD.encode(b"twelve bytes"), STANDARD.encode(hash))
    }

    #[test]
    fn both_kinds_of_hashes() {
        let text = format!("# users\n\nalice:{}\r\nbob:{}\n", argon2("wonder"), pbkdf2_line("build"));
        let file = PasswordFile::parse(&text).map_err(|faults| faults.join("\n")).unwrap();
        assert_eq!(file.users.len(), 2);
        for (user, password, checked) in [
            ("alice", "wonder", Checked::Right),
            ("alice", "build", Checked::Wrong),
            ("bob", "build", Checked::Right),
            ("bob", "", Checked::Wrong),
            ("carol", "build", Checked::Unknown),
            ("", "", Checked::Unknown),
        ] {
            assert_eq!(file.check(user, password.as_bytes()), checked, "{user} {password}");
        }
    }

    #[test]
    fn the_file_of_another_broker_can_be_taken_over() {
        let file = PasswordFile::parse(MOSQUITTO).map_err(|faults| faults.join("\n")).unwrap();
        assert_eq!(file.check("carol", b"secret"), Checked::Right);
        assert_eq!(file.check("carol", b"Secret"), Checked::Wrong);
    }

    #[test]
    fn all_faults_with_their_lines() {
        let good = pbkdf2_line("x");
        let text = format!(
            "a:{good}\nno colon\n:{good}\na:{good}\nb:plain\nc:$7$0$AA==$AA==\nd:$7$10$!$AA==\ne:$7$10$AA==\n\
             f:$argon2id$v=19$m=99999999,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNo\ng:$argon2id$nonsense\nh:$6$salt$hash\n"
        );
        let faults = PasswordFile::parse(&text).err().unwrap();
        assert_eq!(
            faults,
            [
                "line 2 is not user:hash",
                "line 3 has no user name",
                "line 4 has a user name that stands further up already",
                "line 5 has a hash that is neither $argon2id$… nor $7$…",
                "line 6 has a number of iterations that is none",
                "line 7 has a salt or hash that is not Base64",
                "line 8 has a hash that is not $7$iterations$salt$hash",
                "line 9 wants more than 1 GiB of memory for one verification",
                "line 10 has a hash of Argon2 without salt or hash",
                "line 11 has a hash that is neither $argon2id$… nor $7$…",
            ]
        );
    }
}
