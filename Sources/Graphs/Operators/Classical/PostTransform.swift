internal import Glibc
internal import Tensors

/// What ONNX calls `post_transform`: from scores to what a model reports.
enum PostTransform: String, Sendable {
    case none = "NONE", logistic = "LOGISTIC", softmax = "SOFTMAX", softmaxZero = "SOFTMAX_ZERO", probit = "PROBIT"

    /// From the attribute `post_transform`: a name, or since version 5 a number.
    init(_ c: some NodeReader) throws {
        let byNumber: [PostTransform] = [.none, .softmax, .logistic, .softmaxZero, .probit]
        if let number = c.node.attributes["post_transform"]?.int {
            guard byNumber.indices.contains(number) else { throw Failure.unsupported("post_transform \(number)") }
            self = byNumber[number]
            return
        }
        let name = c.string("post_transform", default: "NONE")
        guard let known = PostTransform(rawValue: name.isEmpty ? "NONE" : name) else { throw Failure.unsupported("post_transform \(name)") }
        self = known
    }

    static func logistic(_ x: Double) -> Double {
        let y = 1 / (1 + exp(-abs(x)))
        return x < 0 ? 1 - y : y
    }

    /// √2 erf⁻¹(2 x - 1), with Winitzki's approximation of the inverse, which is what ONNX's runtimes compute.
    static func probit(_ x: Double) -> Double {
        let y = 2 * x - 1, log = log((1 - y) * (1 + y))
        let v = 2 / (Double.pi * 0.147) + 0.5 * log
        let root = (-v + (v * v - log / 0.147).squareRoot()).squareRoot()
        return 2.0.squareRoot() * (y < 0 ? -root : root)
    }

    /// Rows of scores. An only column passes unchanged but for PROBIT, as in onnxruntime.
    func apply(_ scores: [Double], columns: Int) -> [Double] {
        switch self {
        case .none: return scores
        case .probit: return scores.map(PostTransform.probit)
        case _ where columns <= 1: return scores
        case .logistic: return scores.map(PostTransform.logistic)
        case .softmax, .softmaxZero:
            var result = scores
            for start in stride(from: 0, to: scores.count, by: columns) { normalize(&result, start..<min(start + columns, scores.count)) }
            return result
        }
    }

    /// SOFTMAX_ZERO leaves scores of (almost) zero where they are, scaled.
    private func normalize(_ scores: inout [Double], _ row: Range<Int>) {
        let top = scores[row].max() ?? 0
        var sum = 0.0
        for i in row {
            let isZero = self == .softmaxZero && scores[i].magnitude <= 1e-7
            scores[i] = isZero ? scores[i] * exp(-top) : exp(scores[i] - top)
            if !isZero { sum += scores[i] }
        }
        if sum != 0 { for i in row { scores[i] /= sum } }
    }
}
