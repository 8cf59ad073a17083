//! Who may run, and who stands in line for it: first come, first served. Pure: it wakes nobody and knows no time.

use std::collections::VecDeque;

/// Those who run, counted, and those who wait, each with something to call them by.
#[derive(Debug)]
pub(crate) struct Line<T> {
    running: usize,
    waiting: VecDeque<(u64, T)>,
    next: u64,
}

/// What happens to somebody who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// They run.
    Runs,
    /// They wait, under this number.
    Waits(u64),
    /// There is no room, not even to wait.
    Full,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { running: 0, waiting: VecDeque::new(), next: 0 }
    }
}

impl<T> Line<T> {
    /// Somebody comes. At most `most` run at once and at most `room` wait. Nobody overtakes.
    pub(crate) fn enter(&mut self, most: usize, room: usize, call: impl FnOnce() -> T) -> Place {
        if self.running < most && self.waiting.is_empty() {
            self.running += 1;
            return Place::Runs;
        }
        if self.waiting.len() >= room {
            return Place::Full;
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back((number, call()));
        Place::Waits(number)
    }

    /// Somebody who ran is done. Whoever is next comes from [`next`](Self::next).
    pub(crate) fn leave(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    /// Whose turn it is now, if there is room. They run from now on.
    pub(crate) fn next(&mut self, most: usize) -> Option<T> {
        if self.running >= most {
            return None;
        }
        let (_, call) = self.waiting.pop_front()?;
        self.running += 1;
        Some(call)
    }

    /// Somebody waits no longer. False if it was their turn already: then they run, and have to leave.
    pub(crate) fn give_up(&mut self, number: u64) -> bool {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == number);
        place.is_some_and(|place| self.waiting.remove(place).is_some())
    }

    /// How many run, and how many wait.
    #[cfg(test)]
    pub(crate) fn lengths(&self) -> (usize, usize) {
        (self.running, self.waiting.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Enter,
        Leave,
        GiveUp(prop::sample::Index),
        Limit(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Enter),
            3 => Just(Step::Leave),
            1 => any::<prop::sample::Index>().prop_map(Step::GiveUp),
            1 => (1..5_usize).prop_map(Step::Limit),
        ]
    }

    proptest! {
        #[test]
        fn nobody_overtakes_and_never_do_more_run_or_wait_than_may(
            room in 0..5_usize,
            steps in vec(step(), 1..300),
        ) {
            let mut line = Line::default();
            // The model: who runs is a number, who waits a list of names.
            let (mut most, mut running, mut waiting, mut name) = (2, 0_usize, Vec::<(u64, u32)>::new(), 0_u32);
            for step in steps {
                match step {
                    Step::Enter => {
                        name += 1;
                        match line.enter(most, room, || name) {
                            Place::Runs => {
                                prop_assert!(running < most && waiting.is_empty());
                                running += 1;
                            }
                            Place::Waits(number) => {
                                prop_assert!(waiting.len() < room && (running >= most || !waiting.is_empty()));
                                waiting.push((number, name));
                            }
                            Place::Full => prop_assert!(waiting.len() >= room),
                        }
                    }
                    Step::Leave if running > 0 => {
                        line.leave();
                        running -= 1;
                    }
                    Step::Leave => {}
                    Step::GiveUp(which) if !waiting.is_empty() => {
                        let (number, _) = waiting.remove(which.index(waiting.len()));
                        prop_assert!(line.give_up(number));
                        prop_assert!(!line.give_up(number), "twice");
                    }
                    Step::GiveUp(_) => {}
                    Step::Limit(limit) => most = limit,
                }
                while let Some(called) = line.next(most) {
                    prop_assert!(running < most);
                    prop_assert_eq!(called, waiting.remove(0).1, "first come, first served");
                    running += 1;
                }
                prop_assert!(running >= most || waiting.is_empty(), "nobody waits for nothing");
                prop_assert_eq!(line.lengths(), (running, waiting.len()));
            }
        }
    }
}
