//! `Debug` of a lease, written by hand because a lease holds the bearer.

use std::fmt;

use crate::token_pool::v1::Lease;

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("lease_id", &self.lease_id)
            .field("credential", &self.credential)
            .field("tier", &self.tier())
            .field("expire_time", &self.expire_time)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_lease_shows_no_bearer() {
        let lease = Lease { lease_id: "l1".into(), bearer: "planted-secret".into(), ..Lease::default() };

        let shown = format!("{lease:?}");

        assert!(shown.contains("l1") && !shown.contains("planted"), "{shown}");
    }
}
