//! What everything is compared with: credentials that take turns behind a mutex. It knows no tier, no state and no cap,
//! and nothing survives it.

use std::sync::{Arc, Mutex};

#[derive(Clone)]
pub(crate) struct RoundRobin(Arc<Mutex<Turns>>);

struct Turns {
    credentials: Vec<(String, String)>,
    next: usize,
    reports: u64,
}

impl RoundRobin {
    pub(crate) fn of(credentials: usize) -> Self {
        let credential = |number| (format!("credential {number}"), format!("secret-{number}"));
        let credentials = (0..credentials).map(credential).collect();
        Self(Arc::new(Mutex::new(Turns { credentials, next: 0, reports: 0 })))
    }

    /// The label and the secret of the next one.
    pub(crate) fn acquire(&self) -> (String, String) {
        let mut turns = self.0.lock().unwrap();
        turns.next = (turns.next + 1) % turns.credentials.len();
        turns.credentials[turns.next].clone()
    }

    pub(crate) fn report(&self) {
        self.0.lock().unwrap().reports += 1;
    }
}
