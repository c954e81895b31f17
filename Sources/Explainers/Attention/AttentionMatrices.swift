internal import Tensors

/// The matrices of one attention, or their gradients, for some images: heads x queries x keys of each.
struct AttentionMatrices {
    let heads: Int
    let queries: Int
    let keys: Int
    /// Images x heads x queries x keys.
    private let tensor: Tensor

    /// `matrices`: the layer's, of `images` images.
    init(_ matrices: Tensor, _ layer: AttentionGraph.Layer, images: Int) throws {
        let shape = matrices.shape
        guard shape.count == 4 ? shape[0] == images : shape.count == 3 && images > 0 && shape[0] % images == 0, !shape.contains(0),
            layer.tokens.map({ $0 == shape[shape.count - 1] }) ?? true
        else {
            let tokens = layer.tokens.map { " of \($0) tokens" } ?? ""
            throw Failure.unsupported(
                "attention '\(layer.matrix)' is \(Shape.text(shape)) for \(images) images\(tokens): it does not relate all tokens to each other (windows of Swin, attention over channels); use grad-cam, layer-cam or another class activation map"
            )
        }
        heads = shape.count == 4 ? shape[1] : shape[0] / images
        (queries, keys) = (shape[shape.count - 2], shape[shape.count - 1])
        tensor = try matrices.converted(to: .float32).contiguous().reshaped([images, heads, queries, keys])
    }

    /// One matrix of an image: `fuse` gets its heads, one after the other, and writes queries x keys.
    func fused(_ image: Int, _ fuse: (UnsafeBufferPointer<Float>, inout [Double]) -> Void) throws -> [Double] {
        let size = heads * queries * keys
        var result = [Double](repeating: 0, count: queries * keys)
        try tensor.read(Float.self) { fuse(UnsafeBufferPointer(rebasing: $0[(image * size)..<((image + 1) * size)]), &result) }
        return result
    }

    /// Mean over the heads of what `body` makes of this one's elements and those of another of the same layer.
    func fused(with other: AttentionMatrices, _ image: Int, _ body: (Float, Float) -> Float) throws -> [Double] {
        guard other.tensor.shape == tensor.shape else {
            throw Failure.shape("\(Shape.text(tensor.shape)) against \(Shape.text(other.tensor.shape))")
        }
        return try other.tensor.read(Float.self) { all in
            try fused(image) { a, out in
                let g = UnsafeBufferPointer(rebasing: all[(image * a.count)..<((image + 1) * a.count)])
                for start in stride(from: 0, to: a.count, by: out.count) {
                    for i in out.indices { out[i] += Double(body(a[start + i], g[start + i])) }
                }
                for i in out.indices { out[i] /= Double(heads) }
            }
        }
    }
}
