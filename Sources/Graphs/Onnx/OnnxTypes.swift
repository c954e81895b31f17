internal import Tensors

extension OnnxType {
    /// Element type, by ONNX's number, of a tensor or of what a sequence or an optional holds.
    var tensorType: Int32? {
        switch self {
        case .tensor(let number, _): number
        case .sequence(let item), .optional(let item): item.tensorType
        case .map, .other, .unset: nil
        }
    }

    /// The type that values of this one have in a graph: small floats as they are computed, sizes as `dims` reads them.
    /// nil where the file says nothing. Throws for types that no value can have.
    func computed(_ dims: ([OnnxDim]) -> [Dim]) throws -> TensorType? {
        switch self {
        case .tensor(let number, let sizes):
            let type = TensorType(OnnxPrecision.computed(try .onnx(number)), sizes.map(dims))
            try type.checkSize()
            return type
        case .sequence(let item): return .sequence(of: try item.computed(dims))
        case .optional(let item): return .optional(of: try item.computed(dims))
        case .map(let key, let value):
            guard let item = try value.computed(dims) else { return TensorType(.map, [2]) }
            // ONNX's type of a map is that of one value; all of them lie in one tensor.
            let values = item.element.isContainer ? TensorType.sequence(of: item) : TensorType(item.element, [.unknown])
            return .map(try .onnx(key), to: values)
        case .other(let kind): throw Failure.unsupported("values of type \(kind) are not supported")
        case .unset: return nil
        }
    }
}
