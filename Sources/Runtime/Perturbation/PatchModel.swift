internal import Graphs
package import Tensors

/// Evaluates an image with a small window of it changed, many times over: only what each change reaches is computed
/// again. The results are those of evaluating every changed image as a whole, to rounding.
package final class PatchModel {
    private let model: Model
    private let incremental: Model
    private let input: String
    private let score: Target.Score
    private let output: String
    private let memory: Int?
    /// Values of the unchanged image that patches are laid over: their names in the model and in the incremental graph.
    private let bases: [(original: String, name: String)]
    /// Patches evaluated together; `evaluate` takes exactly so many.
    package let batch: Int

    /// What one batch of patches takes, and the run of the unchanged image.
    package let cost: Cost
    package let baseCost: Cost

    /// The activations of one unchanged image.
    package struct Base {
        fileprivate let values: [String: Tensor]
    }

    /// `feeds`: of any one image. `axes`: those of rows and columns of the 4-D input; `size`: rows and columns of a patch.
    /// `limit`: most patches together. nil where it would not pay, or where the network mixes images: then whole images must
    /// be evaluated. `always`: also where it does not pay.
    package init?(
        _ model: Model, feeds: [String: Tensor], input: String, axes: [Int], size: [Int], limit: Int, target: Target, memory: Int?,
        always: Bool = false
    ) throws {
        guard feeds[input]?.shape.first == 1, feeds[input]?.type == .float32,
            let plain = try model.specialised(Evaluation(feeds, target: target)), let image = plain.graph.id(of: input)
        else { return nil }
        let target = Target(.index(0), score: target.score, output: target.output)
        let whole = try model.cost(Evaluation(feeds, target: target)).flops
        var size = (patch: size, batch: max(1, limit))
        while true {
            guard
                let found = try IncrementalGraph(
                    of: plain.graph, input: image, axes: axes, size: size.patch, batch: size.batch, output: plain.output,
                    operators: .standard)
            else { return nil }
            let candidate = Model(graph: found.graph, like: model)
            let output = found.graph[found.graph.outputs[0]].name
            var cost = try PatchModel.cost(candidate, found, Target(.index(0), score: target.score, output: output))
            if cost.bytes > memory ?? model.memory, size.batch > 1 {
                size.batch /= 2
                continue
            }
            // Where most of the network must be computed for each patch, whole images are quicker.
            if !always, let patched = cost.flops, let whole, Double(patched) > 0.8 * Double(whole) * Double(size.batch) { return nil }
            (self.model, incremental, self.input, score, self.output, self.memory, bases, batch) = (
                model, candidate, input, target.score, output, memory, found.bases, size.batch
            )
            cost.forwards = size.batch
            self.cost = cost
            baseCost = try model.cost(PatchModel.question(feeds, found.bases, memory))
            return
        }
    }

    private static func cost(_ model: Model, _ found: IncrementalGraph, _ target: Target) throws -> Cost {
        let feeds = try Dictionary(
            uniqueKeysWithValues: found.graph.inputs.map { id in
                (found.graph[id].name, try Tensor.placeholder(found.graph[id].type?.element ?? .float32, found.graph[id].type?.shape ?? []))
            })
        return try model.cost(Evaluation(feeds, target: target))
    }

    /// Runs the unchanged image; `feeds` as they were to `init`, of any image.
    package func base(_ feeds: [String: Tensor], _ control: Control) throws -> Base {
        let outcome = try model.evaluate(PatchModel.question(feeds, bases, memory), control)
        return Base(
            values: try Dictionary(uniqueKeysWithValues: bases.map { ($0.name, try feeds[$0.original] ?? outcome.value($0.original)) }))
    }

    private static func question(_ feeds: [String: Tensor], _ bases: [(original: String, name: String)], _ memory: Int?) -> Evaluation {
        Evaluation(feeds, wanted: bases.map(\.original).filter { feeds[$0] == nil }, memory: memory)
    }

    /// `patches`: `batch` x the input's other axes, rows and columns as long as a patch; `starts`: where each lies.
    package func evaluate(
        _ patches: Tensor, starts: [(row: Int, column: Int)], over base: Base, target: Target, wantsEveryScore: Bool = false,
        _ control: Control
    ) throws -> Outcome {
        var feeds = base.values
        feeds[IncrementalGraph.patches] = patches
        feeds[IncrementalGraph.starts] = try Tensor(starts.flatMap { [Int64($0.row), Int64($0.column)] }, [starts.count, 2])
        let outcome = try incremental.evaluate(
            Evaluation(feeds, target: Target(target.kind, score: score, output: output), memory: memory, wantsEveryScore: wantsEveryScore),
            control)
        // One run of many images.
        control.count(images: max(0, starts.count - 1), isBackward: false, bytes: 0)
        return outcome
    }
}
