//! `DecodeStream`: reads pieces of bytes as they come, answers what is in them. No task and no queue: the call reads on
//! only when its answers are taken, and ends when it is dropped.

use bytes::{Buf as _, Bytes};
use futures_util::Stream;
use tonic::{Status, Streaming};
use warp2api_proto::codec::v1::decode_stream_request::Part;
use warp2api_proto::codec::v1::decode_stream_response::{DecodedFrame, Ended, Event, FrameFault};
use warp2api_proto::codec::v1::{
    ByteRange, DecodeStreamConfig, DecodeStreamRequest, DecodeStreamResponse, FaultPolicy, FrameFaultKind,
    StreamFraming,
};
use warp2api_rpc::Failure;

use super::fields;
use crate::schema::MessageType;
use crate::stream::{Decoded, Fault, FaultKind, Frame, Framing, Splitter};
use crate::transcode::{Options, Unknown};
use crate::workshop::{SHORT, Workshop};

const DEFAULT_TYPE: &str = "messageTypes/warp.multi_agent.v1.ResponseEvent";
/// What an answer costs beside its bytes, in bytes, when turns are shared out.
const COST_OF_AN_ANSWER: usize = 256;

/// The answers to a stream of requests.
pub(super) fn answers(
    requests: Streaming<DecodeStreamRequest>,
    workshop: Workshop,
) -> impl Stream<Item = Result<DecodeStreamResponse, Status>> + Send {
    let call = Call { requests, workshop, phase: Phase::Beginning, since_a_pause: 0 };
    futures_util::stream::try_unfold(call, |mut call| async move {
        let event = call.event().await?;
        Ok(event.map(|event| (DecodeStreamResponse { event: Some(event) }, call)))
    })
}

struct Call {
    requests: Streaming<DecodeStreamRequest>,
    workshop: Workshop,
    phase: Phase,
    /// How many bytes were worked on since others had a turn.
    since_a_pause: usize,
}

enum Phase {
    Beginning,
    Reading(Box<Reading>),
    Over,
}

struct Reading {
    config: Config,
    splitter: Splitter,
    /// What is left of the piece that came last.
    piece: Bytes,
    /// Whether no piece comes any more.
    is_finished: bool,
    /// Whether a fault ended it.
    is_stopped: bool,
    faults: u64,
}

/// A config that was checked.
struct Config {
    message_type: &'static MessageType,
    framing: Option<Framing>,
    options: Options,
    stops: bool,
}

impl Call {
    /// What happens next, none after the end.
    async fn event(&mut self) -> Result<Option<Event>, Status> {
        if let Phase::Beginning = self.phase {
            let config = Config::parse(self.requests.message().await?)?;
            self.phase = Phase::Reading(Box::new(Reading::new(config)));
        }
        let Phase::Reading(reading) = &mut self.phase else { return Ok(None) };
        let Some(frame) = reading.frame(&mut self.requests).await? else {
            let event = reading.ended();
            self.phase = Phase::Over;
            return Ok(Some(event));
        };
        self.since_a_pause += frame.size().min(SHORT) + COST_OF_AN_ANSWER;
        if self.since_a_pause > SHORT {
            self.since_a_pause = 0;
            tokio::task::yield_now().await;
        }
        reading.decode(frame, &self.workshop).await.map(Some).map_err(Status::from)
    }
}

impl Reading {
    fn new(config: Config) -> Self {
        let splitter = Splitter::new(config.framing);
        let piece = Bytes::new();
        Self { config, splitter, piece, is_finished: false, is_stopped: false, faults: 0 }
    }

    /// The next frame, none when there is none any more.
    async fn frame(
        &mut self,
        requests: &mut Streaming<DecodeStreamRequest>,
    ) -> Result<Option<Frame>, Status> {
        if self.is_stopped {
            return Ok(None);
        }
        while !self.is_finished {
            if let Some(frame) = self.frame_at_hand() {
                return Ok(Some(frame));
            }
            match requests.message().await? {
                Some(DecodeStreamRequest { part: Some(Part::Data(piece)) }) => self.piece = piece,
                Some(DecodeStreamRequest { part: Some(Part::Config(_)) }) => {
                    return Err(Failure::invalid("config", "must come once, before the data").into());
                }
                Some(DecodeStreamRequest { part: None }) => {
                    return Err(Failure::invalid("part", "must be set").into());
                }
                None => self.is_finished = true,
            }
        }
        Ok(self.splitter.finish())
    }

