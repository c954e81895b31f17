internal import Explainers
internal import Runtime
internal import Tensors

extension Request {
    /// Asks the question of a judged explanation again, of another model or of other feeds, as a part of this call.
    func explainAgain(_ question: Origin, model: Model? = nil, x: Tensor? = nil) throws -> Tensor {
        var feeds = feeds
        if let x { feeds[input] = x }
        let inner = control.nested()
        defer { control.absorb(inner) }
        let explanation = try MethodList.explain(
            question.method, model: model ?? self.model, feeds: feeds, target: question.target, options: question.options, control: inner)
        guard let map = explanation.tensors["map"] else { throw Failure.unsupported("\(question.method) makes no map") }
        return try map.converted(to: .float32)
    }
}
