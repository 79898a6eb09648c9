//! What an AWS account is called: its id, or a pseudonym of it.

/// Digits of an AWS account id.
pub const ID_DIGITS: usize = 12;
/// What a pseudonym begins with.
const PSEUDONYM: &str = "account-";
/// Letters after it, of 16: none of them is a digit, so that a pseudonym never looks like an id. 48 bits keep 10,000
/// accounts apart but for one chance in five million.
const LETTERS: usize = 12;

/// Returns whether a text is an AWS account id.
pub fn is_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the pseudonym that a digest gives.
pub fn pseudonym(digest: &[u8]) -> String {
    let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let letters = halves.take(LETTERS).map(|half| char::from(b'a' + half));
    PSEUDONYM.chars().chain(letters).collect()
}

/// Returns whether a text is a pseudonym of an account, as `--redact-accounts` writes it.
pub fn is_pseudonym(text: &str) -> bool {
    let letters = text.strip_prefix(PSEUDONYM);
    letters.is_some_and(|letters| {
        letters.len() == LETTERS && letters.bytes().all(|letter| (b'a'..=b'p').contains(&letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_pseudonyms_are_told_apart() {
        let name = pseudonym(&[0x00, 0x1f, 0xab, 0xff, 0x90, 0x42, 0x77]);
        assert_eq!(name, "account-aabpklppjaec");
        assert!(is_pseudonym(&name) && !is_id(&name) && is_id("012345678901"));
        for wrong in ["account 1", "account-", "account-aabpklppjaez", "01234567890", "account"] {
            assert!(!is_pseudonym(wrong) && !is_id(wrong), "{wrong}");
        }
    }
}
