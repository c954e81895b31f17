internal import Tensors

/// Where the masks begin: everything kept, or one cell of a k x k partition partly taken away, which leads to different
/// explanations of one image (the published code of iGOS++).
struct MaskStart {
    static let parameters = [
        Parameter(
            "init_value", .real(0...1), default: "0",
            "diverse initialisation: how much of a cell is taken away at the start (0.2 in the published examples); 0: the mask starts at 1"
        ),
        Parameter("init_cells", .integer(1...64), default: "2", "diverse initialisation: cells along each side"),
        Parameter(
            "init_cell", .integer(0...4095), default: "",
            "diverse initialisation: one cell, counted row by row; default: each in turn, and the map is the one of the lowest objective"),
    ]

    /// nil: everything is kept.
    let cells: [Int?]
    private let value: Double
    private let side: Int

    init(_ settings: Settings) throws {
        value = try settings.real("init_value", or: 0)
        side = try settings.integer("init_cells", or: 2)
        let chosen = try settings.integer("init_cell")
        if let chosen, chosen >= side * side {
            throw Failure.invalid("option 'init_cell' is \(chosen), there are \(side * side) cells (init_cells \(side))")
        }
        cells = value == 0 ? [nil] : chosen.map { [$0] } ?? (0..<(side * side)).map { $0 }
    }

    func mask(_ grid: MaskGrid, cell: Int?) -> [Double] {
        var mask = [Double](repeating: 1, count: grid.count)
        guard let cell else { return mask }
        func range(_ index: Int, _ size: Int) -> Range<Int> { index * size / side..<(index + 1) * size / side }
        for y in range(cell / side, grid.height) {
            for x in range(cell % side, grid.width) { mask[y * grid.width + x] = 1 - value }
        }
        return mask
    }
}
