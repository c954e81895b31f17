internal import Imaging
internal import Tensors

/// The image cut into rows and columns of patches, numbered in raster order.
struct PatchGrid: Equatable, Sendable {
    /// How the edges of a patch look.
    enum Mask: String, CaseIterable, Sendable {
        /// The grid of zeros and ones enlarged bilinearly, corner-aligned: patches fade into their neighbours (the released code).
        case soft = "soft_align_corners"
        /// Exact tiles.
        case hard
    }

    let rows: Int
    let columns: Int
    let mask: Mask

    var count: Int { rows * columns }

    static let parameters: [Parameter] = [
        Parameter("grid", .text, default: "7", "patches along each side, or rows and columns as 7,9; at most 64 patches (the paper's 7)"),
        Parameter(
            "patch_mask", .choice(Mask.allCases.map(\.rawValue)), default: Mask.soft.rawValue,
            "soft_align_corners: the grid is enlarged bilinearly, so that patches have soft edges (the released code); hard: exact tiles"),
    ]

    init(_ settings: Settings, _ layout: ImageLayout) throws {
        let text = try settings.text("grid") ?? "7"
        let sizes = text.split(separator: ",").map { Int($0.filter { $0 != " " }) ?? 0 }
        guard sizes.count == 1 || sizes.count == 2, let rows = sizes.first, let columns = sizes.last, (1...64).contains(rows),
            (1...64).contains(columns), rows * columns <= 64
        else { throw Failure.invalid("option 'grid' is '\(text)', expected one or two numbers whose product is at most 64") }
        guard rows <= layout.height, columns <= layout.width else {
            throw Failure.invalid("option 'grid': \(rows)x\(columns) patches for an image of \(layout.height)x\(layout.width) pixels")
        }
        self.rows = rows
        self.columns = columns
        mask = Mask(rawValue: try settings.choice("patch_mask")) ?? .soft
    }

    /// Each set as a mask of `height` x `width`: 1 where its patches are.
    func masks(_ sets: [PatchSet], height: Int, width: Int) throws -> Tensor {
        let cells = try Tensor.make([sets.count, rows, columns], Float.self) { out in
            for (index, set) in sets.enumerated() {
                for cell in 0..<count { out[index * count + cell] = set.contains(cell) ? 1 : 0 }
            }
        }
        return try upsample(cells, height: height, width: width, mask == .soft ? .alignCorners : .nearest)
    }

    /// The rows and columns of an image that a patch's tile covers.
    func tile(_ patch: Int, height: Int, width: Int) -> (rows: Range<Int>, columns: Range<Int>) {
        let row = patch / columns, column = patch % columns
        return (PatchGrid.part(row, of: rows, height), PatchGrid.part(column, of: columns, width))
    }

    /// The positions whose `floor(position * parts / size)` is the part.
    private static func part(_ index: Int, of parts: Int, _ size: Int) -> Range<Int> {
        let first = (index * size + parts - 1) / parts, next = ((index + 1) * size + parts - 1) / parts
        return first..<max(first, next)
    }
}
