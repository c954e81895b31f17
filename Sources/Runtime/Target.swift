internal import Graphs
package import Tensors

/// The scalar, one per image, that is explained or differentiated.
package struct Target: Sendable {
    package enum Kind: Sendable {
        /// Each image's own best class.
        case argmax
        /// One class for every image.
        case index(Int)
        /// One class per image.
        case each([Int])
        /// Sum of several classes.
        case sum([Int])
        /// A class summed over weights that are shaped as the axes after the class axis.
        case mask(Int, Tensor)
        /// Sum of weights times output; shaped as the output, or as one image of it.
        case weights(Tensor)
    }

    /// Which form of the output counts.
    package enum Score: String, Sendable, CaseIterable {
        /// What the method's paper has; the logit where there is no method.
        case auto
        /// Before a terminal Softmax, LogSoftmax or Sigmoid, where there is one.
        case logit
        /// After a Softmax over the class axis, appended where there is none.
        case probability
        /// As it is.
        case output
        /// The logit plus its log-probability: ReST of Cai 2025, "CAMs as Shapley value-based explainers".
        case rest
    }

    package var kind: Kind
    package var score: Score
    /// Output or any other value; nil: the first output.
    package var output: String?

    package init(_ kind: Kind = .argmax, score: Score = .auto, output: String? = nil) {
        self.kind = kind
        self.score = score
        self.output = output
    }

    var isArgmax: Bool { if case .argmax = kind { true } else { false } }

    /// The target of images `range` of a batch.
    func sliced(_ range: Range<Int>, of batch: Int) throws -> Target {
        var part = self
        switch kind {
        case .each(let indices):
            guard indices.count == batch else { throw Failure.shape("\(indices.count) target classes for a batch of \(batch)") }
            part.kind = .each(Array(indices[range]))
        case .weights(let tensor) where tensor.shape.first == batch && batch > 1:
            part.kind = .weights(try tensor.sliced(0, range))
        default: break
        }
        return part
    }

    /// The target with a method's own score in place of `auto`.
    package func scored(as score: Score) -> Target { self.score == .auto ? Target(kind, score: score, output: output) : self }

    /// Weights over an output of `shape` (images first, classes second) whose weighted sum is the score.
    package func weights(_ shape: [Int], element: ElementType) throws -> Tensor {
        let batch = shape.first ?? 1
        guard shape.count > 1 || !needsClasses else {
            throw Failure.shape("the target's output is \(Shape.text(shape)); a class needs images x classes")
        }
        let classes = shape.count > 1 ? shape[1] : 1
        func check(_ index: Int) throws {
            guard (0..<classes).contains(index) else {
                throw Failure.invalid("target class \(index) is out of range, the output has \(classes) classes")
            }
        }
        let positions = shape.dropFirst(2).reduce(1, *)
        var chosen: [(image: Int, index: Int, weight: (Int) -> Float)] = []
        switch kind {
        case .argmax: throw Failure.invalid("the best class is not known before the run")
        case .index(let index): chosen = (0..<batch).map { ($0, index, { _ in 1 }) }
        case .each(let indices):
            guard indices.count == batch else { throw Failure.shape("\(indices.count) target classes for a batch of \(batch)") }
            chosen = indices.enumerated().map { ($0.offset, $0.element, { _ in 1 }) }
        case .sum(let indices): chosen = (0..<batch).flatMap { image in indices.map { (image, $0, { _ in 1 }) } }
        case .mask(let index, let mask):
            let values = try mask.broadcast(to: Array(shape.dropFirst(2))).converted(to: .float32).array(Float.self)
            chosen = (0..<batch).map { ($0, index, { values[$0] }) }
        case .weights(let tensor): return try tensor.broadcast(to: shape).converted(to: element).contiguous()
        }
        for entry in chosen { try check(entry.index) }
        let dense = try Tensor.make(shape, Float.self) { out in
            out.update(repeating: 0)
            for entry in chosen {
                let start = (entry.image * classes + entry.index) * positions
                for position in 0..<positions { out[start + position] += entry.weight(position) }
            }
        }
        return try dense.converted(to: element)
    }

    private var needsClasses: Bool { if case .weights = kind { false } else { true } }
}

