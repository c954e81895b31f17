package import Explainers
package import Runtime
package import Tensors

/// The metrics of this library; a new one adds its line.
package enum MetricList {
    package static let metrics: [any Metric.Type] = [
        Deletion.self, Insertion.self, PixelFlipping.self, Road.self, AverageDrop.self, AverageIncrease.self, Infidelity.self,
        Selectivity.self, Monotonicity.self,
        MaxSensitivity.self, Completeness.self, PointingGame.self, EnergyPointingGame.self, Sparseness.self, Complexity.self,
        ParameterRandomization.self,
    ]

    package static func find(_ name: String) throws -> any Metric.Type {
        if let found = metrics.first(where: { $0.info.method.name == name }) { return found }
        throw Failure.notFound("no metric '\(name)'\(Suggestion.text(for: name, among: metrics.map { $0.info.method.name }))")
    }

    /// Judges by name: checks input and options, runs the metric, writes the manifest. `explanation` nil: the option `map`
    /// is judged. `target` nil: the class that was explained, or the best one of each image.
    package static func evaluate(
        _ name: String, model: Model, feeds: [String: Tensor], target: Target?, explanation: Explanation?, options: Options,
        control: Control
    ) throws -> Explanation {
        let call = try Call(name, model, feeds, target, explanation, options, control)
        try call.request.checkFinite()
        do {
            let verdict = try call.metric.judge(call.request, call.subject)
            let findings = try verdict.findings(call.info, call.subject)
            return try Manifest(method: call.info.method, request: call.request, settings: call.settings).explanation(findings)
        } catch let failure as Failure where failure.kind != .callback && failure.kind != .cancelled {
            throw failure.at(name)
        }
    }

    /// What `evaluate` with the same arguments would take at most.
    package static func cost(
        _ name: String, model: Model, feeds: [String: Tensor], target: Target?, explanation: Explanation?, options: Options
    ) throws -> Cost {
        let call = try Call(name, model, feeds, target, explanation, options, Control())
        do {
            let own = try call.metric.work(call.request, call.subject).reduce(Cost()) { try $0 + model.cost($1.evaluation) * $1.times }
            let times = try call.metric.repetitions(call.request, call.subject)
            guard times > 0 else { return own }
            let origin = try call.subject.question(name)
            return own + (try MethodList.cost(origin.method, model: model, feeds: feeds, target: origin.target, options: origin.options))
                * times
        } catch let failure as Failure {
            throw failure.at(name)
        }
    }

    /// One evaluation, with its arguments checked.
    private struct Call {
        let info: MetricInfo
        let metric: any Metric
        let settings: Settings
        let request: Request
        let subject: Subject

        init(
            _ name: String, _ model: Model, _ feeds: [String: Tensor], _ target: Target?, _ explanation: Explanation?, _ options: Options,
            _ control: Control
        ) throws {
            let type = try MetricList.find(name), info = type.info
            self.info = info
            let takesMaps = info.method.parameters.contains { $0.name == "map" }
            guard takesMaps || (options["map"] == nil && explanation != nil) else { throw Subject.notAMap(name) }
            settings = try Settings(options, info.method.parameters, of: name)
            let explained = explanation?.origin?.target
            // A metric has a score of its own; one that measures what was explained asks the explanation.
            let usual = explained.map { Target($0.kind, score: info.method.score == .auto ? $0.score : .auto, output: $0.output) }
            request = try Request(
                method: info.method, model: model, feeds: feeds, target: target ?? usual ?? Target(), settings: settings, control: control)
            metric = try type.init(settings)
            let given = takesMaps ? try settings.tensor("map") : nil
            guard let map = given ?? explanation?.tensors["map"] else {
                throw Failure.invalid(
                    explanation == nil
                        ? "\(name): there is nothing to judge: give an explanation, or the option 'map'"
                        : "\(name): the explanation has no map")
            }
            subject = Subject(
                map: try Call.perImage(map, request.images, name), origin: given == nil ? explanation?.origin : nil)
        }

        /// With an entry for each image; one of height x width is that of the only image.
        private static func perImage(_ map: Tensor, _ images: Int, _ name: String) throws -> Tensor {
            let isBare = images == 1 && map.shape.count == 2 && map.shape[0] != 1
            guard map.count > 0, map.shape.first == images || isBare else {
                throw Failure.shape("\(name): the map is \(Shape.text(map.shape)), the input has \(images) images")
            }
            return isBare ? try map.reshaped([1] + map.shape) : map
        }
    }
}
