//! The upstream's tools and their three numberings: a tool's call, its result in a request and its result in a
//! task's history have different field numbers. Mixing them up is the mistake the checker looks for.

/// A tool and its field numbers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    /// The name of the field in a call.
    pub(crate) name: &'static str,
    /// The number in `Message.ToolCall`.
    pub(crate) call: u32,
    /// The number in `Request.Input.ToolCallResult`; 0 where a client cannot send one.
    pub(crate) request: u32,
    /// The number in `Message.ToolCallResult`.
    pub(crate) history: u32,
}

/// The number of a cancelled call in `Message.ToolCallResult`. It answers a call of any tool.
pub(crate) const CANCELLED: u32 = 14;
/// The number of a call of an offered tool.
pub(crate) const CALL_MCP_TOOL: u32 = 12;
/// The number of the result of an offered tool in a request.
pub(crate) const MCP_RESULT_IN_REQUEST: u32 = 12;
/// The number of the result of an offered tool in a history.
pub(crate) const MCP_RESULT_IN_HISTORY: u32 = 16;
/// The number of a call that the upstream answers itself.
pub(crate) const SERVER: u32 = 4;
const SUBAGENT: u32 = 19;

/// The tool whose call has this number.
pub(crate) fn by_call(number: u32) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.call == number)
}

/// The tool whose result has this number in a request.
pub(crate) fn by_request(number: u32) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.request == number && number != 0)
}

/// The tool whose result has this number in a history.
pub(crate) fn by_history(number: u32) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tool.history == number)
}

/// Whether the client owes a result for a call with this number. The upstream answers `server` and `subagent` itself.
pub(crate) const fn needs_result(call: u32) -> bool {
    call != SERVER && call != SUBAGENT
}

const fn tool(name: &'static str, call: u32, request: u32, history: u32) -> Tool {
    Tool { name, call, request, history }
}

const TOOLS: [Tool; 35] = [
    tool("run_shell_command", 2, 2, 2),
    tool("search_codebase", 3, 4, 3),
    tool("server", SERVER, 0, 4),
    tool("read_files", 5, 3, 5),
    tool("apply_file_diffs", 6, 5, 6),
    tool("suggest_plan", 7, 6, 7),
    tool("suggest_create_plan", 8, 7, 8),
    tool("grep", 9, 8, 9),
    tool("file_glob", 10, 9, 10),
    tool("read_mcp_resource", 11, 11, 15),
    tool("call_mcp_tool", CALL_MCP_TOOL, MCP_RESULT_IN_REQUEST, MCP_RESULT_IN_HISTORY),
    tool("write_to_long_running_shell_command", 13, 13, 17),
    tool("suggest_new_conversation", 14, 14, 18),
    tool("file_glob_v2", 15, 15, 19),
    tool("suggest_prompt", 16, 16, 20),
    tool("open_code_review", 17, 17, 21),
    tool("init_project", 18, 18, 22),
    tool("subagent", SUBAGENT, 0, 23),
    tool("read_documents", 20, 19, 24),
    tool("edit_documents", 21, 20, 25),
    tool("create_documents", 22, 21, 26),
    tool("read_shell_command_output", 23, 22, 27),
    tool("use_computer", 24, 23, 28),
    tool("insert_review_comments", 25, 24, 29),
    tool("read_skill", 26, 26, 30),
    tool("request_computer_use", 27, 25, 31),
    tool("fetch_conversation", 28, 27, 32),
    tool("send_message_to_agent", 30, 29, 34),
    tool("transfer_shell_command_control_to_user", 31, 30, 35),
    tool("ask_user_question", 32, 31, 36),
    tool("upload_file_artifact", 34, 33, 38),
    tool("run_agents", 35, 34, 39),
    tool("wait_for_events", 36, 35, 40),
    tool("start_recording", 37, 36, 41),
    tool("stop_recording", 38, 37, 42),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_number_stands_for_two_tools() {
        let calls: HashSet<_> = TOOLS.iter().map(|tool| tool.call).collect();
        let history: HashSet<_> = TOOLS.iter().map(|tool| tool.history).collect();
        let requests: HashSet<_> =
            TOOLS.iter().map(|tool| tool.request).filter(|&number| number != 0).collect();

        assert_eq!((calls.len(), history.len(), requests.len()), (35, 35, 33));
        assert!(!history.contains(&CANCELLED));
    }

    #[test]
    fn the_same_number_means_different_tools() {
        assert_eq!(by_request(16).map(|tool| tool.name), Some("suggest_prompt"));
        assert_eq!(by_history(16).map(|tool| tool.name), Some("call_mcp_tool"));
        assert_eq!(by_request(0), None);
    }
}
