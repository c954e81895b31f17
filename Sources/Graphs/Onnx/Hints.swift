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
        guard value.type?.dims == nil, let declared = try? types[name]?.computed({ $0.map(size) }) else { return }
        guard let known = value.type?.element, known != declared.element else { value.type = declared; return }
        if !known.isContainer, !declared.element.isContainer { value.type = TensorType(known, declared.dims) }
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
