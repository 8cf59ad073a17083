use serde_json::json;

use super::*;
use crate::message::ToolCall;

fn add(message: Message) -> Event {
    Event::add_messages("t1", &[message.in_task("t1")])
}

#[test]
fn known_events_have_known_bytes() {
    let text = |text: &str| Message::agent_output("m1", text).in_task("t1");
    let call = ToolCall::new("f", json!({"a": 1})).with_id("k1");
    let key = Finish::InvalidApiKey { provider: 2, model: "m".to_owned() };
    let cost = Writer::build(|w| {
        w.message(3, |w| {
            w.message(2, |_| {}).message(10, |w| _ = w.float(1, 1.0));
        });
    });

    for (name, event, expected) in [
        ("init", Event::init("c1", "r1"), "CggKAmMxEgJyMQ=="),
        ("create_task", Event::create_task("t1", "", &[]), "EgoKCAoGCgQKAnQx"),
        ("begin", Event::begin(), "EgQKAkoA"),
        ("text", add(text("Hel")), "EhkKFxoVCgJ0MRIPCgJtMRoFCgNIZWxaAnQx"),
        (
            "append",
            Event::append_to_message("t1", &text("lo"), &["agent_output.text"]),
            "Ei0KKyopCg4KAm0xGgQKAmxvWgJ0MRITChFhZ2VudF9vdXRwdXQudGV4dBoCdDE=",
        ),
        ("reasoning", add(Message::agent_reasoning("m2", "hm")), "EhgKFhoUCgJ0MRIOCgJtMloCdDF6BAoCaG0="),
        (
            "call",
            add(Message::call_mcp_tool("m3", &call)),
            "Ei8KLRorCgJ0MRIlCgJtMyIbCgJrMWIVCgFmEhAKDgoBYRIJEQAAAAAAAPA_WgJ0MQ==",
        ),
        (
            "update",
            Event::update_message(
                "t1",
                &Message::empty("m1").with_server_data("x"),
                &["server_message_data"],
            ),
            "EigKJiIkCgcKAm0xOgF4EhUKE3NlcnZlcl9tZXNzYWdlX2RhdGEaAnQx",
        ),
        ("commit", Event::commit(), "EgQKAlIA"),
        ("rollback", Event::rollback(), "EgQKAloA"),
        ("done", Event::raw(cost), "GgkSAFIFDQAAgD8="),
        ("quota", Event::finished(&Finish::QuotaLimit), "GgIiAA=="),
        ("internal", Event::finished(&Finish::InternalError("x".to_owned())), "GgU6AwoBeA=="),
        ("key", Event::finished(&key), "GgdiBQgCEgFt"),
    ] {
        assert_eq!(event.payload(), expected, "{name}");
    }
}

#[test]
fn the_short_way_to_an_append_writes_the_same() {
    for (field, message) in [
        (TextField::Output, Message::agent_output("m1", "lo")),
        (TextField::Reasoning, Message::agent_reasoning("m1", "lo")),
    ] {
        let mut short = Writer::default();
        write_append(&mut short, "t1", "m1", field, "lo");

        assert_eq!(
            short.as_slice(),
            Event::append_to_message("t1", &message.in_task("t1"), &[field.mask()]).bytes()
        );
    }
}

#[test]
fn several_actions_share_an_event() {
    let event = Event::together(&[Event::begin(), Event::init("c", "r"), Event::commit()]);

    assert_eq!(event.bytes(), &[0x12, 8, 0x0a, 2, 0x4a, 0, 0x0a, 2, 0x52, 0][..]);
}

#[test]
fn a_known_request_has_known_bytes() {
    let request = Writer::build(|w| {
        w.message(1, |_| {})
            .message(2, |input| {
                input
                    .message(1, |context| {
                        context.message(1, |w| {
                            w.string(1, "/").string(2, "/");
                        });
                    })
                    .message(6, |inputs| {
                        inputs.message(1, |input| {
                            input.message(1, |query| {
                                query.string(1, "hi").message(3, |_| {}).uint(4, 1);
                            });
                        });
                    });
            })
            .message(3, |settings| {
                settings
                    .message(1, |w| {
                        w.string(1, "auto").string(4, "cli-agent-auto");
                    })
                    .bytes(9, &[9])
                    .uint(17, 1);
            })
            .message(4, |metadata| {
                metadata.message(2, |entry| {
                    entry.string(1, "entrypoint").message(2, |w| _ = w.string(3, "USER_INITIATED"));
                });
            });
    });

    let hex: String = request.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "0a0012180a080a060a012f12012f320c0a0a0a080a0268691a0020011a1e0a160a046175746f220e636c692d6167656e742d6175746f4a\
         01098801012220121e0a0a656e747279706f696e7412101a0e555345525f494e49544941544544"
    );
}
