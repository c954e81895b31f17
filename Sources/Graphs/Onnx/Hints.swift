internal import Tensors

/// Declared types of inner values, for those that inference says nothing about. They are hints only: files whose inputs were
/// given another batch size often keep the old sizes here.
struct Hints {
    private var types: [String: OnnxType] = [:]
    private let symbols: Set<Dim>

    /// `symbols`: sizes of the graph's inputs; names that are none of these mean no more than an unknown size.
    init(_ graph: OnnxGraph, symbols: Set<Dim>) {
        self.symbols = symbols
        for value in graph.values + graph.outputs { types[value.name] = value.type }
    }

    /// Gives the value its declared type where it has none.
    func complete(_ value: inout Value, named name: String) {
        guard value.type?.dims == nil, case .tensor(let number, let dims) = types[name], let element = ElementType(rawValue: number) else {
            return
        }
        let computed = value.type?.element ?? OnnxPrecision.computed(element)
        value.type = TensorType(computed, dims?.map(size))
    }

    /// The declared element type; nil where the file says nothing.
    func element(_ name: String) -> ElementType? {
        guard case .tensor(let number, _) = types[name] else { return nil }
        return ElementType(rawValue: number)
    }

    private func size(_ dim: OnnxDim) -> Dim {
        switch dim {
        case .value(let size) where size > 0: Dim(size)
        case .name(let name) where symbols.contains(.symbol(name)): .symbol(name)
        default: .unknown
        }
    }
}
