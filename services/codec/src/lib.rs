//! JSON to protobuf and back by message name, dynamic and lossless.
