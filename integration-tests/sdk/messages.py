"""Random messages of any type, made with Google's library."""


TEXTS = ["", "a", '"\\\n\u0001', "\u00e9\U0001f980"]


def fill(message, source, depth):
    """Random content in about half of a message's fields, at most one of each oneof."""
    described = message.DESCRIPTOR
    if described.full_name == "google.protobuf.Value" and depth == 0:
        message.number_value = source.choice([0, 1.5, -3, 1e20])
        return
    if described.full_name in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
        message.seconds = source.randrange(250_000_000_000)
        message.nanos = source.choice([0, 500_000_000, 123_000, 7])
        return
    fields = [field for field in described.fields if not field.containing_oneof and source.random() < 0.5]
    fields += [source.choice(oneof.fields) for oneof in described.oneofs]
    for field in fields:
        is_message = field.message_type is not None
        if is_message and depth == 0:
            continue
        if is_message and field.message_type.GetOptions().map_entry:
            values = getattr(message, field.name)
            for key in source.sample(["", "a", "b c", "\u00e9"], source.randrange(3)):
                if field.message_type.fields_by_name["value"].message_type:
                    fill(values[key], source, depth - 1)
                else:
                    values[key] = scalar(field.message_type.fields_by_name["value"], source)
        elif field.is_repeated and is_message:
            for _ in range(source.randrange(3)):
                fill(getattr(message, field.name).add(), source, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(scalar(field, source) for _ in range(source.randrange(3)))
        elif is_message:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name), source, depth - 1)
        else:
            setattr(message, field.name, scalar(field, source))


def scalar(field, source):
    if field.full_name == "google.protobuf.FieldMask.paths":
        return source.choice(["agent_output.text", "id", "x_y.z"])
    if field.enum_type:
        return source.choice(field.enum_type.values).number
    return source.choice(
        {
            field.CPPTYPE_INT32: [0, 1, -1, 2**31 - 1, -(2**31)],
            field.CPPTYPE_INT64: [0, 1, -1, 2**63 - 1, -(2**63)],
            field.CPPTYPE_UINT32: [0, 1, 2**32 - 1],
            field.CPPTYPE_UINT64: [0, 1, 2**64 - 1],
            field.CPPTYPE_FLOAT: [0, 1, -0.5, 0.1, 3.4e38, float("inf")],
            # A JSON value takes no number that is not finite.
            field.CPPTYPE_DOUBLE: [0, 1, -0.5, 0.1, 1e300],
            field.CPPTYPE_BOOL: [False, True],
            field.CPPTYPE_STRING: TEXTS if field.type == field.TYPE_STRING else [b"", b"\xfb\xff\x00"],
        }[field.cpp_type]
    )


def normal(value):
    """JSON in which numbers are as exact as a float: libraries write those with more digits or fewer."""
    if isinstance(value, bool) or not isinstance(value, (int, float, dict, list)):
        return value
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    return float(f"{value:.6g}")
