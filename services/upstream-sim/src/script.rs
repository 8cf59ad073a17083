//! Turns an answer into the frames of a stream, with the bookkeeping that the real upstream puts around it: the task,
//! the echo of the input, the transaction, the title, the end.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::event::{Event, TextField};
use crate::finish::{Tokens, Usage};
use crate::ids::Ids;
use crate::message::{Message, ToolCall, write_time};
use crate::phrase::{piece_len, pieces};
use crate::reply;
use crate::scenario::{Content, Cut, Delivery, Interruption, Part, Scenario};
use crate::turn::{InputItem, Turn};
use crate::wire::base64;
use crate::wire::frame::Framing;
use crate::wire::writer::Writer;

mod echo;

/// What a body does, step by step.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) steps: VecDeque<Step>,
    pub(crate) interruption: Option<(usize, Interruption)>,
    pub(crate) delivery: Delivery,
}

/// A step of a body.
#[derive(Debug)]
pub(crate) enum Step {
    /// A frame.
    Frame(Bytes),
    /// Frames that append the rest of a text to a message, one for each piece.
    Append(Append),
    /// The same frame at least once, with this time before each.
    Repeat { frame: Bytes, left: u32, every: Duration },
    /// Nothing for this time.
    Pause(Duration),
    /// Nothing more, ever.
    Stall,
    /// The end, with an error of the connection.
    Fail,
}

/// A text on its way into a message.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) task_id: Box<str>,
    pub(crate) message_id: Box<str>,
    pub(crate) field: TextField,
    pub(crate) text: Box<str>,
    /// How much of the text is already sent.
    pub(crate) sent: usize,
    /// The time before each piece.
    pub(crate) every: Duration,
    pub(crate) framing: Framing,
}

/// The script of `scenario` as an answer to `turn`. `now` is the time since the Unix epoch.
pub(crate) fn script(turn: &Turn<'_>, scenario: Scenario, ids: Ids, now: Duration) -> Script {
    let Scenario { interruption, delivery, framing, .. } = scenario;
    let mut steps = match scenario.content {
        Content::Events(events) => {
            events.iter().map(|event| Step::Frame(framing.frame(event.bytes()))).collect()
        }
        Content::Parts(ref parts) => Writing::new(turn, &scenario, ids, now).write(parts),
        Content::Usual => Writing::new(turn, &scenario, ids, now).write(&reply::reply(turn)),
    };
    if scenario.unfinished == Some(Cut::Error) {
        steps.push_back(Step::Fail);
    }
    Script { steps, interruption, delivery }
}

/// A stream being written.
struct Writing<'a> {
    turn: &'a Turn<'a>,
    scenario: &'a Scenario,
    ids: Ids,
    now: Duration,
    conversation_id: String,
    request_id: String,
    task_id: String,
    steps: VecDeque<Step>,
    /// Pieces of text and reasoning.
    pieces: usize,
    calls: u32,
}

/// Opaque to clients; the recorded one.
const SERVER_CALL_PAYLOAD: &str = "IgA=";

impl<'a> Writing<'a> {
    fn new(turn: &'a Turn<'a>, scenario: &'a Scenario, mut ids: Ids, now: Duration) -> Self {
        let conversation_id = match turn.conversation_id {
            "" => ids.uuid(),
            known => known.to_owned(),
        };
        let request_id = ids.uuid();
        let task_id = turn.root().map_or_else(|| ids.uuid(), |task| task.id.to_owned());
        Self {
            turn,
            scenario,
            ids,
            now,
            conversation_id,
            request_id,
            task_id,
            steps: VecDeque::new(),
            pieces: 0,
            calls: 0,
        }
    }

    fn write(mut self, parts: &[Part]) -> VecDeque<Step> {
        self.event(&Event::init(&self.conversation_id, &self.request_id));
        self.bookkeeping();
        self.event(&Event::begin());
        for part in parts {
            self.part(part);
        }
        if self.scenario.unfinished.is_some() {
            return self.steps;
        }
        if self.scenario.finish.is_charged() {
            self.event(&Event::commit());
            if self.turn.root().is_none_or(|task| task.description.is_empty()) {
                self.event(&Event::update_description(&self.task_id, &reply::title(self.turn)));
            }
        }
        let usage = self.scenario.finish.is_charged().then(|| self.usage());
        self.event(&Event::finished_with(
            &self.scenario.finish,
            usage.as_ref(),
            self.scenario.refresh_models,
        ));
        self.steps
    }