    /// The next frame in the piece that came last.
    fn frame_at_hand(&mut self) -> Option<Frame> {
        let mut rest = &self.piece[..];
        let frame = self.splitter.next(&mut rest);
        let taken = self.piece.len() - rest.len();
        self.piece.advance(taken);
        frame
    }

    async fn decode(&mut self, frame: Frame, workshop: &Workshop) -> Result<Event, Failure> {
        let (index, range) = (number(frame.index), range(&frame));
        let Config { message_type, options, .. } = self.config;
        match workshop.run(frame.size(), move || frame.decode(message_type, options)).await? {
            Ok(Decoded { message_size, json, unterminated }) => {
                let message_size = number(message_size as u64);
                Ok(Event::Frame(DecodedFrame { index, range, message_size, json, unterminated }))
            }
            Err(fault) => {
                self.faults += 1;
                self.is_stopped = self.config.stops || fault.kind == FaultKind::FramingLost;
                Ok(Event::Fault(FrameFault {
                    index,
                    range,
                    kind: kind(&fault).into(),
                    message: fault.to_string(),
                    path: fault.path().to_owned(),
                    message_position: fault.message_position().map(|position| number(position as u64)),
                }))
            }
        }
    }

    fn ended(&self) -> Event {
        let framing = match self.splitter.framing() {
            None => StreamFraming::Unspecified,
            Some(Framing::Sse) => StreamFraming::Sse,
            Some(Framing::LengthDelimited) => StreamFraming::LengthDelimited,
        };
        Event::Ended(Ended {
            frame_count: number(self.splitter.frames()),
            fault_count: number(self.faults),
            byte_count: number(self.splitter.bytes()),
            framing: framing.into(),
            done_marker: self.splitter.saw_done_marker(),
            stopped: self.is_stopped,
        })
    }
}

impl Config {
    fn parse(first: Option<DecodeStreamRequest>) -> Result<Self, Failure> {
        let Some(DecodeStreamRequest { part: Some(Part::Config(config)) }) = first else {
            return Err(Failure::invalid("config", "must come before the data"));
        };
        let DecodeStreamConfig { name, framing, field_naming, unknown_fields, fault_policy, .. } = config;
        let name = if name.is_empty() { DEFAULT_TYPE } else { &name };
        let framing = match StreamFraming::try_from(framing) {
            Ok(StreamFraming::Unspecified | StreamFraming::Auto) => None,
            Ok(StreamFraming::Sse) => Some(Framing::Sse),
            Ok(StreamFraming::LengthDelimited) => Some(Framing::LengthDelimited),
            Err(_) => return Err(Failure::invalid("config.framing", "is not a value of StreamFraming")),
        };
        let stops = match FaultPolicy::try_from(fault_policy) {
            Ok(FaultPolicy::Unspecified | FaultPolicy::Continue) => false,
            Ok(FaultPolicy::Stop) => true,
            Err(_) => return Err(Failure::invalid("config.fault_policy", "is not a value of FaultPolicy")),
        };
        let options = Options {
            naming: fields::naming(field_naming, "config.field_naming")?,
            unknown: fields::unknown(unknown_fields, Unknown::Keep, "config.unknown_fields")?,
            server_message_data: config.show_server_message_data,
        };
        Ok(Self { message_type: fields::message_type(name, "config.name")?, framing, options, stops })
    }
}

fn kind(fault: &Fault) -> FrameFaultKind {
    match fault.kind {
        FaultKind::NotBase64 => FrameFaultKind::NotBase64,
        FaultKind::MalformedMessage => FrameFaultKind::MalformedMessage,
        FaultKind::TooLarge => FrameFaultKind::TooLarge,
        FaultKind::Incomplete => FrameFaultKind::Incomplete,
        FaultKind::FramingLost => FrameFaultKind::FramingLost,
    }
}

fn range(frame: &Frame) -> Option<ByteRange> {
    Some(ByteRange { start: number(frame.range.start), end: number(frame.range.end) })
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
