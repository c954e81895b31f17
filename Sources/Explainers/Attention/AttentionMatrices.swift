internal import Glibc
internal import Runtime
internal import Tensors

/// Matrices of one image and layer, heads x queries x keys, and small arithmetic on square matrices over tokens.
struct AttentionMatrices {
    let heads: Int
    let queries: Int
    let keys: Int
    /// Images x heads x queries x keys.
    private let tensor: Tensor

    /// `matrices`: of `images` images.
    init(_ matrices: Tensor, _ name: String, images: Int) throws {
        let shape = matrices.shape
        guard shape.count >= 3, images > 0, shape[0] % images == 0, shape.count == 3 || shape[0] == images, shape.count < 5 else {
            throw AttentionMatrices.windowed(name, shape, images)
        }
        heads = shape.count == 4 ? shape[1] : shape[0] / images
        (queries, keys) = (shape[shape.count - 2], shape[shape.count - 1])
        tensor = try matrices.converted(to: .float32).contiguous().reshaped([images, heads, queries, keys])
    }

    static func windowed(_ name: String, _ shape: [Int], _ images: Int) -> Failure {
        Failure.unsupported(
            "attention '\(name)' is \(Shape.text(shape)) for \(images) images: attention within windows (Swin) does not relate all tokens to each other; use grad-cam, layer-cam or another class activation map"
        )
    }

    /// One matrix: `fuse` gets a pointer to the image's heads, one after the other, and writes queries x keys.
    func fused(_ image: Int, _ fuse: (UnsafeBufferPointer<Float>, inout [Double]) -> Void) throws -> [Double] {
        let size = heads * queries * keys
        var result = [Double](repeating: 0, count: queries * keys)
        try tensor.read(Float.self) { fuse(UnsafeBufferPointer(rebasing: $0[(image * size)..<((image + 1) * size)]), &result) }
        return result
    }

    /// The same of two tensors of one shape, the attention and its gradient.
    func fused(with other: AttentionMatrices, _ image: Int, _ body: (Float, Float) -> Float) throws -> [Double] {
        let size = queries * keys
        return try other.tensor.read(Float.self) { g in
            try fused(image) { a, out in
                for head in 0..<heads {
                    let start = (image * heads + head) * size
                    for i in 0..<size { out[i] += Double(body(a[head * size + i], g[start + i])) }
                }
                for i in 0..<size { out[i] /= Double(heads) }
            }
        }
    }
}

/// A matrix over tokens that a method carries from layer to layer.
struct TokenFlow {
    let tokens: Int
    private(set) var matrix: [Double]

    /// The identity.
    init(tokens: Int) {
        self.tokens = tokens
        matrix = [Double](repeating: 0, count: tokens * tokens)
        for i in 0..<tokens { matrix[i * tokens + i] = 1 }
    }

    /// `factor * matrix`, added to what there is where `adds`.
    mutating func multiply(_ factor: [Double], adds: Bool) {
        var product = adds ? matrix : [Double](repeating: 0, count: matrix.count)
        factor.withUnsafeBufferPointer { factor in
            matrix.withUnsafeBufferPointer { matrix in
                product.withUnsafeMutableBufferPointer { product in
                    for row in 0..<tokens {
                        for k in 0..<tokens where factor[row * tokens + k] != 0 {
                            let weight = factor[row * tokens + k]
                            for column in 0..<tokens { product[row * tokens + column] += weight * matrix[k * tokens + column] }
                        }
                    }
                }
            }
        }
        matrix = product
    }

    /// Weights over the rows times the matrix: what each token gives to what is read.
    func read(_ weights: [Double]) -> [Float] {
        var sum = [Double](repeating: 0, count: tokens)
        for row in 0..<tokens where weights[row] != 0 {
            for column in 0..<tokens { sum[column] += weights[row] * matrix[row * tokens + column] }
        }
        return sum.map { Float($0) }
    }
}
