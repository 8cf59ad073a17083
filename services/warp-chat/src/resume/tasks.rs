//! Pure builder: the tasks of a conversation as the upstream builds them, out of the events of its answers.
//!
//! Messages stay as the upstream sent them, to the byte; edits by masks, moves and transactions are applied. What no
//! schema of ours knows is kept. An event that does not fit what is there is an error: the state is of no use then.

use bytes::Bytes;
use warp2api_proto::warp::multi_agent::v1::message::UserQuery;

use super::mask::MaskError;
use super::task::{self, OpenCall, Task};
use super::wire::{self, Malformed};

/// An event does not fit the tasks that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// Bytes or a mask are at fault.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// A task or message has no id.
    #[error("a task or message has no id")]
    NoId,
    /// An event is about a task that is not there.
    #[error("an event is about an unknown task")]
    UnknownTask,
    /// An event is about a message that is not there.
    #[error("an event is about an unknown message")]
    UnknownMessage,
    /// A range of messages is not as long as the upstream thinks.
    #[error("a range of messages is not the expected one")]
    Range,
    /// The upstream goes on in another conversation.
    #[error("the upstream began another conversation")]
    Forked,
}

impl From<Malformed> for StateError {
    fn from(malformed: Malformed) -> Self {
        Self::Mask(malformed.into())
    }
}

/// What an edit does with a task, a message and the paths of a mask.
type Edit = fn(&mut Task, &[u8], &[&str]) -> Result<(), StateError>;

/// The tasks as built so far. Clones share the bytes.
#[derive(Clone, Default)]
pub(crate) struct Tasks {
    tasks: Vec<Task>,
    /// What they were when the open transaction began.
    saved: Option<Vec<Task>>,
    conversation_id: String,
    finished: bool,
}

impl std::fmt::Debug for Tasks {
    /// Shows no content: it is a conversation.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tasks").field("count", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Tasks {
    /// The tasks of a request's task context.
    pub(crate) fn of_context(context: &[u8]) -> Result<Self, StateError> {
        let tasks = wire::contents(context, 1)?.into_iter().map(Task::parse);
        Ok(Self { tasks: tasks.collect::<Result<_, _>>()?, ..Self::default() })
    }

    /// The id the upstream gave the conversation; empty if it gave none.
    pub(crate) fn conversation_id(&self) -> &str {
        &self.conversation_id
    }

    /// Whether the upstream has said that the turn is over.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// The same tasks, for the events of another turn.
    pub(crate) fn begin_turn(&self) -> Self {
        Self { saved: None, finished: false, ..self.clone() }
    }

