internal import Glibc
internal import Tensors

/// Tables for spectra (ONNX HannWindow, HammingWindow, BlackmanWindow and MelWeightMatrix, opset 17).
enum Windows {
    static let operators = [
        window("HannWindow") { 0.5 - 0.5 * cos($0) },
        // ONNX's coefficients, 25/46 and 21/46, are those that cancel the first side lobe.
        window("HammingWindow") { 25.0 / 46 - 21.0 / 46 * cos($0) },
        window("BlackmanWindow") { 0.42 - 0.5 * cos($0) + 0.08 * cos(2 * $0) },
        Operator(
            "MelWeightMatrix", arity: 5...5, infer: inferMel, compute: computeMel, vjp: Rule.zero,
            samples: [
                Sample([
                    .integers([], [8]), .integers([], [16]), .integers([], [8192]), .integers([], [0]), .integers([], [4096]),
                ])
            ]),
    ]

    private static func type(_ c: some NodeReader) throws -> ElementType {
        try ElementType.onnx(Int32(clamping: c.int("output_datatype", default: Int(ElementType.float32.rawValue))))
    }

    /// `formula` of the angle, which goes once around from the first element to the last, or to the one behind it.
    private static func window(_ name: String, _ formula: @escaping @Sendable (Double) -> Double) -> Operator {
        Operator(
            name, arity: 1...1,
            infer: { c in
                guard let size = c.symbols(0)?.first else { return [TensorType(try type(c), [.unknown])] }
                return [TensorType(try type(c), [size])]
            },
            compute: { call in
                guard let size = try call.tensor(0).integers().first, size >= 0 else { throw Failure.invalid("the size is negative") }
                _ = try Shape.count([size])
                let period = Double(call.flag("periodic", default: true) ? size : size - 1)
                // A symmetric window of one element is 1, as in NumPy and PyTorch.
                let values = (0..<size).map { period == 0 ? 1 : formula(2 * .pi * Double($0) / period) }
                return [try Tensor(values, [size]).converted(to: type(call))]
            }, vjp: Rule.zero,
            samples: [Sample([.integers([], [10])]), Sample([.integers([], [7])], ["periodic": .int(0)]), Sample([.integers([], [1])])])
    }

    // MARK: Mel

    private static func inferMel(_ c: Inference) throws -> [TensorType] {
        let bands = c.symbols(0)?.first ?? .unknown, length = c.symbols(1)?.first?.value
        return [TensorType(try type(c), [length.map { Dim($0 / 2 + 1) } ?? .unknown, bands])]
    }

    /// Triangles whose feet and tips are equally far apart on the mel scale, mel(f) = 2595 log10(1 + f / 700).
    private static func computeMel(_ call: Call) throws -> [Tensor] {
        let numbers = try (0..<5).map { index in
            guard let number = try call.tensor(index).doubles().first, number.isFinite, number.magnitude < 1e9 else {
                throw Failure.invalid("input \(index) is not a number below 1e9")
            }
            return number
        }
        let (bands, length) = (Int(numbers[0]), Int(numbers[1])), rate = numbers[2]
        guard bands >= 0, length >= 0, rate > 0, numbers[3] > -700, numbers[4] > -700 else {
            throw Failure.invalid("\(bands) bands of \(length) bins at \(rate) samples per second from \(numbers[3]) to \(numbers[4]) Hz")
        }
        let rows = length / 2 + 1
        _ = try Shape.count([rows, bands])
        let low = 2595 * log10(1 + numbers[3] / 700), high = 2595 * log10(1 + numbers[4] / 700)
        let bins = (0..<bands + 2).map { index in
            let hertz = 700 * (pow(10, (low + Double(index) * (high - low) / Double(bands + 2)) / 2595) - 1)
            return (Double(length + 1) * hertz / rate).rounded(.down)
        }
        var result = [Double](repeating: 0, count: rows * bands)
        for band in 0..<bands {
            let (left, tip, right) = (bins[band], bins[band + 1], bins[band + 2])
            for row in 0..<rows {
                let bin = Double(row)
                if bin >= left, bin <= tip { result[row * bands + band] = tip == left ? 1 : (bin - left) / (tip - left) }
                if bin >= tip, bin < right { result[row * bands + band] = (right - bin) / (right - tip) }
            }
        }
        return [try Tensor(result, [rows, bands]).converted(to: type(call))]
    }
}
