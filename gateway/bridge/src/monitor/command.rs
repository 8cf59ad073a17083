//! What clients of the socket may say: commands as JSON, and the same wishes in the query of its address. Pure.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use warp2api_proto::warp_chat::v1::{ExchangeFilter, ExchangeState};

/// The most packets that are replayed.
pub(crate) const MOST_REPLAYED: usize = 200;

/// Something a client says.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Command {
    /// Watch these from now on, and nothing else.
    Filter(Wanted),
    /// Send nothing until resumed.
    Pause {},
    /// Go on.
    Resume {},
    /// Send the latest packets again.
    Replay {
        /// How many.
        #[serde(default = "ten")]
        limit: usize,
    },
    /// Answer.
    Ping {},
}

/// What a client wants to see. What it does not say does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) model: String,
    /// `leasing`, `awaiting`, `streaming`, `succeeded`, `failed` or `cancelled`.
    pub(crate) state: String,
    pub(crate) credential: String,
    pub(crate) request_id: String,
    pub(crate) trace_id: String,
    /// Whether each event of the upstream is wanted too.
    pub(crate) stream_events: bool,
    /// Whether credentials are wanted too: each as it is, and whenever it is not as it was.
    pub(crate) credentials: bool,
    /// Whether contents are to be left out even with capture.
    pub(crate) without_content: bool,
}

/// The query of the address.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Query {
    /// Was looked at before anything else.
    #[serde(rename = "key")]
    _key: IgnoredAny,
    model: String,
    state: String,
    credential: String,
    request_id: String,
    trace_id: String,
    stream_events: bool,
    credentials: bool,
    without_content: bool,
}

fn ten() -> usize {
    10
}

impl Query {
    /// What the client wants from the start.
    pub(crate) fn wanted(self) -> Wanted {
        Wanted {
            model: self.model,
            state: self.state,
            credential: self.credential,
            request_id: self.request_id,
            trace_id: self.trace_id,
            stream_events: self.stream_events,
            credentials: self.credentials,
            without_content: self.without_content,
        }
    }
}

impl Wanted {
    /// The filter of the contract.
    ///
    /// # Errors
    /// When the state is none.
    pub(crate) fn filter(&self) -> Result<ExchangeFilter, String> {
        let state = match self.state.as_str() {
            "" => ExchangeState::Unspecified,
            state => {
                let name = format!("EXCHANGE_STATE_{}", state.to_ascii_uppercase());
                let known =
                    ExchangeState::from_str_name(&name).filter(|state| *state != ExchangeState::Unspecified);
                known.ok_or_else(|| {
                    "state: must be one of leasing, awaiting, streaming, succeeded, failed, cancelled"
                        .to_owned()
                })?
            }
        };
        Ok(ExchangeFilter {
            model: self.model.clone(),
            state: state.into(),
            credential: self.credential.clone(),
            request_id: self.request_id.clone(),
            trace_id: self.trace_id.clone(),
            kind: 0,
        })
    }

    /// Whether packets of the codec's paths belong to it: they have no model, credential or state.
    pub(crate) fn wants_codec(&self, request_id: &str, trace_id: &str) -> bool {
        let fits = |wanted: &str, is: &str| wanted.is_empty() || wanted == is;
        self.model.is_empty()
            && self.state.is_empty()
            && self.credential.is_empty()
            && fits(&self.request_id, request_id)
            && fits(&self.trace_id, trace_id)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "model": self.model,
            "state": self.state,
            "credential": self.credential,
            "request_id": self.request_id,
            "trace_id": self.trace_id,
            "stream_events": self.stream_events,
            "credentials": self.credentials,
            "without_content": self.without_content,
        })
    }
}

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// In words for the client.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("a command is a JSON object: {error}"))?;
        if !value.get("command").is_some_and(Value::is_string) {
            return Err(
                "a command is a JSON object with `command`: filter, pause, resume, replay or ping".to_owned()
            );
        }
        let command: Self = serde_json::from_value(value).map_err(|error| error.to_string())?;
        match &command {
            Self::Filter(wanted) => wanted.filter().map(|_| ())?,
            Self::Replay { limit } if !(1..=MOST_REPLAYED).contains(limit) => {
                return Err(format!("limit: must be 1 to {MOST_REPLAYED}"));
            }
            Self::Replay { .. } | Self::Pause {} | Self::Resume {} | Self::Ping {} => {}
        }
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read() {
        let filter = Wanted {
            model: "gpt-5".into(),
            state: "failed".into(),
            stream_events: true,
            ..Wanted::default()
        };
        for (text, command) in [
            (r#"{"command":"ping"}"#, Command::Ping {}),
            (r#"{"command":"pause"}"#, Command::Pause {}),
            (r#"{"command":"resume"}"#, Command::Resume {}),
            (r#"{"command":"replay"}"#, Command::Replay { limit: 10 }),
            (r#"{"limit":3,"command":"replay"}"#, Command::Replay { limit: 3 }),
            (r#"{"command":"filter"}"#, Command::Filter(Wanted::default())),
            (
                r#"{"command":"filter","model":"gpt-5","state":"failed","stream_events":true}"#,
                Command::Filter(filter),
            ),
        ] {
            assert_eq!(Command::parse(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_is_wrong() {
        for (text, word) in [
            ("", "JSON"),
            ("hello", "JSON"),
            ("[]", "command"),
            ("{}", "command"),
            (r#"{"command":7}"#, "command"),
            (r#"{"command":"dance"}"#, "dance"),
            (r#"{"command":"replay","limit":0}"#, "limit"),
            (r#"{"command":"replay","limit":99999}"#, "limit"),
            (r#"{"command":"replay","limit":"x"}"#, "usize"),
            (r#"{"command":"filter","modell":"x"}"#, "modell"),
            (r#"{"command":"filter","state":"happy"}"#, "state"),
            (r#"{"command":"ping","x":1}"#, "x"),
        ] {
            let error = Command::parse(text).unwrap_err();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
