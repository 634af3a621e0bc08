//! Hashes in hexadecimal, as files and results have them.

use std::fmt::Write as _;

/// `bytes` in hexadecimal, two lower-case letters each.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_is_two_letters() {
        assert_eq!(hex(&[0, 10, 255]), "000aff");
    }
}
