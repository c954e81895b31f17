internal import Imaging
internal import Runtime
internal import Tensors

/// Which patches a search tries first.
struct PatchOrdering {
    /// How patches are ranked.
    enum Kind: String, CaseIterable, Sendable {
        /// I-GOS where the network has gradients, else single patches.
        case auto
        /// How much of a patch a quick I-GOS mask takes away.
        case igos = "i-gos"
        /// What a patch alone gives, plus what the image loses without it.
        case patch
        /// What a patch alone gives.
        case insertion
        /// What the image loses without a patch.
        case deletion
    }

    /// Importance of each patch; larger comes first.
    let values: [Double]

    /// Patches, the most important first; equal ones in raster order.
    var order: [Int] { values.indices.sorted { values[$0] != values[$1] ? values[$0] > values[$1] : $0 < $1 } }

    private init(values: [Double], _ kind: Kind) {
        self.values = values
        self.kind = kind
    }

    /// The kind that was used in the end.
    private(set) var kind = Kind.patch

    /// As `kind` says.
    init(_ kind: Kind, image: Int, _ scores: PatchScores, _ grid: PatchGrid, _ mask: QuickMask) throws {
        guard kind == .auto || kind == .igos else {
            try self.init(kind, scores, grid)
            return
        }
        do {
            try self.init(values: mask.values(image, grid), .igos)
        } catch let failure as Failure where kind == .auto && failure.kind == .unsupported {
            try self.init(.patch, scores, grid)
        }
    }

    /// From scores of single patches.
    private init(_ kind: Kind, _ scores: PatchScores, _ grid: PatchGrid) throws {
        let whole = PatchSet.all(grid.count)
        let alone = (0..<grid.count).map { PatchSet([$0]) }, without = (0..<grid.count).map { whole.removing($0) }
        try scores.need((kind != .deletion ? alone : []) + (kind != .insertion ? without : []))
        values = (0..<grid.count).map { patch in
            let gain = kind == .deletion ? 0 : scores.probability(alone[patch])
            let loss = kind == .insertion ? 0 : scores.full - scores.probability(without[patch])
            return gain + loss
        }
        self.kind = kind
    }

    /// From a map of one image, larger = more important, averaged over the patches where it is finer than the grid.
    init(map: Tensor, image: Int, _ grid: PatchGrid) throws {
        let shape = map.shape
        guard shape.count >= 2, shape.dropLast(2).reduce(1, *) == 1 || (shape[0] > image && shape.dropLast(2).dropFirst().reduce(1, *) == 1)
        else {
            throw Failure.shape("option 'ordering_map' is \(Shape.text(shape)), expected height x width, or images x 1 x height x width")
        }
        let height = shape[shape.count - 2], width = shape[shape.count - 1]
        guard height >= grid.rows, width >= grid.columns else {
            throw Failure.shape("option 'ordering_map' is \(Shape.text(shape)), coarser than the grid of \(grid.rows)x\(grid.columns)")
        }
        let start = shape.dropLast(2).reduce(1, *) == 1 ? 0 : image * height * width
        values = try map.converted(to: .float64).read(Double.self) { map in
            (0..<grid.count).map { patch in
                let tile = grid.tile(patch, height: height, width: width)
                var sum = 0.0
                for y in tile.rows { for x in tile.columns { sum += map[start + y * width + x] } }
                return sum / Double(max(1, tile.rows.count * tile.columns.count))
            }
        }
        guard values.allSatisfy(\.isFinite) else { throw Failure.invalid("option 'ordering_map' has NaN or infinite elements") }
    }
}
