//! The messages of an answer that may become output, in the order they came, and how changes are taken back.
//!
//! Most events are about the message of the event before, so that one is found without a look-up.

use std::collections::{BTreeMap, HashMap};
use std::mem::discriminant;

use crate::warp::message::Content;

/// A message as built so far.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) id: String,
    pub(super) content: Content,
    /// How many bytes of its text were sent on.
    pub(super) sent: usize,
    /// Whether it belongs to the caller's view: not to a subtask.
    pub(super) visible: bool,
}

impl Slot {
    /// Changes the content other than by an append, and settles how much of the new text counts as sent.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Content)) {
        let kind = discriminant(&self.content);
        let sent = self.content.text()[..self.sent].to_owned();
        change(&mut self.content);
        if discriminant(&self.content) != kind {
            self.sent = 0;
        } else if !self.content.text().starts_with(&sent) {
            // A correction of text that was sent. What was sent stays; what follows the correction is told.
            tracing::warn!(sent_bytes = sent.len(), "the upstream corrected text that was sent already");
            self.sent = self.content.text().len();
        }
    }
}

/// All messages of an answer. A message keeps its place as long as it is there.
#[derive(Debug, Default)]
pub(super) struct Slots {
    all: Vec<Slot>,
    places: HashMap<String, usize>,
    /// The place that was found last.
    latest: usize,
    transaction: Option<Transaction>,
}

/// What to go back to.
#[derive(Debug)]
struct Transaction {
    /// How many messages there were. Those after them are new.
    known: usize,
    /// The messages among them that changed, as they were.
    before: BTreeMap<usize, Slot>,
}

impl Slots {
    /// The place of a message.
    pub(super) fn find(&mut self, id: &str) -> Option<usize> {
        if self.all.get(self.latest).is_none_or(|slot| slot.id != id) {
            self.latest = *self.places.get(id)?;
        }
        Some(self.latest)
    }

    /// Adds a message that is not there yet, and gives its place.
    pub(super) fn add(&mut self, slot: Slot) -> usize {
        self.latest = self.all.len();
        self.places.insert(slot.id.clone(), self.latest);
        self.all.push(slot);
        self.latest
    }

    /// The message at `place`, to be changed in a way that an open transaction can take back.
    pub(super) fn change(&mut self, place: usize) -> &mut Slot {
        let slot = &mut self.all[place];
        if let Some(transaction) = &mut self.transaction
            && place < transaction.known
        {
            transaction.before.entry(place).or_insert_with(|| slot.clone());
        }
        slot
    }

    /// The message at `place`, to note what was sent of it.
    pub(super) fn at(&mut self, place: usize) -> &mut Slot {
        &mut self.all[place]
    }

    /// All messages in their order.
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Slot> {
        self.all.iter()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Opens a transaction, unless one is open.
    pub(super) fn begin(&mut self) {
        let known = self.all.len();
        self.transaction.get_or_insert_with(|| Transaction { known, before: BTreeMap::new() });
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// Ends the open transaction and keeps its changes.
    pub(super) fn commit(&mut self) {
        self.transaction = None;
    }

    /// Ends the open transaction and takes its changes back. Gives the text of the answer that was sent and is no
    /// more.
    pub(super) fn roll_back(&mut self) -> String {
        let mut lost = String::new();
        let Some(Transaction { known, before }) = self.transaction.take() else { return lost };
        let mut lose = |slot: &Slot, kept: usize| {
            if let Slot { content: Content::Text(text), sent, visible: true, .. } = slot {
                lost.push_str(text.get(kept..*sent).unwrap_or_default());
            }
        };
        for (place, before) in before {
            lose(&self.all[place], before.sent);
            self.all[place] = before;
        }
        for slot in self.all.drain(known..) {
            lose(&slot, 0);
            self.places.remove(&slot.id);
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Append(u8, String),
        Begin,
        Commit,
        RollBack,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u8..5, "[a-z]{1,3}").prop_map(|(id, text)| Step::Append(id, text)),
            2 => Just(Step::Begin),
            1 => Just(Step::Commit),
            1 => Just(Step::RollBack),
        ];
        prop::collection::vec(step, 0..40)
    }

    fn texts(slots: &Slots) -> Vec<(String, String)> {
        slots.iter().map(|slot| (slot.id.clone(), slot.content.text().to_owned())).collect()
    }

    proptest! {
        #[test]
        fn a_roll_back_gives_what_was_there_before_the_transaction(steps in steps()) {
            let mut slots = Slots::default();
            let mut plain: Vec<(String, String)> = Vec::new();
            let mut before = None;
            for step in steps {
                match step {
                    Step::Append(id, text) => {
                        let id = id.to_string();
                        match plain.iter_mut().find(|(known, _)| *known == id) {
                            Some((_, known)) => known.push_str(&text),
                            None => plain.push((id.clone(), text.clone())),
                        }
                        match slots.find(&id) {
                            Some(place) => {
                                let slot = slots.change(place);
                                slot.content = Content::Text(slot.content.text().to_owned() + &text);
                            }
                            None => _ = slots.add(Slot { id, content: Content::Text(text), sent: 0, visible: true }),
                        }
                    }
                    Step::Begin => _ = before.get_or_insert_with(|| plain.clone()),
                    Step::Commit => {
                        before = None;
                        slots.commit();
                    }
                    Step::RollBack => {
                        plain = before.take().unwrap_or(plain);
                        prop_assert_eq!(slots.roll_back(), "", "nothing was sent");
                    }
                }
                if before.is_some() {
                    slots.begin();
                }
                prop_assert_eq!(texts(&slots), plain.clone());
            }
            for (place, (id, _)) in plain.iter().enumerate() {
                prop_assert_eq!(slots.find(id), Some(place));
            }
            prop_assert_eq!(slots.find("never added"), None);
        }
    }

    #[test]
    fn a_roll_back_tells_the_text_that_was_sent_since() {
        let slot = |id: &str, text: &str| {
            let content = Content::Text(text.to_owned());
            Slot { id: id.to_owned(), content, sent: text.len(), visible: true }
        };
        let mut slots = Slots::default();
        let old = slots.add(slot("old", "kept "));
        slots.begin();
        slots.add(slot("hidden", "never seen"));
        slots.at(1).visible = false;
        slots.add(slot("new", "third"));
        *slots.change(old) = slot("old", "kept second ");

        assert_eq!(slots.roll_back(), "second third");

        assert_eq!(texts(&slots), [("old".to_owned(), "kept ".to_owned())]);
    }
}