    /// The task if it is new, an event of the server, the echo of the input.
    fn bookkeeping(&mut self) {
        let server_call = {
            let (id, call) = (self.ids.uuid(), self.ids.uuid());
            self.finish_message(Message::call_server(&id, &call, SERVER_CALL_PAYLOAD))
        };
        if self.turn.root().is_none() {
            self.event(&Event::create_task(&self.task_id, "", &[server_call]));
        }
        let id = self.ids.uuid();
        let payload = self.server_data();
        let server_event = self.finish_message(Message::server_event(&id, &payload));
        self.add(server_event);
        let mut queries = Vec::new();
        for item in &self.turn.input.items {
            let id = self.ids.uuid();
            let Some(message) = echo::echo(&id, item, self.turn.input.context) else { continue };
            let message = self.finish_message(message);
            if matches!(item, InputItem::UserQuery { .. }) {
                queries.push(message.clone());
            }
            self.add(message);
        }
        for query in queries {
            let query = query.with_server_data(&self.server_data());
            self.event(&Event::update_message(&self.task_id, &query, &["server_message_data"]));
        }
    }

    fn part(&mut self, part: &Part) {
        match part {
            Part::Text(text) => _ = self.text(text, TextField::Output, Duration::ZERO),
            Part::PacedText(text, over) => {
                let count = u32::try_from(pieces(text).count()).unwrap_or(u32::MAX).max(1);
                let every = *over / count;
                self.text(text, TextField::Output, every);
                self.steps.push_back(Step::Pause(every));
            }
            Part::WholeText(text) => {
                let id = self.ids.uuid();
                self.pieces += 1;
                let message = self.finish_message(Message::agent_output(&id, text));
                self.add(message);
            }
            Part::Chunks { count, piece, every } => self.chunks(*count, piece, *every),
            Part::Reasoning(text) => {
                let id = self.text(text, TextField::Reasoning, Duration::ZERO);
                let took = Duration::from_millis(1500);
                let message = Message::reasoning_finished(&id, took).in_task(&self.task_id);
                self.event(&Event::update_message(
                    &self.task_id,
                    &message,
                    &["agent_reasoning.finished_duration"],
                ));
            }
            Part::ToolCall(call) => {
                let (id, call) = (self.ids.uuid(), self.complete(call));
                let message = self.finish_message(Message::call_mcp_tool(&id, &call));
                self.add(message);
            }
            Part::LateToolCall(call) => self.late_call(call),
            Part::ShellCall(command) => {
                let (id, call) = (self.ids.uuid(), self.ids.call());
                let message = self.finish_message(Message::call_shell(&id, &call, command));
                self.add(message);
            }
            Part::RolledBack(text) => {
                self.text(text, TextField::Output, Duration::ZERO);
                self.event(&Event::rollback());
                self.event(&Event::begin());
            }
            Part::Corrected { draft, text } => {
                let id = self.text(draft, TextField::Output, Duration::ZERO);
                let message = Message::agent_output(&id, text).in_task(&self.task_id);
                self.event(&Event::update_message(&self.task_id, &message, &[TextField::Output.mask()]));
            }
            Part::SubtaskText(text) => self.subtask(text),
            Part::Unknown => self.unknown(),
            Part::Event(event) => self.event(event),
            Part::Payload(payload) => {
                let frame = self.scenario.framing.frame_text(payload.as_bytes());
                self.steps.push_back(Step::Frame(frame));
            }
            Part::Bytes(bytes) => self.steps.push_back(Step::Frame(bytes.clone().into())),
            Part::Pause(pause) => self.steps.push_back(Step::Pause(*pause)),
            Part::Stall => self.steps.push_back(Step::Stall),
        }
    }

    /// Adds a message with the first piece of `text` and appends the others. Gives the message's id.
    fn text(&mut self, text: &str, field: TextField, every: Duration) -> String {
        let task_id = self.task_id.clone();
        self.text_in(&task_id, text, field, every)
    }

    fn text_in(&mut self, task_id: &str, text: &str, field: TextField, every: Duration) -> String {
        let id = self.ids.uuid();
        let sent = piece_len(text);
        self.pieces += pieces(text).count();
        let first = match field {
            TextField::Output => Message::agent_output(&id, &text[..sent]),
            TextField::Reasoning => Message::agent_reasoning(&id, &text[..sent]),
        };
        let first = self.finish_message_in(task_id, first);
        self.event(&Event::add_messages(task_id, &[first]));
        if sent < text.len() {
            self.steps.push_back(Step::Append(Append {
                task_id: task_id.into(),
                message_id: id.as_str().into(),
                field,
                text: text.into(),
                sent,
                every,
                framing: self.scenario.framing,
            }));
        }
        id
    }

