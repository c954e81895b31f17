internal import Tensors

/// Classical models (domain `ai.onnx.ml`, versions 1 to 5). Linear models, scalers and kernels of support vectors are
/// lowered to operators that have gradients; trees and categories are discrete and have none.
enum Classical {
    static let domain = "ai.onnx.ml:"

    static let operators = trees + labels + supportVectors + discretizers + encoders + maps

    static let lowerings = treePreparations + encoderPreparations + linearModels + supportVectorMachines + scalers + featureShapers

    /// Why operators that only choose among constants have no gradient.
    static let isDiscrete = "its output jumps where it changes at all"

    /// The type of results for inputs of a type, where they follow the input.
    static func real(_ element: ElementType) -> ElementType { element == .float64 ? .float64 : .float32 }

    /// A lowering that reads a node's attributes once, when the graph is made, and keeps what `read` makes of them.
    static func preparing(_ op: String, _ read: @escaping @Sendable (Call) throws -> any Sendable) -> Lowering {
        Lowering(op, since: 1) { b, node in
            var node = node
            node.attributes = ["prepared": .prepared(try read(Call(node: node, inputs: [])))]
            try b.add(node)
        }
    }
}

extension NodeReader {
    /// What was made of the attributes when the graph was made, or is made of them now.
    func prepared<T: Sendable>(_ read: (Call) throws -> T) throws -> T {
        if let known = node.attributes["prepared"]?.prepared as? T { return known }
        return try read(Call(node: node, inputs: []))
    }

    func strings(_ name: String) -> [String]? { node.attributes[name]?.strings }

    /// Numbers of a float list, or of the tensor `<name>_as_tensor` that version 3 has beside it.
    func numbers(_ name: String) throws -> [Double] {
        if let list = node.attributes[name]?.floats, !list.isEmpty { return list }
        return try node.attributes["\(name)_as_tensor"]?.tensor?.doubles() ?? []
    }
}

/// Features in rows; a vector is one row.
struct FeatureRows {
    let numbers: [Double]
    let count: Int
    let width: Int

    /// The first input of the call.
    init(_ call: Call) throws {
        let x = try call.tensor(0)
        guard (1...2).contains(x.shape.count) else { throw Failure.shape("input has \(x.shape.count) axes, expected 2") }
        count = x.shape.count == 2 ? x.shape[0] : 1
        width = x.shape[x.shape.count - 1]
        numbers = try x.doubles()
    }

    /// How many rows there will be.
    static func count(_ c: Inference) throws -> Dim {
        let dims = try c.dims(0)
        guard (1...2).contains(dims.count) else { throw Failure.shape("input has \(dims.count) axes, expected 2") }
        return dims.count == 2 ? dims[0] : 1
    }
}
