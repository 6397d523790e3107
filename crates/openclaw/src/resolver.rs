//! How OpenClaw gets its gateway's token without it standing in a file, an argument or the environment.
//!
//! OpenClaw's configuration names a program that resolves references (an "exec provider"). That program is
//! [`SCRIPT`], which runs [`main`] in the jail; the warden runs [`answer`] on the socket's other end. The socket is
//! answered once and then closed: what runs in the jail afterwards finds nobody there. If something else came first,
//! OpenClaw gets no token and does not start.

mod answer;
mod relay;

use crate::Error;
pub use answer::answer;
pub use relay::main;

/// The provider's name in the configuration.
pub const PROVIDER: &str = "creel";
/// The reference's name.
pub const TOKEN_ID: &str = "gateway/token";
/// Where the program stands in the jail. OpenClaw takes it if it is a plain file, owned by the gateway's own user, not
/// writable to others; the made /etc is read-only.
pub const PATH: &str = "/etc/openclaw/resolver";
/// The program.
pub const SCRIPT: &str = "#!/creel/creel resolve-secrets\n";
/// What every token starts with, so that a search finds one that leaked.
pub const TOKEN_PREFIX: &str = "creel-gw-";

/// A question or an answer is never longer: OpenClaw asks for one reference, in about 70 bytes.
const LONGEST: usize = 4096;

/// A new token: [`TOKEN_PREFIX`] and 256 random bits.
pub fn new_token() -> Result<String, Error> {
    use std::fmt::Write as _;
    let mut random = [0u8; 32];
    getrandom::fill(&mut random)
        .map_err(|error| Error::Host { act: "get random bytes".to_owned(), source: std::io::Error::other(error) })?;
    let mut token = TOKEN_PREFIX.to_owned();
    for byte in random {
        let _ = write!(token, "{byte:02x}");
    }
    Ok(token)
}

/// What OpenClaw asks for with a webhook, made of its gateway's token so that both ends know it; it does not lead back. It can't be
/// resolved like the gateway's own and stands in OpenClaw's configuration: whoever holds it can have the agent read something.
#[must_use]
pub fn hook_token(gateway: &str) -> String {
    use sha2::Digest as _;
    use std::fmt::Write as _;
    let digest = sha2::Sha256::new().chain_update(b"creel webhooks\n").chain_update(gateway).finalize();
    digest.iter().fold(String::from("creel-hook-"), |mut token, byte| {
        let _ = write!(token, "{byte:02x}");
        token
    })
}

/// Reading the question for a token never panics; only the one with the known reference is answered.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_question(bytes: &[u8]) {
    if answer::check(bytes).is_ok() {
        let text = String::from_utf8_lossy(bytes);
        assert!(text.contains('1') && text.contains("ids"), "a question has a version and a reference");
    }
}

#[cfg(test)]
mod tests;
