//! Pure ordering: from the caller's list of messages to what the upstream's models demand.
//!
//! Every tool call is followed at once by exactly one result. Results may come in any order, a call may have none,
//! an id may be used in several rounds, a result may belong to no call: nothing is lost and nothing fails. The order
//! of everything else is kept.
//!
//! - The results of the last round are the input of the turn, all together, if nothing was said after it.
//! - A call without a result gets one that says it was cancelled.
//! - A result without a call becomes words of the user that quote it.
//! - An id that was used before gets a suffix, in the call and in its result.
//! - A conversation that ends with the model's words asks to go on.
//! - A conversation of nothing but instructions asks them.

use std::collections::{HashMap, HashSet};

use crate::conversation::{Answer, AnswerContent, AnswerPart, Call, Item, Parsed, UserTurn};

/// A conversation in the order the upstream wants.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arranged {
    /// What the application says, all of it, on every turn. Empty means nothing.
    pub(crate) instructions: String,
    /// What was. Calls are followed by their answers, but for those of the last round when they are the input.
    pub(crate) history: Vec<Item>,
    /// What is new.
    pub(crate) input: Input,
}

/// What is new in a turn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Input {
    /// The person spoke.
    Query(UserTurn),
    /// The tools of the last round answered.
    Answers(Vec<Answer>),
    /// The model is to go on.
    Continue,
}

/// Puts a conversation in order.
pub(crate) fn arrange(parsed: Parsed) -> Arranged {
    let mut instructions = parsed.instructions.join("\n\n");
    let mut steps = pair(parsed.items);
    make_ids_unique(&mut steps);
    let input = match steps.pop() {
        None => Input::Query(UserTurn { text: std::mem::take(&mut instructions), images: Vec::new() }),
        Some(Step::Said(Item::User(turn))) => Input::Query(turn),
        Some(last @ Step::Called(..)) => {
            steps.push(last);
            let open = steps.iter().rposition(|step| !is_open(step, steps.last()));
            Input::Answers(take_answers(&mut steps[open.map_or(0, |index| index + 1)..]))
        }
        Some(last) => {
            steps.push(last);
            Input::Continue
        }
    };
    let history = steps.into_iter().flat_map(Step::into_items).collect();
    Arranged { instructions, history, input }
}

/// A step of a conversation: something said, or a call with its answer.
enum Step {
    Said(Item),
    /// The call, the round it was made in, and its answer until that is taken as input.
    Called(Call, usize, Option<Answer>),
}

impl Step {
    fn answer_with(&mut self, given: Answer) {
        if let Self::Called(_, _, answer) = self {
            *answer = Some(given);
        }
    }

    fn cancel(&mut self) {
        if let Self::Called(call, _, answer) = self {
            *answer = Some(Answer { call_id: call.id.clone(), content: AnswerContent::Cancelled });
        }
    }

    fn into_items(self) -> impl Iterator<Item = Item> {
        let (first, second) = match self {
            Self::Said(item) => (item, None),
            Self::Called(call, _, answer) => (Item::Call(call), answer.map(Item::Answer)),
        };
        std::iter::once(first).chain(second)
    }
}

/// Whether `step` is a call of the same round as `last`.
fn is_open(step: &Step, last: Option<&Step>) -> bool {
    match (step, last) {
        (Step::Called(_, round, _), Some(Step::Called(_, last, _))) => round == last,
        _ => false,
    }
}

/// Gives every call its answer. A round is a run of calls with nothing between them.
fn pair(items: Vec<Item>) -> Vec<Step> {
    let mut steps = Vec::with_capacity(items.len());
    let (mut round, mut in_round) = (0, false);
    // Calls without an answer so far, by id, each with its place; the last one is the nearest.
    let mut open: HashMap<String, Vec<usize>> = HashMap::new();
    // Answers that came before their call, if it comes at all: where they stood.
    let mut early = Vec::new();
    for item in items {
        match item {
            Item::Call(call) => {
                round += usize::from(!in_round);
                in_round = true;
                open.entry(call.id.clone()).or_default().push(steps.len());
                steps.push(Step::Called(call, round, None));
            }
            Item::Answer(answer) => {
                in_round = false;
                match open.get_mut(&answer.call_id).and_then(Vec::pop) {
                    Some(place) => steps[place].answer_with(answer),
                    None => early.push((steps.len(), answer)),
                }
            }
            said => {
                in_round = false;
                steps.push(Step::Said(said));
            }
        }
    }
    let mut orphans = Vec::new();
    for (place, answer) in early {
        let places = open.get_mut(&answer.call_id);
        let later = places.and_then(|places| {
            let index = places.partition_point(|call| *call < place);
            (index < places.len()).then(|| places.remove(index))
        });
        match later {
            Some(call) => steps[call].answer_with(answer),
            None => orphans.push((place, answer)),
        }
    }
    for place in open.into_values().flatten() {
        steps[place].cancel();
    }
    with_orphans(steps, orphans)
}

/// Puts results without a call where they stood.
fn with_orphans(steps: Vec<Step>, orphans: Vec<(usize, Answer)>) -> Vec<Step> {
    if orphans.is_empty() {
        return steps;
    }
    let mut all = Vec::with_capacity(steps.len() + orphans.len());
    let mut orphans = orphans.into_iter().peekable();
    let mut insert_up_to = |all: &mut Vec<Step>, place: usize| {
        while let Some((_, orphan)) = orphans.next_if(|(at, _)| *at <= place) {
            all.push(Step::Said(Item::User(quote(orphan))));
        }
    };
    for (place, step) in steps.into_iter().enumerate() {
        insert_up_to(&mut all, place);
        all.push(step);
    }
    insert_up_to(&mut all, usize::MAX);
    all
}

/// Takes the answers out of the last round.
fn take_answers(round: &mut [Step]) -> Vec<Answer> {
    let answers = round.iter_mut().filter_map(|step| match step {
        Step::Called(_, _, answer) => answer.take(),
        Step::Said(_) => None,
    });
    answers.collect()
}

/// A result that belongs to no call, as words of the user.
fn quote(answer: Answer) -> UserTurn {
    let mut images = Vec::new();
    let text = match answer.content {
        AnswerContent::Parts(parts) => {
            let texts = parts.into_iter().filter_map(|part| match part {
                AnswerPart::Text(text) => Some(text),
                AnswerPart::Image(image) => {
                    images.push(image);
                    None
                }
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        AnswerContent::Error(text) => text,
        AnswerContent::Cancelled => String::new(),
    };
    UserTurn { text: format!("Result of the tool call {}:\n{text}", answer.call_id), images }
}

/// Ids that are used again get the first free suffix.
fn make_ids_unique(steps: &mut [Step]) {
    let mut taken: HashSet<String> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Called(call, ..) => Some(call.id.clone()),
            Step::Said(_) => None,
        })
        .collect();
    // The suffix to try next for each id that was seen.
    let mut seen: HashMap<String, u64> = HashMap::new();
    for step in steps {
        let Step::Called(call, _, answer) = step else { continue };
        let Some(next) = seen.get_mut(&call.id) else {
            seen.insert(call.id.clone(), 2);
            continue;
        };
        let mut free = format!("{}-{next}", call.id);
        while taken.contains(&free) {
            *next += 1;
            free = format!("{}-{next}", call.id);
        }
        taken.insert(free.clone());
        if let Some(answer) = answer {
            answer.call_id.clone_from(&free);
        }
        call.id = free;
    }
}

#[cfg(test)]
mod tests;
