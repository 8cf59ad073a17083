//! `warp2api encode`: the JSON of a message to its bytes.

use std::path::PathBuf;

use warp2api_codec::{Reading, transcode};

use super::failure::Failure;
use super::form::{Form, FormArgs};
use super::input::Input;
use super::names::resolve;
use super::{Unknown, invite, output};

/// Turns the JSON of a message into its bytes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  echo '{\"metadata\": {\"conversation_id\": \"c\"}}' | warp2api encode
  warp2api encode ResponseEvent -i event.json --raw -o event.bin")]
pub struct EncodeArgs {
    /// The message type: its full name, or as much of its end as tells it from others. `warp2api types` lists them.
    #[arg(value_name = "TYPE", default_value = "warp.multi_agent.v1.Request")]
    message_type: String,
    /// Where to read the JSON; `-` is standard input.
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    input: PathBuf,
    /// Where to write the bytes instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
    /// What to do with fields that the schema does not have. `keep` reads those back that `decode` has kept under
    /// `@unknown`, and refuses others.
    #[arg(long, value_enum, default_value_t = Unknown::Keep)]
    unknown: Unknown,
}

pub(super) fn run(args: &EncodeArgs) -> Result<(), Failure> {
    let message_type = resolve(&args.message_type)?;
    let form = args.form.form().unwrap_or(Form::Base64);
    if form == Form::Raw && output::is_terminal(args.output.as_ref()) {
        return Err(Failure::RawToTerminal);
    }
    let mut input = Input::open(&args.input)?;
    invite(&input, "JSON");
    let given = input.rest(Vec::new(), transcode::MAX_BYTES)?;
    let json = String::from_utf8(given).map_err(|_| Failure::NotText { name: input.name.clone() })?;
    if json.trim().is_empty() {
        return Err(Failure::NoJson { name: input.name });
    }
    let reading = Reading { unknown: args.unknown.into(), server_message_data: true };
    let data = transcode::to_bytes(message_type, &json, reading).map_err(|source| {
        let hint = "; `warp2api types TYPE` shows the fields of a type";
        Failure::Malformed { name: input.name, source, hint: Some(hint) }
    })?;
    let mut out = output::open(args.output.as_ref())?;
    out.write_all(&form.write(&data)).and_then(|()| out.flush()).map_err(Failure::Write)
}
