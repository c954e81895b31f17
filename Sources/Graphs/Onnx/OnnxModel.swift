internal import Tensors

/// A model file as it is written: no operator is looked at, no element read.
package struct OnnxModel: Sendable {
    package var irVersion = 0
    package var version = 0
    package var producer = ""
    package var producerVersion = ""
    package var domain = ""
    package var doc = ""
    /// Opset versions by domain; the default domain is empty.
    package var opsets: [String: Int] = [:]
    package var metadata: [String: String] = [:]
    package var graph = OnnxGraph()
    package var functions: [OnnxFunction] = []
}

/// GraphProto.
package struct OnnxGraph: Sendable {
    package var name = ""
    package var doc = ""
    package var nodes: [OnnxNode] = []
    package var initializers: [OnnxTensor] = []
    package var sparseInitializers: [OnnxSparseTensor] = []
    package var inputs: [OnnxValueInfo] = []
    package var outputs: [OnnxValueInfo] = []
    /// Declared types of inner values.
    package var values: [OnnxValueInfo] = []
    package var metadata: [String: String] = [:]
}

/// NodeProto.
package struct OnnxNode: Sendable {
    package var name: String
    /// Operator, with `domain:` in front outside the default domain.
    package var op: String
    package var domain: String
    package var overload: String
    /// Version of the operator's domain where the node stands; nil when it is not imported.
    package var opset: Int?
    /// Empty names are optional values left out.
    package var inputs: [String]
    package var outputs: [String]
    package var attributes: [OnnxAttribute]
    /// The module that the exporter noted; empty where it noted none.
    package var module: String
    /// Classes of the modules around the node, by path.
    package var classes: [(path: String, name: String)] = []

    /// `Conv 'conv1'`, for messages; unnamed nodes go by their first output.
    package var label: String { "\(op) '\(displayName)'" }
    /// The name, or that of the first output.
    package var displayName: String { name.isEmpty ? outputs.first { !$0.isEmpty } ?? "" : name }
}

/// AttributeProto.
package struct OnnxAttribute: Sendable {
    package indirect enum Value: Sendable {
        case none
        case int(Int)
        case float(Float)
        case string(String)
        case ints([Int])
        case floats([Float])
        case strings([String])
        case tensor(OnnxTensor)
        case tensors([OnnxTensor])
        case sparse(OnnxSparseTensor)
        case sparses([OnnxSparseTensor])
        case graph(OnnxGraph)
        case graphs([OnnxGraph])
        case types([OnnxType])
    }

    package var name: String
    /// The function's attribute whose value is meant; empty outside functions.
    package var reference: String
    package var value: Value

    /// Graphs that the attribute holds.
    package var graphs: [OnnxGraph] {
        switch value {
        case .graph(let graph): [graph]
        case .graphs(let graphs): graphs
        default: []
        }
    }
}

/// FunctionProto: an operator written as nodes.
package struct OnnxFunction: Sendable {
    package var name: String
    package var domain: String
    package var overload: String
    package var inputs: [String]
    package var outputs: [String]
    /// Names of the attributes without a default value.
    package var attributes: [String]
    package var defaults: [OnnxAttribute]
    package var nodes: [OnnxNode]
    package var values: [OnnxValueInfo]
}

/// ValueInfoProto.
package struct OnnxValueInfo: Sendable {
    package var name: String
    package var type: OnnxType
}

/// TypeProto.
package indirect enum OnnxType: Sendable {
    /// Element type by ONNX's number; no dims: not even the rank is given.
    case tensor(Int32, [OnnxDim]?)
    /// With the type of the items.
    case sequence(OnnxType)
    case optional(OnnxType)
    /// Type of the keys, by ONNX's number, and of the values.
    case map(Int32, OnnxType)
    /// An opaque type, by its name.
    case other(String)
    case unset
}

/// One size of a declared shape.
package enum OnnxDim: Sendable, Hashable {
    case value(Int)
    case name(String)
    case unset
}

/// TensorProto; its elements stay where they are until `load`.
package struct OnnxTensor: Sendable {
    package enum Payload: Sendable {
        /// `raw_data`, by offset and size in the file.
        case raw(Int, Int)
        /// Typed fields, decoded from the encoded tensor, by its offset and size in the file.
        case typed(Int, Int)
        case strings([String])
        /// The entries of `external_data`.
        case external([String: String])
    }

    package var name: String
    package var dataType: Int32
    package var dims: [Int]
    package var payload: Payload
    package var source: OnnxSource
}

/// SparseTensorProto; goes by the name of its values.
package struct OnnxSparseTensor: Sendable {
    package var values: OnnxTensor
    package var indices: OnnxTensor
    package var dims: [Int]

    package var name: String { values.name }
}

extension ElementType {
    /// The type of ONNX's number.
    static func onnx(_ number: Int32) throws -> ElementType {
        if let type = ElementType(rawValue: number), !type.isContainer { return type }
        if number == 0 { throw Failure.parse("there is no element type") }
        throw Failure.unsupported("element type \(number) is not supported")
    }
}