/// Where a target is read and what must be fed for it; the part of a target that a plan depends on.
struct TargetPlan: Hashable, Sendable {
    var output: String
    var score: Target.Score
    var isArgmax: Bool

    /// Names of the values that the plan adds.
    static let weights = "pellucid.target.weights"
    static let score = "pellucid.target.score"
    static let classes = "pellucid.target.classes"
}

extension Gradients {
    /// Adds the score of a target: its value (one per image), and the gradient of their sum at the scored value.
    mutating func attach(_ target: TargetPlan) throws -> (scored: ValueID, score: ValueID, seed: ValueID, classes: ValueID?) {
        guard let output = graph.id(of: target.output) else { throw Failure.notFound("no value '\(target.output)'") }
        let scored = try scoredValue(dequantized(output), target.score)
        let type = try type(of: scored)
        guard let rank = type.rank, rank >= 1, type.element.isFloat else {
            throw Failure.unsupported("'\(graph[scored].name)' is \(type); a target needs a float tensor with a batch axis")
        }
        var classes: ValueID?
        let weights: ValueID
        if target.isArgmax {
            guard rank > 1, let shape = type.shape else {
                throw Failure.unsupported("'\(graph[scored].name)' is \(type); choosing the best class needs images x classes")
            }
            let best = try emit("ArgMax", [scored], ["axis": .int(1), "keepdims": .int(0)])
            let depth = constant(try Tensor.scalar(Int64(shape[1])))
            let values = constant(try Tensor([0.0, 1.0] as [Double]).converted(to: type.element))
            weights = try emit("OneHot", [best, depth, values], ["axis": .int(1)])
            classes = best
        } else {
            guard type.shape != nil else {
                throw Failure.unsupported("'\(graph[scored].name)' is \(type); a target needs a shape that is known before the run")
            }
            weights = graph.add(TargetPlan.weights, type: type)
            graph.inputs.append(weights)
        }
        let score = try sum(mul(scored, weights), Array(1..<rank), keepdims: false)
        return (scored, score, weights, classes)
    }

    /// The value before or after the terminal Softmax of an output.
    private mutating func scoredValue(_ output: ValueID, _ score: Target.Score) throws -> ValueID {
        if score == .output { return output }
        if score == .rest {
            let logits = try scoredValue(output, .logit)
            return try add(logits, emit("LogSoftmax", [logits], ["axis": .int(rank(of: logits) > 1 ? 1 : 0)]))
        }
        let producers = graph.producers()
        var at = output
        var passed: [Node] = []
        while producers[at.index] >= 0 {
            let node = graph.nodes[producers[at.index]]
            guard let input = node.inputs.first, let input else { break }
            if ["Softmax", "LogSoftmax", "Sigmoid"].contains(node.op) {
                if score == .probability, node.op != "LogSoftmax" { return output }
                return try replay(passed, on: input)
            }
            if ["QuantizeLinear", "DequantizeLinear", "FakeQuantize"].contains(node.op) {
                at = input
                continue
            }
            guard ["Identity", "Reshape", "Flatten", "Squeeze", "Cast"].contains(node.op), passed.count < 8 else { break }
            passed.append(node)
            at = input
        }
        if score != .probability { return output }
        return try emit("Softmax", [output], ["axis": .int(rank(of: output) > 1 ? 1 : 0)])
    }

    /// Repeats the shape-changing nodes that followed a Softmax on what came before it.
    private mutating func replay(_ passed: [Node], on value: ValueID) throws -> ValueID {
        var value = value
        for node in passed.reversed() { value = try emit(node.op, [value] + node.inputs.dropFirst(), node.attributes) }
        return value
    }
}
