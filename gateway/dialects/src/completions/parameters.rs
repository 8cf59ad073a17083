//! Every parameter of OpenAI's reference of legacy completions and what becomes of it.

use crate::parameters::{Parameter, enforced, honoured, ignored, refused};

/// Every parameter, honoured ones first.
pub const PARAMETERS: &[Parameter] = &[
    honoured(
        "model",
        "An id or alias of `GET /v1/models`; other ids go to the upstream as they are. Absent means `auto`.",
        r#"{"model":"gpt-5"}"#,
    ),
    honoured(
        "prompt",
        "A string, or an array of one. It is what a person says: models answer it rather than write on.",
        r#"{"prompt":["hello"]}"#,
    ),
    honoured("stream", "Server-sent events or one JSON object.", r#"{"stream":true}"#),
    honoured(
        "stream_options.include_usage",
        "A last chunk with usage, where the upstream says what it was.",
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    enforced(
        "max_tokens",
        "The answer ends there with `finish_reason: \"length\"`; without it there is no limit. Tokens are estimated: four \
         ASCII characters, or one other character, are a token.",
        r#"{"max_tokens":100}"#,
    ),
    enforced("stop", "The answer ends before the first of up to four texts.", r#"{"stop":["END"]}"#),
    enforced("echo", "The text begins with the prompt.", r#"{"echo":true}"#),
    refused("prompt", "More than one prompt, or tokens.", r#"{"prompt":["a","b"]}"#),
    refused("n", "More than 1: there is one answer.", r#"{"n":2}"#),
    refused("best_of", "More than 1, for the same reason.", r#"{"best_of":2}"#),
    refused("logprobs", "The upstream gives no probabilities.", r#"{"logprobs":0}"#),
    refused("suffix", "Not empty: text cannot be inserted.", r#"{"suffix":"end"}"#),
    ignored("temperature", "Other than 1.", r#"{"temperature":0.2}"#),
    ignored("top_p", "Other than 1.", r#"{"top_p":0.5}"#),
    ignored("frequency_penalty", "Other than 0.", r#"{"frequency_penalty":1}"#),
    ignored("presence_penalty", "Other than 0.", r#"{"presence_penalty":-1}"#),
    ignored("logit_bias", "Not empty.", r#"{"logit_bias":{"50256":-100}}"#),
    ignored("seed", "", r#"{"seed":7}"#),
    ignored("user", "", r#"{"user":"u"}"#),
    ignored(
        "stream_options.include_obfuscation",
        "`true`: chunks are not padded.",
        r#"{"stream_options":{"include_obfuscation":true}}"#,
    ),
    ignored("top_k", "And every other parameter that is not in OpenAI's reference.", r#"{"top_k":40}"#),
];
