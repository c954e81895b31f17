package import Tensors

/// Value of a node's attribute.
package enum Attribute: Sendable {
    case int(Int)
    case float(Double)
    case string(String)
    case ints([Int])
    case floats([Double])
    case strings([String])
    case tensor(Tensor)
    case graph(Graph)
    /// What an operator made of its other attributes when the graph was made: trees, a compiled pattern. Never in a file.
    case prepared(any Sendable)

    package var int: Int? { if case .int(let value) = self { value } else { nil } }
    package var float: Double? {
        switch self {
        case .float(let value): value
        case .int(let value): Double(value)
        default: nil
        }
    }
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    package var ints: [Int]? { if case .ints(let value) = self { value } else { nil } }
    package var floats: [Double]? { if case .floats(let value) = self { value } else { nil } }
    package var strings: [String]? { if case .strings(let value) = self { value } else { nil } }
    package var tensor: Tensor? { if case .tensor(let value) = self { value } else { nil } }
    package var prepared: (any Sendable)? { if case .prepared(let value) = self { value } else { nil } }
    package var graph: Graph? { if case .graph(let value) = self { value } else { nil } }
}
