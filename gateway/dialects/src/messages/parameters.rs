//! Every parameter of Anthropic's reference of messages and what becomes of it.

use crate::parameters::{Parameter, enforced, honoured, ignored, refused};

/// Every parameter, honoured ones first.
pub const PARAMETERS: &[Parameter] = &[
    honoured(
        "model",
        "An id or alias of `GET /v1/models`, with or without a date; other ids go to the upstream as they are. Absent \
         means `auto`.",
        r#"{"model":"claude-sonnet-4-5-20250929"}"#,
    ),
    honoured(
        "system",
        "A string or blocks of text. A message with the role `system` does the same.",
        r#"{"system":[{"type":"text","text":"Be brief."}]}"#,
    ),
    honoured(
        "messages",
        "Strings or blocks: `text` to the byte; `image` in base64 (PNG, JPEG, GIF, WebP, up to 3,750,000 bytes, 20 in a \
         message, 200 in all); `tool_use` and `tool_result`, with `is_error` and images; `document` and `search_result` \
         as far as they are text, with their titles. `thinking` and `redacted_thinking` are taken and not sent on.",
        r#"{"messages":[{"role":"user","content":[{"type":"text","text":"hello"}]}]}"#,
    ),
    honoured("stream", "Server-sent events or one JSON object.", r#"{"stream":true}"#),
    honoured(
        "tools",
        "Tools with an `input_schema`, in their order, schemas to the byte.",
        r#"{"tools":[{"name":"f","input_schema":{"type":"object"}}]}"#,
    ),
    honoured("tool_choice", "`auto` and `none`.", r#"{"tool_choice":{"type":"none"}}"#),
    honoured(
        "tool_choice.disable_parallel_tool_use",
        "Passed on.",
        r#"{"tool_choice":{"type":"auto","disable_parallel_tool_use":true}}"#,
    ),
    honoured(
        "output_config.effort",
        "Chooses among the entries of a model family; where a family has no such entry, the model stays as named.",
        r#"{"output_config":{"effort":"high"}}"#,
    ),
    enforced(
        "max_tokens",
        "The answer ends there with `stop_reason: \"max_tokens\"`. Tokens are estimated: four ASCII characters, or one \
         other character, are a token. Absent means no limit.",
        r#"{"max_tokens":100}"#,
    ),
    enforced(
        "stop_sequences",
        "The answer ends before the first of up to 16 texts, and `stop_sequence` says which.",
        r#"{"stop_sequences":["END"]}"#,
    ),
    refused(
        "tool_choice",
        "`any` and `tool`: the upstream cannot be made to call a tool.",
        r#"{"tool_choice":{"type":"any"}}"#,
    ),
    refused(
        "messages[0].content[0].source.url",
        "An image on the network, unless the operator has such images fetched (`W2A_FETCH_IMAGES`).",
        r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://a/b.png"}}]}]}"#,
    ),
    refused(
        "messages[0].content[0].source.type",
        "Documents that are no text, and everything that was uploaded.",
        r#"{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64","data":"JVBERi0="}}]}]}"#,
    ),
    refused(
        "messages[0].content[0].type",
        "Blocks of other types.",
        r#"{"messages":[{"role":"user","content":[{"type":"container_upload","file_id":"file_1"}]}]}"#,
    ),
    ignored("temperature", "Other than 1.", r#"{"temperature":0.2}"#),
    ignored("top_p", "Other than 1.", r#"{"top_p":0.5}"#),
    ignored("top_k", "", r#"{"top_k":40}"#),
    ignored(
        "thinking",
        "Other than `disabled`: the upstream's thinking has no signature, so no `thinking` is made of it. How hard the \
         model thinks is chosen with `output_config.effort`, or with the model.",
        r#"{"thinking":{"type":"adaptive"}}"#,
    ),
    ignored(
        "output_config.format",
        "The answer may be no JSON, or other JSON. Say in the prompt what is wanted.",
        r#"{"output_config":{"format":{"type":"json_schema","schema":{}}}}"#,
    ),
    ignored(
        "output_config.task_budget",
        "",
        r#"{"output_config":{"task_budget":{"type":"tokens","total":1}}}"#,
    ),
    ignored("context_management", "Not empty.", r#"{"context_management":{"edits":[]}}"#),
    ignored("cache_control", "Here or on any block or tool.", r#"{"cache_control":{"type":"ephemeral"}}"#),
    ignored("metadata", "Not empty.", r#"{"metadata":{"user_id":"u"}}"#),
    ignored("service_tier", "Other than `auto`.", r#"{"service_tier":"standard_only"}"#),
    ignored("speed", "Other than `standard`.", r#"{"speed":"fast"}"#),
    ignored("inference_geo", "", r#"{"inference_geo":"us"}"#),
    ignored("diagnostics", "", r#"{"diagnostics":{"cache":true}}"#),
    ignored("mcp_servers", "Not empty.", r#"{"mcp_servers":[{"type":"url","url":"https://a","name":"a"}]}"#),
    ignored(
        "tools.strict",
        "`true`: arguments may not match the schema.",
        r#"{"tools":[{"name":"f","input_schema":{},"strict":true}]}"#,
    ),
    ignored(
        "tools.defer_loading",
        "`true`: the tool is offered from the start.",
        r#"{"tools":[{"name":"f","input_schema":{},"defer_loading":true}]}"#,
    ),
    ignored(
        "tools.web_search_20250305",
        "And every other tool that Anthropic defines, by a type of its own.",
        r#"{"tools":[{"type":"web_search_20250305","name":"web_search"}]}"#,
    ),
    ignored(
        "messages.content.server_tool_use",
        "And what else stands in a conversation of tools that ran on Anthropic's servers.",
        r#"{"messages":[{"role":"assistant","content":[{"type":"server_tool_use","id":"a","name":"web_search","input":{}}]}]}"#,
    ),
    ignored(
        "messages.content.tool_result.image",
        "Of a result with `is_error`.",
        r#"{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","is_error":true,"content":[{"type":"image","source":{"type":"base64","data":"R0lGODlhAQABAA=="}}]}]}]}"#,
    ),
    ignored("container", "And every other parameter that is not in this list.", r#"{"container":"c"}"#),
];
