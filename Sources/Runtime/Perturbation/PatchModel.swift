internal import Graphs
package import Tensors

/// Evaluates one image with a small window of it changed, many times over: only what each change reaches is computed
/// again. The results are those of evaluating every changed image as a whole, to rounding.
package final class PatchModel {
    private let incremental: Model
    private let target: Target
    private let memory: Int?
    /// Activations of the unchanged image that the patches are laid over, by their names in the incremental graph.
    private let bases: [String: Tensor]
    /// Patches evaluated together; `scores` takes exactly so many.
    package let batch: Int
    /// Rows and columns of a patch.
    package let size: [Int]

    /// `feeds`: of one image. `axes`: those of rows and columns of the 4-D input. `batch`: at most so many patches together.
    /// nil where it would not pay, or where the network mixes images: then whole images must be evaluated.
    package init?(
        _ model: Model, feeds: [String: Tensor], input: String, axes: [Int], size: [Int], batch: Int, target: Target, memory: Int?,
        _ control: Control
    ) throws {
        guard feeds[input]?.shape.first == 1, feeds[input]?.type == .float32 else { return nil }
        guard let plain = try model.specialised(Evaluation(feeds, target: target)), let image = plain.graph.id(of: input),
            let found = try IncrementalGraph(
                of: plain.graph, input: image, axes: axes, size: size, batch: batch, output: plain.output, operators: .standard)
        else { return nil }
        self.batch = batch
        self.size = size
        self.memory = memory
        self.target = Target(target.kind, score: target.score, output: found.graph[found.graph.outputs[0]].name)
        incremental = Model(graph: found.graph, like: model)
        // Where most of the network must be computed for each patch, whole images are quicker.
        if let patched = try PatchModel.arithmetic(incremental, found, self.target),
            let whole = try model.cost(Evaluation(feeds, target: target)).flops,
            Double(patched) > 0.8 * Double(whole) * Double(batch)
        {
            return nil
        }
        let wanted = found.bases.map(\.original).filter { feeds[$0] == nil }
        let outcome = try model.evaluate(Evaluation(feeds, wanted: wanted, memory: memory), control)
        bases = try Dictionary(uniqueKeysWithValues: found.bases.map { ($0.name, try feeds[$0.original] ?? outcome.value($0.original)) })
    }

    private static func arithmetic(_ model: Model, _ found: IncrementalGraph, _ target: Target) throws -> Int? {
        let feeds = try Dictionary(
            uniqueKeysWithValues: found.graph.inputs.map { id in
                (found.graph[id].name, try Tensor.placeholder(found.graph[id].type?.element ?? .float32, found.graph[id].type?.shape ?? []))
            })
        return try model.cost(Evaluation(feeds, target: target)).flops
    }

    /// `patches`: `batch` x the input's other axes, of which rows and columns are `size`; `starts`: where each lies.
    package func evaluate(_ patches: Tensor, starts: [(row: Int, column: Int)], wantsEveryScore: Bool = false, _ control: Control) throws
        -> Outcome
    {
        var feeds = bases
        feeds[IncrementalGraph.patches] = patches
        feeds[IncrementalGraph.starts] = try Tensor(starts.flatMap { [Int64($0.row), Int64($0.column)] }, [starts.count, 2])
        return try incremental.evaluate(Evaluation(feeds, target: target, memory: memory, wantsEveryScore: wantsEveryScore), control)
    }
}