    fn chunks(&mut self, count: u32, piece: &str, every: Duration) {
        let Some(left) = count.checked_sub(1) else { return };
        let id = self.ids.uuid();
        self.pieces += count as usize;
        let first = self.finish_message(Message::agent_output(&id, piece));
        self.add(first);
        if left > 0 {
            let mut event = Writer::default();
            crate::event::write_append(&mut event, &self.task_id, &id, TextField::Output, piece);
            let frame = self.scenario.framing.frame(event.as_slice());
            self.steps.push_back(Step::Repeat { frame, left, every });
        }
    }

    fn late_call(&mut self, call: &ToolCall) {
        let (id, call) = (self.ids.uuid(), self.complete(call));
        let early = ToolCall { arguments: None, server_id: String::new(), ..call.clone() };
        let early = self.finish_message(Message::call_mcp_tool(&id, &early));
        self.add(early);
        let late = self.finish_message(Message::call_mcp_tool(&id, &call));
        self.event(&Event::update_message(&self.task_id, &late, &["tool_call"]));
    }

    fn subtask(&mut self, text: &str) {
        let subtask = self.ids.uuid();
        self.event(&Event::create_task(&subtask, &self.task_id, &[]));
        self.text_in(&subtask, text, TextField::Output, Duration::ZERO);
    }

    /// Bookkeeping members, then a member, a field, an action and an event that no schema knows.
    fn unknown(&mut self) {
        let model_used = Writer::build(|w| {
            w.string(1, "auto").string(2, "Auto");
        });
        let web_search = Writer::build(|w| {
            w.message(1, |w| _ = w.message(1, |w| _ = w.string(1, "sea")));
        });
        let unknown = Writer::build(|w| {
            w.string(1, "?").uint(2, 7);
        });
        for (member, content) in [(25, model_used), (19, web_search), (21, unknown.clone()), (500, unknown)] {
            let id = self.ids.uuid();
            let message = Message::member(&id, member, content).with_unknown_fields(&[0xc8, 0x3e, 0x07]);
            let message = self.finish_message(message);
            self.add(message);
        }
        self.event(&Event::action_member(99, b""));
        self.event(&Event::raw(&[0x7a, 0][..]));
    }

    /// The call with its ids filled in.
    fn complete(&mut self, call: &ToolCall) -> ToolCall {
        self.calls += 1;
        let mut call = call.clone();
        if call.id.is_empty() {
            call.id = self.ids.call();
        }
        if call.server_id.is_empty() {
            reply::offering_server(self.turn, &call.name).unwrap_or_default().clone_into(&mut call.server_id);
        }
        call
    }

    fn usage(&self) -> Usage {
        let count = |pieces: usize| u32::try_from(pieces).unwrap_or(u32::MAX);
        let tokens = self.scenario.tokens.unwrap_or_else(|| Tokens {
            input: count(reply::count_input(self.turn)),
            output: count(self.pieces),
            ..Tokens::default()
        });
        let model = if self.turn.model.is_empty() { "auto" } else { self.turn.model }.to_owned();
        Usage { form: self.scenario.usage, model, tokens, tool_calls: self.calls }
    }

    fn add(&mut self, message: Message) {
        self.event(&Event::add_messages(&self.task_id, &[message]));
    }

    fn event(&mut self, event: &Event) {
        self.steps.push_back(Step::Frame(self.scenario.framing.frame(event.bytes())));
    }

    /// The message with everything the upstream adds to one.
    fn finish_message(&mut self, message: Message) -> Message {
        let task_id = self.task_id.clone();
        self.finish_message_in(&task_id, message)
    }

    fn finish_message_in(&mut self, task_id: &str, message: Message) -> Message {
        let data = self.server_data();
        message.in_task(task_id).with_server_data(&data).stamped(&self.request_id, self.now)
    }

    /// Opaque to clients: a uuid and a time, in base64.
    fn server_data(&mut self) -> String {
        let data = Writer::build(|w| {
            w.string(1, &self.ids.uuid()).message(3, |w| write_time(w, self.now));
        });
        let mut text = Vec::new();
        base64::encode_padded(&data, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }
}
