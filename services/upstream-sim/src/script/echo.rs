//! The input as the upstream echoes it: a message of the task, with the field numbers of a message.

use crate::message::Message;
use crate::tools;
use crate::turn::InputItem;
use crate::wire::reader::{Field, Fields, Value};
use crate::wire::writer::Writer;

/// The message that `item` becomes. None for inputs that are not echoed.
pub(crate) fn echo(id: &str, item: &InputItem<'_>, context: &[u8]) -> Option<Message> {
    match item {
        InputItem::UserQuery { encoded, .. } => {
            let content = Writer::build(|w| {
                let mut context_written = false;
                for field in Fields::of(encoded).flatten() {
                    // In a message the context is 2 and what was 2, 3 and 4 moves up.
                    if field.number > 1 && !context_written {
                        write_context(w, 2, context);
                        context_written = true;
                    }
                    copy(w, field, if field.number == 1 { 1 } else { field.number + 1 });
                }
                if !context_written {
                    write_context(w, 2, context);
                }
            });
            Some(Message::member(id, 2, content))
        }
        InputItem::Result(result) => {
            let tool = tools::by_request(result.number)?;
            let content = Writer::build(|w| {
                w.string(1, result.call_id);
                if tool.history < 11 {
                    w.bytes(tool.history, result.content);
                    write_context(w, 11, context);
                } else {
                    write_context(w, 11, context);
                    w.bytes(tool.history, result.content);
                }
            });
            Some(Message::member(id, 5, content))
        }
        InputItem::Other | InputItem::Nothing => None,
    }
}

fn write_context(writer: &mut Writer, number: u32, context: &[u8]) {
    if !context.is_empty() {
        writer.bytes(number, context);
    }
}

fn copy(writer: &mut Writer, field: Field<'_>, number: u32) {
    match field.value {
        Value::Varint(value) => writer.uint(number, value),
        Value::Bytes(bytes) => writer.bytes(number, bytes),
        Value::Fixed32(bytes) => writer.float(number, f32::from_le_bytes(bytes)),
        Value::Fixed64(bytes) => writer.double(number, f64::from_le_bytes(bytes)),
    };
}
