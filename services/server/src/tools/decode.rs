//! `warp2api decode`: the bytes of a message to JSON, or a stream of them to lines of JSON as it comes.

use std::io::Write;
use std::path::PathBuf;

use warp2api_codec::stream::{self, Framing, Splitter};
use warp2api_codec::{MessageType, Naming, Options, transcode};

use super::failure::Failure;
use super::form::{self, FormArgs};
use super::input::Input;
use super::names::resolve;
use super::pretty::pretty;
use super::{Unknown, invite, line, output};

const ONE: &str = "warp.multi_agent.v1.Request";
const MANY: &str = "warp.multi_agent.v1.ResponseEvent";
const BUFFER: usize = 64 * 1024;

/// Turns the bytes of a message into JSON, or a stream of messages into lines of JSON.
///
/// Without --base64, --hex or --raw the form is told from the bytes: server-sent events are decoded as a stream, text
/// that is base64 as base64, anything else as raw bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo EgoyCAoGCgQKAmhpIgMKAWM= | warp2api decode
  warp2api decode --ranges < recorded_response_body.txt | jq .message
  warp2api decode --stream --framing length-delimited Task -i tasks.bin")]
pub struct DecodeArgs {
    /// The message type: its full name, or as much of its end as tells it from others. Without it, Request, and of a
    /// stream ResponseEvent.
    #[arg(value_name = "TYPE")]
    message_type: Option<String>,
    /// Where to read the bytes; `-` is standard input.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where to write the JSON instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    /// Decode a stream of messages, each as soon as it is there.
    #[arg(long, conflicts_with_all = ["base64", "hex", "raw"])]
    stream: bool,
    /// How the messages of a stream follow each other; told from the first bytes if not said.
    #[arg(long, value_enum, requires = "stream")]
    framing: Option<FramingArg>,
    /// Of a stream, write `{"index", "start", "end", "message"}` for each message, `start` and `end` counting bytes, and
    /// `{"index", "start", "end", "error"}` for what cannot be decoded, which else is told on standard error.
    #[arg(long)]
    ranges: bool,
    /// End a stream at the first message that cannot be decoded.
    #[arg(long)]
    stop: bool,
    /// Write names in camelCase.
    #[arg(long)]
    camel: bool,
    /// What to do with fields that the schema does not have. `keep` writes them under `@unknown`.
    #[arg(long, value_enum, default_value_t = Unknown::Keep)]
    unknown: Unknown,
    /// Show what is in the opaque fields `server_message_data`.
    #[arg(long)]
    server_message_data: bool,
    /// Spread the JSON over lines.
    #[arg(long)]
    pretty: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FramingArg {
    /// Server-sent events with base64 in them, as the upstream sends.
    Sse,
    /// Each message with its length before it, as a varint.
    LengthDelimited,
}

pub(super) fn run(args: &DecodeArgs, notes: &mut dyn Write) -> Result<(), Failure> {
    // What is wrong with the name is said before anything is read.
    let message_type = args.message_type.as_deref().map(resolve).transpose()?;
    let mut input = Input::open(&args.input)?;
    invite(&input, "bytes");
    let mut out = output::open(args.output.as_ref())?;
    if args.stream {
        let framing = args.framing.map(|framing| match framing {
            FramingArg::Sse => Framing::Sse,
            FramingArg::LengthDelimited => Framing::LengthDelimited,
        });
        return many(args, message_type, Splitter::new(framing), &[], &mut input, &mut out, notes);
    }
    let mut first = Vec::new();
    let mut buffer = vec![0; BUFFER];
    // Only as much as tells: a stream may go on for long.
    while args.form.form().is_none() {
        match stream::framing_of(&first) {
            Some(Framing::Sse) => {
                let splitter = Splitter::new(Some(Framing::Sse));
                return many(args, message_type, splitter, &first, &mut input, &mut out, notes);
            }
            Some(Framing::LengthDelimited) => break,
            None => {}
        }
        match input.some(&mut buffer)? {
            [] => break,
            bytes => first.extend_from_slice(bytes),
        }
    }
    one(args, message_type.map_or_else(|| resolve(ONE), Ok)?, first, &mut input, &mut out)
}

fn one(
    args: &DecodeArgs,
    message_type: &MessageType,
    first: Vec<u8>,
    input: &mut Input,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    // Base64 and white space take more than the message.
    let given = input.rest(first, 2 * transcode::MAX_BYTES)?;
    let looks_like_json = given.trim_ascii_start().starts_with(b"{");
    let data = form::read(args.form.form(), given, &input.name)?;
    let json = transcode::to_json(message_type, &data, args.options()).map_err(|source| {
        let hint = looks_like_json.then_some("; this looks like JSON, which `warp2api encode` takes");
        Failure::Malformed { name: input.name.clone(), source, hint }
    })?;
    line(out, &args.shaped(json))?;
    out.flush().map_err(Failure::Write)
}

/// Decodes messages as they come. `first` is what was read already.
fn many(
    args: &DecodeArgs,
    message_type: Option<&'static MessageType>,
    splitter: Splitter,
    first: &[u8],
    input: &mut Input,
    out: &mut dyn Write,
    notes: &mut dyn Write,
) -> Result<(), Failure> {
    let message_type = message_type.map_or_else(|| resolve(MANY), Ok)?;
    let mut stream = Stream { args, message_type, splitter, faults: 0, out, notes };
    let mut goes_on = stream.take(first)?;
    let mut buffer = vec![0; BUFFER];
    while goes_on {
        match input.some(&mut buffer)? {
            [] => {
                goes_on = false;
                while let Some(frame) = stream.splitter.finish() {
                    stream.show(&frame)?;
                }
            }
            bytes => goes_on = stream.take(bytes)?,
        }
    }
    stream.end(&input.name)
}

/// A stream on its way from bytes to lines.
struct Stream<'a> {
    args: &'a DecodeArgs,
    message_type: &'static MessageType,
    splitter: Splitter,
    faults: u64,
    out: &'a mut dyn Write,
    notes: &'a mut dyn Write,
}

