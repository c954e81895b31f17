package import Graphs
package import Runtime
package import Tensors

/// Evaluations of one shape that a method makes: what its cost is estimated from. Only types and shapes of the feeds count.
package struct Work {
    package let evaluation: Evaluation
    package let times: Int
    /// What is known already, in place of the evaluation.
    private let known: Cost?

    package init(_ evaluation: Evaluation, times: Int = 1) {
        self.evaluation = evaluation
        self.times = times
        known = nil
    }

    init(_ cost: Cost) {
        evaluation = Evaluation([:])
        times = 1
        known = cost
    }

    package func cost(_ model: Model) throws -> Cost { try known ?? model.cost(evaluation) * times }
}

/// The verbs of a request, foreseen: each has the arguments of the one that it stands for.
extension Request {
    /// `evaluate`, and so the first part of `scoredTarget`.
    package func work(wanted: [String] = [], gradients: [String] = [], rules: BackwardRules = .gradient) -> Work {
        Work(Evaluation(feeds, wanted: wanted, target: target, gradients: gradients, rules: rules, batch: batchSize, memory: memory))
    }

    /// `evaluate(image:)` for so many versions of each image, `chunk` of them at a time.
    /// `images`: of so many, not all.
    package func work(versions: Int, chunk: Int, gradient: Bool, rules: BackwardRules = .gradient, images count: Int? = nil) throws
        -> [Work]
    {
        guard versions > 0 else { return [] }
        let images = count ?? images
        let chunk = max(1, min(chunk, versions))
        var result = [Work(try evaluation(of: chunk, gradient, rules), times: versions / chunk * images)]
        if versions % chunk > 0 { result.append(Work(try evaluation(of: versions % chunk, gradient, rules), times: images)) }
        return result
    }

    private func evaluation(of versions: Int, _ gradient: Bool, _ rules: BackwardRules) throws -> Evaluation {
        let x = try x
        let copies = try Tensor.placeholder(x.type, [versions] + x.shape.dropFirst())
        return Evaluation(
            try feeds(image: 0, copies), target: Target(.index(0), score: target.score, output: target.output),
            gradients: gradient ? [input] : [], rules: rules, batch: batchSize, memory: memory)
    }
}

extension MethodList {
    /// What `explain` with the same arguments would take at most.
    package static func cost(_ name: String, model: Model, feeds: [String: Tensor], target: Target, options: Options) throws -> Cost {
        let type = try find(name)
        let settings = try Settings(options, type.method.parameters, of: name)
        let request = try Request(
            method: type.method, model: model, feeds: feeds, target: target, settings: settings, control: Control())
        do {
            return try type.init(settings).work(request).reduce(Cost()) { try $0 + $1.cost(model) }
        } catch let failure as Failure {
            throw failure.at(name)
        }
    }
}
