//! The list of models: a few real ids of each kind a client must cope with, among them one without vision, one whose
//! id has spaces and brackets, and one that is not in the plan.

use serde_json::{Value, json};

/// The models of every feature.
pub(crate) fn choices() -> Value {
    let agent = [
        model("auto", "auto (responsive)", "UNKNOWN", true, None),
        model("auto-efficient", "auto (cost-efficient)", "UNKNOWN", true, None),
        model("auto-genius", "auto (genius)", "UNKNOWN", true, None),
        model("claude-4-5-sonnet", "claude 4.5 sonnet", "ANTHROPIC", true, None),
        model("claude-4.1-opus", "claude 4.1 opus", "ANTHROPIC", true, Some("REQUIRES_UPGRADE")),
        model("gpt-5", "gpt-5", "OPENAI", true, None),
        model("gpt-5 (high reasoning)", "gpt-5 (high reasoning)", "OPENAI", true, None),
        model("gemini-2.5-pro", "gemini 2.5 pro", "GOOGLE", true, None),
        model("glm-5-fireworks", "glm-5", "UNKNOWN", false, None),
    ];
    let feature = |default: &str, choices: &[Value]| json!({"defaultId": default, "choices": choices, "preferredCodexModelId": null});
    let cli = [model("cli-agent-auto", "auto", "UNKNOWN", false, None)];
    let computer = [model("computer-use-agent-auto", "auto", "UNKNOWN", true, None)];
    json!({
        "agentMode": feature("auto", &agent),
        "planning": feature("gpt-5 (high reasoning)", &agent),
        "coding": feature("auto", &agent),
        "cliAgent": feature("cli-agent-auto", &cli),
        "computerUseAgent": feature("computer-use-agent-auto", &computer),
    })
}

fn model(id: &str, name: &str, provider: &str, vision: bool, disabled: Option<&str>) -> Value {
    json!({
        "id": id,
        "displayName": name,
        "baseModelName": name,
        "provider": provider,
        "reasoningLevel": id.contains("high reasoning").then_some("high"),
        "description": null,
        "visionSupported": vision,
        "disableReason": disabled,
        "usageMetadata": {"creditMultiplier": 1.0, "requestMultiplier": 1},
        "spec": {"cost": 0.5, "quality": 0.5, "speed": 0.5},
        "pricing": {"discountPercentage": null},
        "contextWindow": {"isConfigurable": false, "min": 200_000, "max": 200_000, "default": 200_000},
        "hostConfigs": [{"enabled": true, "modelRoutingHost": "DIRECT_API"}],
    })
}
