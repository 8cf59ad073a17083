//! How much was used in the last minute. Pure: it is told the time.
//!
//! Seconds are counted, and one more than a minute of them is looked at, so that what fits never adds up to more than
//! the limit in any sixty seconds, wherever they begin. The price: what was used counts for up to a second longer.

use std::time::Duration;

/// A minute, and the second it began in.
const SLOTS: usize = 61;
const SLOT: u64 = 1000;

/// What was used, by the second.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    slots: [u64; SLOTS],
    /// The number of the latest second that was seen.
    latest: u64,
    total: u64,
}

/// When something was taken, to give it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    second: u64,
    amount: u64,
}

impl Default for Window {
    fn default() -> Self {
        Self { slots: [0; SLOTS], latest: 0, total: 0 }
    }
}

impl Window {
    /// What was used, as of `now`, in milliseconds since some moment that does not change. Time that goes back is taken
    /// for time that stands still.
    pub(crate) fn used(&mut self, now: u64) -> u64 {
        let second = now / SLOT;
        if second > self.latest {
            let passed = (second - self.latest).min(SLOTS as u64);
            for gone in 1..=passed {
                let slot = self.slot(self.latest + gone);
                self.total -= std::mem::take(slot);
            }
            self.latest = second;
        }
        self.total
    }

    /// Takes an amount if with it no more than `limit` is used. Otherwise after how long it would fit; `None` if it
    /// never does.
    pub(crate) fn take(&mut self, now: u64, amount: u64, limit: u64) -> Result<Taken, Option<Duration>> {
        if self.used(now).saturating_add(amount) <= limit {
            return Ok(self.add(now, amount));
        }
        let Some(room) = limit.checked_sub(amount) else { return Err(None) };
        let mut left = self.total;
        // The oldest second goes first.
        for second in (self.latest + 1).saturating_sub(SLOTS as u64)..=self.latest {
            left -= *self.slot(second);
            if left <= room {
                return Err(Some(until_gone(second, now)));
            }
        }
        Err(None)
    }

    /// Counts an amount, whether it fits or not.
    pub(crate) fn add(&mut self, now: u64, amount: u64) -> Taken {
        self.used(now);
        let amount = amount.min(u64::MAX - self.total);
        *self.slot(self.latest) += amount;
        self.total += amount;
        Taken { second: self.latest, amount }
    }

    /// Gives back all but `kept` of what was taken.
    pub(crate) fn give_back(&mut self, now: u64, taken: Taken, kept: u64) {
        self.used(now);
        if taken.second + SLOTS as u64 > self.latest {
            let amount = taken.amount.saturating_sub(kept);
            *self.slot(taken.second) -= amount;
            self.total -= amount;
        }
    }

    /// After how long nothing counts as used any more.
    pub(crate) fn empty_after(&mut self, now: u64) -> Duration {
        self.used(now);
        let newest_first = ((self.latest + 1).saturating_sub(SLOTS as u64)..=self.latest).rev();
        for second in newest_first {
            if *self.slot(second) > 0 {
                return until_gone(second, now);
            }
        }
        Duration::ZERO
    }

    #[expect(clippy::cast_possible_truncation, reason = "a number below 61")]
    fn slot(&mut self, second: u64) -> &mut u64 {
        &mut self.slots[(second % SLOTS as u64) as usize]
    }
}

impl Taken {
    /// How much it was.
    pub(crate) fn amount(self) -> u64 {
        self.amount
    }
}

fn until_gone(second: u64, now: u64) -> Duration {
    Duration::from_millis(((second + SLOTS as u64) * SLOT).saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_limit(limit in 1..40_u64, steps in vec((0..9_000_u64, 0..12_u64), 1..300)) {
            let (mut window, mut now, mut taken) = (Window::default(), 0, Vec::new());
            for (pause, amount) in steps {
                now += pause;
                if window.take(now, amount, limit).is_ok() {
                    taken.push((now, amount));
                }
                let minute = taken.iter().filter(|(at, _)| at + 60_000 > now).map(|(_, amount)| amount);
                prop_assert!(minute.sum::<u64>() <= limit);
            }
        }

        #[test]
        fn who_waits_as_long_as_told_gets_in_and_not_before(
            limit in 1..20_u64,
            steps in vec((0..5_000_u64, 1..25_u64), 1..100),
        ) {
            let (mut window, mut now) = (Window::default(), 0);
            for (pause, amount) in steps {
                now += pause;
                match window.take(now, amount, limit) {
                    Ok(_) => prop_assert!(amount <= limit),
                    Err(None) => prop_assert!(amount > limit),
                    Err(Some(wait)) => {
                        let wait = u64::try_from(wait.as_millis()).unwrap();
                        prop_assert!((1..=61_000).contains(&wait));
                        prop_assert!(window.clone().take(now + wait - 1, amount, limit).is_err());
                        now += wait;
                        prop_assert!(window.take(now, amount, limit).is_ok());
                    }
                }
            }
        }

        #[test]
        fn what_is_given_back_is_as_if_never_taken(steps in vec((0..9_000_u64, 0..12_u64, any::<bool>()), 1..100)) {
            let (mut window, mut without, mut now, mut out) = (Window::default(), Window::default(), 0, Vec::new());
            for (pause, amount, returned) in steps {
                now += pause;
                let taken = window.add(now, amount);
                if returned { out.push(taken) } else { without.add(now, amount); }
                if out.len() > 3 {
                    out.drain(..).for_each(|taken| window.give_back(now, taken, 0));
                    prop_assert_eq!(window.used(now), without.used(now));
                    prop_assert_eq!(window.empty_after(now), without.empty_after(now));
                }
            }
        }
    }

    #[test]
    fn it_says_when_everything_is_free_again() {
        let mut window = Window::default();
        assert_eq!(window.empty_after(5), Duration::ZERO);
        window.add(500, 1);
        window.add(2_700, 1);
        assert_eq!(window.empty_after(3_000), Duration::from_secs(60));
        assert_eq!(window.take(3_000, 1, 2), Err(Some(Duration::from_secs(58))));
        assert_eq!(window.used(63_000), 0);
    }
}
