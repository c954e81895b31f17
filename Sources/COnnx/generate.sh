#!/bin/sh
# Writes pellucid_onnx.pb.h and pellucid_onnx.pb.cc from pellucid_onnx.proto. Both are committed, because SwiftPM runs no
# protoc. Needs protobuf-compiler 3.21 (Debian 12); the generated code must fit the installed libprotobuf-lite.
set -eu
cd "$(dirname "$0")"
protoc --cpp_out=. pellucid_onnx.proto
# Hidden: the classes are ours alone, and calls between them need no symbol lookup.
sed -i -e '/#include <google\/protobuf\/port_def.inc>/a #pragma GCC visibility push(hidden)' \
    -e '/#include <google\/protobuf\/port_undef.inc>/i #pragma GCC visibility pop' pellucid_onnx.pb.h pellucid_onnx.pb.cc
