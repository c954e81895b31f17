internal import Tensors

/// A network as a function of small patches in one of its inputs: each node computes the part of its value that a patch
/// reaches, from what the unchanged image gives elsewhere. Exact: nothing is left out. Where a patch reaches nearly
/// everything, or a node mixes all positions, the whole value is computed for each patch from there on.
package struct IncrementalGraph {
    package private(set) var graph: Graph
    /// Names of the original's values whose contents for the unchanged image must be fed, by their names here.
    package private(set) var bases: [(original: String, name: String)] = []

    /// Inputs of the graph besides the bases: batch x the input's other axes, and batch x row, column.
    package static let patches = "pellucid.patches"
    package static let starts = "pellucid.starts"

    /// `original` has known shapes and one image; `input` is 4-D with rows and columns at `axes`; `size` is that of a patch.
    /// nil: some node cannot be evaluated for a batch of patches.
    package init?(of original: Graph, input: ValueID, axes: [Int], size: [Int], batch: Int, output: ValueID, operators: OperatorSet) throws
    {
        guard let shape = original[input].type?.shape, shape.count == 4, shape[0] == 1, axes.count == 2, size.count == 2,
            let element = original[input].type?.element
        else { return nil }
        var walk = PatchWalk(original: original, operators: operators, batch: batch)
        try walk.begin(input: input, element: element, shape: shape, axes: axes, size: size)
        for node in original.nodes {
            guard try walk.visit(node) else { return nil }
        }
        guard let result = try walk.whole(output) else { return nil }
        walk.builder.graph.outputs = [result]
        graph = walk.builder.graph
        bases = walk.bases.map { (original[$0.key].name, walk.builder.graph[$0.value].name) }.sorted { $0.original < $1.original }
    }
}

/// The walk from the input to the output.
struct PatchWalk {
    /// What has become of a value.
    enum State {
        case patch(Patch)
        /// The value for each patch: the original's first axis, repeated for each in front.
        case whole(ValueID)
    }

    let original: Graph
    let batch: Int
    var builder: Gradients
    /// Values that the patches reach; all others are as in the original.
    var states: [ValueID: State] = [:]
    private(set) var bases: [ValueID: ValueID] = [:]
    private var constants: [ValueID: ValueID] = [:]
    private var starts: ValueID?

    init(original: Graph, operators: OperatorSet, batch: Int) {
        self.original = original
        self.batch = batch
        builder = Gradients(graph: Graph(), operators: operators)
        builder.current = "patch"
    }

    mutating func begin(input: ValueID, element: ElementType, shape: [Int], axes: [Int], size: [Int]) throws {
        var patched = shape
        patched[0] = batch
        for (axis, length) in zip(axes, size) { patched[axis] = min(length, shape[axis]) }
        let value = builder.graph.add(IncrementalGraph.patches, type: TensorType(element, patched.map { Dim($0) }))
        let starts = builder.graph.add(IncrementalGraph.starts, type: TensorType(.int64, [Dim(batch), Dim(2)]))
        builder.graph.inputs = [value, starts]
        self.starts = starts
        states[input] = .patch(
            Patch(
                value: value, rows: Extent(size: patched[axes[0]], of: shape[axes[0]]),
                columns: Extent(size: patched[axes[1]], of: shape[axes[1]]), axes: axes))
    }

    // MARK: Values

    func shape(_ id: ValueID) -> [Int]? { original[id].type?.shape }

    func isChanged(_ id: ValueID) -> Bool { states[id] != nil }

    /// A value that no patch reaches: a constant, or fed from the run of the unchanged image.
    mutating func unchanged(_ id: ValueID) -> ValueID {
        if let constant = original[id].constant {
            if let known = constants[id] { return known }
            let made = builder.graph.constant(constant, original[id].name)
            constants[id] = made
            return made
        }
        if let known = bases[id] { return known }
        let made = builder.graph.add("base(\(original[id].name))", type: original[id].type)
        builder.graph.inputs.append(made)
        bases[id] = made
        return made
    }

    /// The value for each patch; nil where it does not change.
    mutating func whole(_ id: ValueID) throws -> ValueID? {
        switch states[id] {
        case nil: return nil
        case .whole(let value): return value
        case .patch(let patch):
            let full = [patch.rows.full, patch.columns.full]
            let zero = [[Int](repeating: 0, count: patch.rows.starts.count), [Int](repeating: 0, count: patch.columns.starts.count)]
            let value = try window(of: id, patch, at: zero, size: full, fill: 0)
            states[id] = .whole(value)
            return value
        }
    }

    /// A part of a changed value: `at` are its first row and column by the patch's start.
    mutating func window(of id: ValueID, _ patch: Patch, at: [[Int]], size: [Int], fill: Double) throws -> ValueID {
        try emitWindow(
            unchanged(id), axes: patch.axes, at: at, size: size, fill: fill,
            [patch.value, places(patch.rows.starts, patch.columns.starts)])
    }

    /// A part of a value that no patch reaches.
    mutating func window(ofUnchanged id: ValueID, like patch: Patch) throws -> ValueID {
        try emitWindow(
            unchanged(id), axes: patch.axes, at: [patch.rows.starts, patch.columns.starts], size: [patch.rows.size, patch.columns.size],
            fill: 0, [])
    }

    private mutating func emitWindow(
        _ base: ValueID, axes: [Int], at: [[Int]], size: [Int], fill: Double, _ patch: [ValueID]
    ) throws -> ValueID {
        try builder.emit(
            "PatchWindow", [base, places(at[0], at[1])] + patch, ["axes": .ints(axes), "size": .ints(size), "fill": .float(fill)])
    }

    /// Where something begins for each patch of the batch.
    private mutating func places(_ rows: [Int], _ columns: [Int]) throws -> ValueID {
        try builder.emit("PatchPlaces", [starts], ["rows": .ints(rows), "columns": .ints(columns)])
    }

    /// The patch on a larger part of its value.
    mutating func widened(_ id: ValueID, _ patch: Patch, _ rows: Extent, _ columns: Extent) throws -> ValueID {
        if patch.rows == rows, patch.columns == columns { return patch.value }
        return try window(of: id, patch, at: [rows.starts, columns.starts], size: [rows.size, columns.size], fill: 0)
    }
}