    /// About how much memory they take, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.conversation_id.len() + self.tasks.iter().map(Task::size).sum::<usize>()
    }

    /// Applies an event. Those that come after the end change nothing.
    pub(crate) fn apply(&mut self, event: &[u8]) -> Result<(), StateError> {
        const INIT: u32 = 1;
        const CLIENT_ACTIONS: u32 = 2;
        const FINISHED: u32 = 3;
        if self.finished {
            return Ok(());
        }
        for field in wire::fields(event) {
            let field = field?;
            let content = field.content.unwrap_or_default();
            match field.number {
                INIT => self.conversation_id = wire::text(content, 1)?.to_owned(),
                CLIENT_ACTIONS => {
                    wire::contents(content, 1)?.into_iter().try_for_each(|action| self.act(action))?;
                }
                FINISHED => {
                    // What an open transaction holds is kept: the upstream said that all is well.
                    self.saved = None;
                    self.finished = true;
                }
                // An event of the future.
                _ => {}
            }
        }
        Ok(())
    }

    fn act(&mut self, action: &[u8]) -> Result<(), StateError> {
        let Some(member) = wire::fields(action).last().transpose()? else { return Ok(()) };
        let content = member.content.unwrap_or_default();
        match member.number {
            1 => wire::contents(content, 1)?.into_iter().try_for_each(|task| self.create(task)),
            3 => {
                let task = self.task(wire::text(content, 1)?)?;
                wire::contents(content, 2)?.into_iter().try_for_each(|message| task.add(message))
            }
            4 => self.edit(content, Task::update),
            5 => self.edit(content, Task::append),
            8 => self.set_text(content, task::DESCRIPTION),
            9 => {
                self.saved.get_or_insert_with(|| self.tasks.clone());
                Ok(())
            }
            10 => {
                self.saved = None;
                Ok(())
            }
            11 => {
                if let Some(saved) = self.saved.take() {
                    self.tasks = saved;
                }
                Ok(())
            }
            12 => Err(StateError::Forked),
            13 => self.set_text(content, task::SERVER_DATA),
            14 => self.move_messages(content),
            // Suggestions, summaries, actions of the future: nothing a task holds.
            _ => Ok(()),
        }
    }

    fn create(&mut self, task: &[u8]) -> Result<(), StateError> {
        let task = Task::parse(task)?;
        match self.tasks.iter_mut().find(|known| known.id == task.id) {
            Some(known) => *known = task,
            None => self.tasks.push(task),
        }
        Ok(())
    }

    /// Edits that lack their message or their mask are ignored.
    fn edit(&mut self, content: &[u8], edit: Edit) -> Result<(), StateError> {
        let task = self.task(wire::text(content, 3)?)?;
        if wire::contents(content, 1)?.is_empty() || wire::contents(content, 2)?.is_empty() {
            return Ok(());
        }
        let mask = wire::submessage(content, 2)?;
        let paths = wire::contents(&mask, 1)?.into_iter().map(std::str::from_utf8);
        let paths: Vec<_> = paths.collect::<Result<_, _>>().map_err(|_| Malformed)?;
        edit(task, &wire::submessage(content, 1)?, &paths)
    }

    fn set_text(&mut self, content: &[u8], number: u32) -> Result<(), StateError> {
        let text = wire::text(content, 2)?;
        self.task(wire::text(content, 1)?)?.set_text(number, text)
    }

    fn move_messages(&mut self, content: &[u8]) -> Result<(), StateError> {
        let new_task = wire::submessage(content, 2)?;
        let expected = expected_count(content)?;
        let replacement = wire::contents(content, 6)?;
        let (first, last) = (wire::text(content, 3)?, wire::text(content, 4)?);
        let source = self.task(wire::text(content, 1)?)?;
        let moved = source.cut(first, last, expected, &replacement)?;
        self.create(&new_task)?;
        let target = self.task(wire::text(&new_task, 1)?)?;
        moved.iter().try_for_each(|message| target.take_over(message))
    }

    fn task(&mut self, id: &str) -> Result<&mut Task, StateError> {
        self.tasks.iter_mut().find(|task| task.id == id).ok_or(StateError::UnknownTask)
    }

    /// The tasks that the upstream is sent: the root, and those that its own agents still work on.
    fn live(&self) -> Result<(Vec<&Task>, Vec<OpenCall>), StateError> {
        let mut live: Vec<&Task> = self.tasks.iter().find(|task| task.is_root()).into_iter().collect();
        let (mut open, mut next) = (Vec::new(), 0);
        while let Some(task) = live.get(next) {
            next += 1;
            for call in task.open_calls()? {
                let subtask = self.tasks.iter().find(|task| Some(&task.id) == call.subtask.as_ref());
                live.extend(subtask.filter(|subtask| live.iter().all(|known| known.id != subtask.id)));
                open.push(call);
            }
        }
        Ok((live, open))
    }

    /// The ids of the calls that wait for a result of the caller's.
    pub(crate) fn open_calls(&self) -> Result<Vec<String>, StateError> {
        let (_, open) = self.live()?;
        Ok(open.into_iter().filter(|call| !call.is_the_upstreams).map(|call| call.id).collect())
    }

    /// The task context of the next request. `instructions`, if there are any, stand on the last thing the user said;
    /// `None` if the user said nothing that could hold them.
    pub(crate) fn context(&self, instructions: Option<&UserQuery>) -> Result<Option<Bytes>, StateError> {
        let mut context = Vec::new();
        for (index, task) in self.live()?.0.into_iter().enumerate() {
            let encoded = match instructions {
                Some(wanted) if index == 0 => match task.with_attachments(wanted)? {
                    Some(task) => task.encode()?,
                    None => return Ok(None),
                },
                _ => task.encode()?,
            };
            wire::put(&mut context, 1, &encoded);
        }
        Ok(Some(context.into()))
    }
}

/// The one number among the fields of a move.
fn expected_count(content: &[u8]) -> Result<usize, StateError> {
    const EXPECTED: u32 = 5;
    let mut count = 0;
    for field in wire::fields(content) {
        let field = field?;
        if field.number == EXPECTED {
            let mut rest = field.raw;
            let read = prost::encoding::decode_key(&mut rest)
                .and_then(|_| prost::encoding::decode_varint(&mut rest))
                .map_err(|_| Malformed)?;
            count = usize::try_from(read).unwrap_or(usize::MAX);
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests;
