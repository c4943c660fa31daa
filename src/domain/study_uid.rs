//! The Study Instance UID that Relais gives a study when the order brings none: derived, so that it is the same whichever node or
//! restart asks, and stored on first need, so that it is never recomputed.

use uuid::Uuid;

/// `2.25.<uuid>` (PS3.5 B.2), the UUID being version 5 of (site root, kind of number, issuer, number): different issuers and kinds
/// never collide. At most 44 characters.
pub fn derive(site_root: &str, kind: &str, issuer: &str, number: &str) -> String {
    // Each part with its length in front: no choice of parts can imitate another.
    let name: String = [site_root, kind, issuer, number]
        .iter()
        .map(|part| format!("{}:{part};", part.len()))
        .collect();
    format!(
        "2.25.{}",
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).as_u128()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_uid_and_another_issuer_another() {
        let uid = |issuer, number| derive("1.2.250.1.999.1", "filler", issuer, number);
        assert_eq!(uid("1.2.3", "F1"), uid("1.2.3", "F1"));
        assert_ne!(uid("1.2.3", "F1"), uid("1.2.4", "F1"));
        assert_ne!(uid("a", "bF1"), uid("ab", "F1"));
        assert!(uid("1.2.3", "F1").len() <= 64);
    }
}
