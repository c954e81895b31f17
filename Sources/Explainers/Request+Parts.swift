internal import Graphs
internal import Runtime
internal import Tensors

/// The batch in parts, for methods that ask for values that would be large for all images together.
extension Request {
    /// Images that are evaluated together, in order: one by one unless the option says otherwise, and whole batches where the
    /// file fixes their size.
    func parts() throws -> [Range<Int>] {
        let fixed = max(1, model.type(of: input)?.dims?.first?.value ?? 1)
        let size = max(1, min(batchSize ?? 1, images) / fixed) * fixed
        return stride(from: 0, to: images, by: size).map { $0..<min($0 + size, images) }
    }

    /// The inputs of some of the images.
    func feeds(images range: Range<Int>) throws -> [String: Tensor] {
        guard range != 0..<images else { return feeds }
        return try Dictionary(
            uniqueKeysWithValues: feeds.map { name, tensor in
                (name, name == input || hasImages(name, tensor) ? try tensor.sliced(0, range) : tensor)
            })
    }

    /// A target for all images, for some of them.
    func target(_ target: Target, ofImages range: Range<Int>) throws -> Target {
        guard range != 0..<images else { return target }
        var target = target
        switch target.kind {
        case .each(let classes):
            guard classes.count == images else { throw Failure.shape("\(classes.count) target classes for a batch of \(images)") }
            target.kind = .each(Array(classes[range]))
        case .weights(let tensor) where tensor.shape.first == images && images > 1:
            target.kind = .weights(try tensor.sliced(0, range))
        default: break
        }
        return target
    }

    /// `evaluate` part after part.
    func evaluateInParts(
        _ stage: String, wanted: [String] = [], gradients: [String] = [], _ body: (Range<Int>, Outcome) throws -> Void
    ) throws {
        let isFirst = scores.isEmpty
        for range in try parts() {
            try control.begin(stage, range.lowerBound, to: range.upperBound, of: images)
            let outcome = try ask(try evaluation(images: range, wanted: wanted, gradients: gradients))
            if isFirst { try note(scoresOf: outcome) }
            try body(range, outcome)
        }
    }

    /// `evaluateInParts`, foreseen.
    func workInParts(wanted: [String] = [], gradients: [String] = []) throws -> [Work] {
        try parts().map { Work(try evaluation(images: $0, wanted: wanted, gradients: gradients)) }
    }

    private func evaluation(images range: Range<Int>, wanted: [String], gradients: [String]) throws -> Evaluation {
        Evaluation(
            try feeds(images: range), wanted: wanted, target: try target(target, ofImages: range), gradients: gradients, batch: batchSize,
            memory: memory, isDequantized: true)
    }
}
