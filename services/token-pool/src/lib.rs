//! The credential pool: tiers, leases, refresh.
