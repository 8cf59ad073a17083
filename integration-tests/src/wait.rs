//! Waiting for a level: a condition that stays true once it is. Never for an edge, never without a bound.

use std::time::Duration;

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `level` is true, looking often.
///
/// # Panics
/// When it is not true in time; `what` says what was waited for.
pub async fn until(what: &str, level: impl Fn() -> bool) {
    let looking = async {
        while !level() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looking).await.is_ok(), "waited in vain until {what}");
}
