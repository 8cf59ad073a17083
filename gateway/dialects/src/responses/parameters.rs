//! Every parameter of OpenAI's reference of responses and what becomes of it.

use crate::parameters::{Parameter, enforced, honoured, ignored, refused};

/// Every parameter, honoured ones first.
pub const PARAMETERS: &[Parameter] = &[
    honoured(
        "model",
        "An id or alias of `GET /v1/models`; other ids go to the upstream as they are. Absent means `auto`.",
        r#"{"model":"gpt-5"}"#,
    ),
    honoured(
        "input",
        "Text, or items: `message` of the roles `system`, `developer`, `user` and `assistant` with text and images as \
         for chat completions; `function_call`, `custom_tool_call` and their outputs, text or images; `reasoning`, \
         which stays here as the upstream takes none; `additional_tools`.",
        r#"{"input":[{"role":"user","content":[{"type":"input_text","text":"hello"}]}]}"#,
    ),
    honoured("instructions", "Stand before all else.", r#"{"instructions":"Be brief."}"#),
    honoured("stream", "Server-sent events or one JSON object.", r#"{"stream":true}"#),
    honoured(
        "tools",
        "Functions, in their order, schemas to the byte. `custom` tools are functions of one text to the upstream, the \
         tools of a `namespace` have it before their name; calls come back as what was offered.",
        r#"{"tools":[{"type":"function","name":"f"}]}"#,
    ),
    honoured(
        "tool_choice",
        "`auto`, `none`, and `allowed_tools` with mode `auto`.",
        r#"{"tool_choice":"none"}"#,
    ),
    honoured("parallel_tool_calls", "Passed on.", r#"{"parallel_tool_calls":false}"#),
    honoured(
        "reasoning.effort",
        "Chooses among the entries of a model family; where a family has no such entry, the model stays as named.",
        r#"{"reasoning":{"effort":"high"}}"#,
    ),
    honoured(
        "reasoning.summary",
        "Where the upstream tells what the model thought, it comes as a summary, whether it was asked for or not.",
        r#"{"reasoning":{"summary":"auto"}}"#,
    ),
    honoured(
        "previous_response_id",
        "Goes on after a response that is kept. Instructions are not taken over. Unknown ids are refused as \
         `previous_response_not_found`.",
        r#"{"previous_response_id":"resp_1"}"#,
    ),
    honoured(
        "store",
        "Unless it is `false`, the response is kept for the key that asked for it: in the memory of this process, \
         within bounds, for a while (`W2A_RESPONSES_*`). A restart forgets it.",
        r#"{"store":false}"#,
    ),
    honoured("metadata", "Stands in the response again.", r#"{"metadata":{"a":"b"}}"#),
    enforced(
        "max_output_tokens",
        "The response ends there as `incomplete`. Tokens are estimated: four ASCII characters, or one other character, \
         are a token.",
        r#"{"max_output_tokens":100}"#,
    ),
    refused(
        "background",
        "`true`: a response is there when its request ends. One that is being made ends when its caller leaves.",
        r#"{"background":true}"#,
    ),
    refused(
        "conversation",
        "Send what was said before, or `previous_response_id`.",
        r#"{"conversation":"conv_1"}"#,
    ),
    refused("prompt", "There are no templates here.", r#"{"prompt":{"id":"pmpt_1"}}"#),
    refused("top_logprobs", "More than 0: the upstream gives no probabilities.", r#"{"top_logprobs":3}"#),
    refused(
        "include[0]",
        "`message.output_text.logprobs`, for the same reason.",
        r#"{"include":["message.output_text.logprobs"]}"#,
    ),
    refused(
        "tool_choice",
        "`required`, a named tool, and `allowed_tools` with mode `required`: the upstream cannot be made to call a \
         tool.",
        r#"{"tool_choice":"required"}"#,
    ),
    refused(
        "input[0]",
        "An `item_reference` to what is not kept (`store: false`, too long ago, another key), or a second one to the same item.",
        r#"{"input":[{"type":"item_reference","id":"msg_1"}]}"#,
    ),
    refused(
        "input[0].type",
        "`compaction` and whatever else only OpenAI's servers can read.",
        r#"{"input":[{"type":"compaction","encrypted_content":"x"}]}"#,
    ),
    refused(
        "input[0].content[0].image_url",
        "An image on the network, unless the operator has such images fetched (`W2A_FETCH_IMAGES`).",
        r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://a/b.png"}]}]}"#,
    ),
    refused(
        "input[0].content[0]",
        "Content of the types `input_file` and `input_audio`.",
        r#"{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"}]}]}"#,
    ),
    ignored("temperature", "Other than 1.", r#"{"temperature":0.2}"#),
    ignored("top_p", "Other than 1.", r#"{"top_p":0.5}"#),
    ignored(
        "text.format",
        "Other than `text`: the answer may be no JSON, or other JSON. Say in the prompt what is wanted.",
        r#"{"text":{"format":{"type":"json_object"}}}"#,
    ),
    ignored("text.verbosity", "Other than `medium`.", r#"{"text":{"verbosity":"low"}}"#),
    ignored(
        "include",
        "Everything else: there is nothing of that kind to include.",
        r#"{"include":["reasoning.encrypted_content"]}"#,
    ),
    ignored("max_tool_calls", "It is about tools that OpenAI's servers run.", r#"{"max_tool_calls":3}"#),
    ignored("truncation", "`auto`: what is too long is refused.", r#"{"truncation":"auto"}"#),
    ignored("prompt_cache_key", "", r#"{"prompt_cache_key":"k"}"#),
    ignored("prompt_cache_options", "Not empty.", r#"{"prompt_cache_options":{"mode":"explicit"}}"#),
    ignored("prompt_cache_retention", "", r#"{"prompt_cache_retention":"24h"}"#),
    ignored("safety_identifier", "", r#"{"safety_identifier":"s"}"#),
    ignored("service_tier", "Other than `auto` and `default`.", r#"{"service_tier":"flex"}"#),
    ignored("user", "", r#"{"user":"u"}"#),
    ignored(
        "stream_options.include_obfuscation",
        "`true`: events are not padded.",
        r#"{"stream_options":{"include_obfuscation":true}}"#,
    ),
    ignored("context_management", "What is too long is refused.", r#"{"context_management":[]}"#),
    ignored("moderation", "", r#"{"moderation":{"model":"omni-moderation-latest"}}"#),
    ignored("client_metadata", "", r#"{"client_metadata":{"a":"b"}}"#),
    ignored(
        "input.web_search_call",
        "And what other tools that OpenAI's servers run have left in a conversation.",
        r#"{"input":[{"role":"user","content":"hi"},{"type":"web_search_call","id":"ws_1","status":"completed"}]}"#,
    ),
    ignored(
        "input.content.detail",
        "Of an image, other than `auto`.",
        r#"{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:;base64,R0lGODlhAQABAA==","detail":"low"}]}]}"#,
    ),
    ignored(
        "tools.strict",
        "`true`: arguments may not match the schema.",
        r#"{"tools":[{"type":"function","name":"f","strict":true}]}"#,
    ),
    ignored(
        "tools.format",
        "The grammar of a `custom` tool: the model is told of it, and may not keep to it.",
        r#"{"tools":[{"type":"custom","name":"f","format":{"type":"grammar","syntax":"lark","definition":"start: X"}}]}"#,
    ),
    ignored(
        "tools.web_search",
        "And tools of every other type but `function`, `custom` and `namespace`: OpenAI's servers run them.",
        r#"{"tools":[{"type":"web_search"}]}"#,
    ),
    ignored("top_k", "And every other parameter that is not in OpenAI's reference.", r#"{"top_k":40}"#),
];