impl Stream<'_> {
    /// Shows what becomes whole with these bytes. Whether the stream goes on.
    fn take(&mut self, mut bytes: &[u8]) -> Result<bool, Failure> {
        while let Some(frame) = self.splitter.next(&mut bytes) {
            if !self.show(&frame)? && self.args.stop {
                return Ok(false);
            }
        }
        // Who reads along sees it now.
        self.out.flush().map_err(Failure::Write)?;
        Ok(!self.splitter.is_lost())
    }

    /// Shows a frame. Whether it could be decoded.
    fn show(&mut self, frame: &stream::Frame) -> Result<bool, Failure> {
        let (index, start, end) = (frame.index, frame.range.start, frame.range.end);
        let decoded = frame.decode(self.message_type, self.args.options());
        self.faults += u64::from(decoded.is_err());
        let is_decoded = decoded.is_ok();
        let text = match decoded {
            Ok(decoded) if !self.args.ranges => decoded.json,
            Ok(decoded) => {
                let json = decoded.json;
                format!(r#"{{"index":{index},"start":{start},"end":{end},"message":{json}}}"#)
            }
            Err(fault) if !self.args.ranges => {
                let note = writeln!(self.notes, "frame {index} (bytes {start} to {end}): {fault}");
                note.map_err(Failure::Write)?;
                return Ok(false);
            }
            Err(fault) => {
                let error = serde_json::json!({
                    "kind": fault.kind.name(),
                    "message": fault.to_string(),
                    "path": fault.path(),
                    "position": fault.message_position(),
                });
                format!(r#"{{"index":{index},"start":{start},"end":{end},"error":{error}}}"#)
            }
        };
        line(self.out, &self.args.shaped(text))?;
        Ok(is_decoded)
    }

    fn end(self, name: &str) -> Result<(), Failure> {
        self.out.flush().map_err(Failure::Write)?;
        match (self.splitter.frames(), self.faults) {
            (0, _) if self.splitter.bytes() > 0 && !self.splitter.saw_done_marker() => {
                Err(Failure::NoFrames { name: name.to_owned() })
            }
            (_, 0) => Ok(()),
            (frames, faults) => Err(Failure::Faults { faults, frames }),
        }
    }
}

impl DecodeArgs {
    fn options(&self) -> Options {
        Options {
            naming: if self.camel { Naming::Camel } else { Naming::Snake },
            unknown: self.unknown.into(),
            server_message_data: self.server_message_data,
        }
    }

    fn shaped(&self, json: String) -> String {
        if self.pretty { pretty(&json) } else { json }
    }
}
