//! Which credential belongs to a key: rendezvous hashing. Pure, and without a memory.
//!
//! Each pair of key and credential has a score, and the highest one wins. So calls with one key get one credential
//! for as long as it can serve; where it cannot, its keys spread over the others, and come back with it. It is the
//! same in every process and after a restart.

use crate::credential::CredentialId;

/// A key, digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Affinity(u64);

impl Affinity {
    pub(crate) fn of(key: &str) -> Self {
        Self(fnv1a(FNV_OFFSET, key.as_bytes()))
    }

    /// How much the key belongs to a credential.
    pub(crate) fn score(self, credential: &CredentialId) -> u64 {
        mixed(fnv1a(self.0, credential.as_str().as_bytes()))
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

/// FNV leaves the high bits of short texts nearly equal, and they decide: this spreads them.
fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids() -> Vec<CredentialId> {
        (0..10)
            .map(|n| CredentialId::parse(&format!("{:08x}", n * 0x1234_5671_u64 % 0xffff_ffff)).unwrap())
            .collect()
    }

    fn winner<'a>(key: &str, ids: &'a [CredentialId]) -> &'a CredentialId {
        ids.iter().max_by_key(|id| Affinity::of(key).score(id)).unwrap()
    }

    #[test]
    fn keys_spread_evenly_and_only_those_of_a_credential_that_goes_move() {
        let ids = ids();
        let keys: Vec<_> = (0..10_000).map(|n| format!("conversation-{n}")).collect();
        let gone = &ids[3];
        let rest: Vec<_> = ids.iter().filter(|id| *id != gone).cloned().collect();
        for id in &ids {
            let share = keys.iter().filter(|key| winner(key, &ids) == id).count();
            assert!((850..1150).contains(&share), "{id}: {share}");
        }
        for key in &keys {
            let before = winner(key, &ids);
            assert!(before == gone || winner(key, &rest) == before, "{key}");
        }
    }

    #[test]
    fn scores_are_the_same_everywhere() {
        let id = CredentialId::parse("0123abcd").unwrap();

        assert_eq!(Affinity::of("a").score(&id), 6_143_722_533_988_506_635);
    }
}
