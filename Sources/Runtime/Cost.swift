internal import Graphs
package import Tensors

/// What evaluations take, by shapes alone.
package struct Cost: Sendable {
    /// Images that run forward and backward.
    package var forwards = 0
    package var backwards = 0
    /// Most bytes of activations at once.
    package var bytes = 0
    /// Arithmetic; nil where it depends on sizes that are not known.
    package var flops: Int? = 0

    package init() {}

    /// One after the other.
    package static func + (a: Cost, b: Cost) -> Cost {
        var sum = Cost()
        sum.forwards = a.forwards + b.forwards
        sum.backwards = a.backwards + b.backwards
        sum.bytes = max(a.bytes, b.bytes)
        sum.flops = a.flops.flatMap { x in b.flops.flatMap { Cost.sum(x, $0) } }
        return sum
    }

    /// The same so many times.
    package static func * (a: Cost, times: Int) -> Cost {
        var product = a
        product.forwards = a.forwards * times
        product.backwards = a.backwards * times
        product.flops = a.flops.flatMap { flops in
            let (result, overflow) = flops.multipliedReportingOverflow(by: times)
            return overflow ? nil : result
        }
        return product
    }

    private static func sum(_ a: Int, _ b: Int) -> Int? {
        let (result, overflow) = a.addingReportingOverflow(b)
        return overflow ? nil : result
    }
}

extension Model {
    /// What `evaluate` would take; plans are made and kept for it, nothing is run, and no element of a feed is read.
    package func cost(_ question: Evaluation) throws -> Cost {
        var evaluation = question
        evaluation.feeds = try question.feeds.mapValues { $0.type.bits == 0 ? $0 : try .placeholder($0.type, $0.shape) }
        let control = Control()
        let (batching, ranges) = try cut(evaluation, control)
        var bySize: [Int: Cost] = [:]
        var total = Cost()
        for range in ranges {
            let known = try bySize[range.count] ?? cost(of: ranges.count == 1 ? evaluation : part(evaluation, range, batching), control)
            bySize[range.count] = known
            total = total + known
        }
        return total
    }

    /// What computing all outputs takes. Without feeds: for the sizes of the file, a symbolic first axis being 1.
    package func cost(feeds: [String: Tensor]) throws -> Cost {
        try cost(Evaluation(feeds.isEmpty ? try placeholders() : feeds, wanted: outputs.map(\.name)))
    }

    /// The shape that a value has for inputs of these shapes; nothing is run.
    package func shape(of name: String, _ feeds: [String: Tensor]) throws -> [Int] {
        try shape(of: name, in: Evaluation(feeds))
    }

    /// The shape that a value of an evaluation would have, images along its first axis; nothing is run.
    package func shape(of name: String, in evaluation: Evaluation) throws -> [Int] {
        var asked = evaluation
        asked.feeds = try evaluation.feeds.mapValues { $0.type.bits == 0 ? $0 : try .placeholder($0.type, $0.shape) }
        asked.wanted = [name]
        let control = Control()
        let (batching, ranges) = try cut(asked, control)
        guard let range = ranges.first else { throw Failure.invalid("no images") }
        let plan = try plan(for: ranges.count > 1 ? part(asked, range, batching) : asked, control)
        guard var shape = plan.wanted[name].flatMap({ plan.graph[$0].type?.shape }) else {
            throw Failure.unsupported("the shape of '\(name)' follows from data and is not known before a run")
        }
        if ranges.count > 1, shape.first == range.count, let count = batching.count { shape[0] = count }
        return shape
    }

    private func cost(of evaluation: Evaluation, _ control: Control) throws -> Cost {
        let plan = try plan(for: evaluation, control)
        var cost = Cost()
        cost.forwards = images(evaluation)
        cost.backwards = evaluation.gradients.isEmpty ? 0 : cost.forwards
        cost.bytes = plan.peakBytes
        cost.flops = plan.graph.nodes.reduce(0) { sum, node in
            sum.flatMap { sum in
                Flops.count(node, in: plan.graph).flatMap { sum.addingReportingOverflow($0).overflow ? nil : sum + $0 }
            }
        }
        return cost
    }

    /// Tensors of the inputs' sizes, with one image each.
    private func placeholders() throws -> [String: Tensor] {
        try Dictionary(
            uniqueKeysWithValues: inputs.map { input in
                guard let type = input.type, let dims = type.dims else {
                    throw Failure.invalid("the file does not say what shape input '\(input.name)' has: feed a tensor of that shape")
                }
                let symbol = dims.first.flatMap { $0.isSymbolic ? $0 : nil }
                let shape = try dims.map { dim in
                    guard let size = dim == symbol ? 1 : dim.value else {
                        throw Failure.invalid(
                            "input '\(input.name)' is \(type), sizes of which are open: feed a tensor of the shape that is meant")
                    }
                    return size
                }
                return (input.name, try Tensor.placeholder(type.element, shape))
            })
    }
}

extension Tensor {
    /// A tensor that is asked for its type and shape only: one zero, seen everywhere.
    package static func placeholder(_ type: ElementType, _ shape: [Int]) throws -> Tensor {
        if type == .string { return try Tensor(strings: [String](repeating: "", count: try Shape.count(shape)), shape) }
        return try Tensor.zeros(type, []).widened().broadcast(to: shape)
    }
}
