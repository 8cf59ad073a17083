//! Every parameter of OpenAI's chat reference and what becomes of it.

use crate::parameters::{Parameter, enforced, honoured, ignored, refused};

/// Every parameter, honoured ones first.
pub const PARAMETERS: &[Parameter] = &[
    honoured(
        "model",
        "An id or alias of `GET /v1/models`; other ids go to the upstream as they are. Absent means `auto`.",
        r#"{"model":"gpt-5"}"#,
    ),
    honoured(
        "messages",
        "Roles `system`, `developer`, `user`, `assistant`, `tool` and the older `function`; text to the byte, images \
         as `data:` URLs (PNG, JPEG, GIF, WebP, up to 3,750,000 bytes, 20 in a message, 200 in all).",
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}]}"#,
    ),
    honoured("stream", "Server-sent events or one JSON object.", r#"{"stream":true}"#),
    honoured(
        "stream_options.include_usage",
        "A last chunk with usage, where the upstream says what it was.",
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#,
    ),
    honoured(
        "tools",
        "Functions, in their order, schemas to the byte.",
        r#"{"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    ),
    honoured(
        "tool_choice",
        "`auto`, `none`, and `allowed_tools` with mode `auto`.",
        r#"{"tool_choice":"none"}"#,
    ),
    honoured("parallel_tool_calls", "Passed on.", r#"{"parallel_tool_calls":false}"#),
    honoured(
        "functions",
        "The older form of `tools`. Calls come back as `function_call`, one in a turn.",
        r#"{"functions":[{"name":"f"}]}"#,
    ),
    honoured(
        "function_call",
        "The older form of `tool_choice`: `auto` and `none`.",
        r#"{"function_call":"auto"}"#,
    ),
    honoured(
        "reasoning_effort",
        "Chooses among the entries of a model family; where a family has no such entry, the model stays as named.",
        r#"{"reasoning_effort":"high"}"#,
    ),
    enforced(
        "max_completion_tokens",
        "The answer ends there with `finish_reason: \"length\"`. Tokens are estimated: four ASCII characters, or one \
         other character, are a token.",
        r#"{"max_completion_tokens":100}"#,
    ),
    enforced("max_tokens", "As `max_completion_tokens`, which comes first.", r#"{"max_tokens":100}"#),
    enforced("stop", "The answer ends before the first of up to four texts.", r#"{"stop":["END"]}"#),
    refused("n", "More than 1: there is one answer.", r#"{"n":2}"#),
    refused("logprobs", "`true`: the upstream gives no probabilities.", r#"{"logprobs":true}"#),
    refused("top_logprobs", "More than 0, for the same reason.", r#"{"top_logprobs":3}"#),
    refused("modalities", "Anything but `text`.", r#"{"modalities":["text","audio"]}"#),
    refused(
        "tool_choice",
        "`required`, a named tool, and `allowed_tools` with mode `required`: the upstream cannot be made to call a \
         tool.",
        r#"{"tool_choice":"required"}"#,
    ),
    refused("function_call", "A named function, for the same reason.", r#"{"function_call":{"name":"f"}}"#),
    refused(
        "messages[0].content[0].image_url.url",
        "An image on the network, unless the operator has such images fetched (`W2A_FETCH_IMAGES`).",
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b.png"}}]}]}"#,
    ),
    refused(
        "messages[0].content[0]",
        "Content of the types `input_audio` and `file`.",
        r#"{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
    ),
    refused(
        "messages[0].audio",
        "An earlier answer in audio.",
        r#"{"messages":[{"role":"assistant","audio":{"id":"audio-1"}}]}"#,
    ),
    ignored("temperature", "Other than 1.", r#"{"temperature":0.2}"#),
    ignored("top_p", "Other than 1.", r#"{"top_p":0.5}"#),
    ignored("frequency_penalty", "Other than 0.", r#"{"frequency_penalty":1}"#),
    ignored("presence_penalty", "Other than 0.", r#"{"presence_penalty":-1}"#),
    ignored("logit_bias", "Not empty.", r#"{"logit_bias":{"50256":-100}}"#),
    ignored("seed", "", r#"{"seed":7}"#),
    ignored(
        "response_format",
        "Other than `text`: the answer may be no JSON, or other JSON. Say in the prompt what is wanted.",
        r#"{"response_format":{"type":"json_object"}}"#,
    ),
    ignored("audio", "", r#"{"audio":{"voice":"ash","format":"wav"}}"#),
    ignored("prediction", "It only saves time.", r#"{"prediction":{"type":"content","content":"x"}}"#),
    ignored("web_search_options", "", r#"{"web_search_options":{}}"#),
    ignored("moderation", "", r#"{"moderation":{"model":"omni-moderation-latest"}}"#),
    ignored("metadata", "Not empty.", r#"{"metadata":{"a":"b"}}"#),
    ignored("prompt_cache_options", "Not empty.", r#"{"prompt_cache_options":{"mode":"explicit"}}"#),
    ignored("prompt_cache_key", "", r#"{"prompt_cache_key":"k"}"#),
    ignored("prompt_cache_retention", "", r#"{"prompt_cache_retention":"24h"}"#),
    ignored("safety_identifier", "", r#"{"safety_identifier":"s"}"#),
    ignored("user", "", r#"{"user":"u"}"#),
    ignored("service_tier", "Other than `auto` and `default`.", r#"{"service_tier":"flex"}"#),
    ignored("verbosity", "Other than `medium`.", r#"{"verbosity":"low"}"#),
    ignored("store", "`true`: nothing is stored.", r#"{"store":true}"#),
    ignored(
        "stream_options.include_obfuscation",
        "`true`: chunks are not padded.",
        r#"{"stream_options":{"include_obfuscation":true}}"#,
    ),
    ignored(
        "messages.name",
        "The name of a participant.",
        r#"{"messages":[{"role":"user","name":"ann","content":"hi"}]}"#,
    ),
    ignored(
        "messages.content.image_url.detail",
        "Other than `auto`.",
        r#"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:;base64,R0lGODlhAQABAA==","detail":"low"}}]}]}"#,
    ),
    ignored(
        "tools.function.strict",
        "`true`: arguments may not match the schema.",
        r#"{"tools":[{"type":"function","function":{"name":"f","strict":true}}]}"#,
    ),
    ignored(
        "tools.web_search",
        "And tools of every other type but `function`: OpenAI's servers run them.",
        r#"{"tools":[{"type":"web_search","filters":{}}]}"#,
    ),
    ignored("top_k", "And every other parameter that is not in OpenAI's reference.", r#"{"top_k":40}"#),
];
